"""Settings that differ from others in some options."""

from __future__ import annotations

from typing import Any

from gliomorph.config.settings import Settings


def changed(settings: Settings, **options: Any) -> Settings:
    """The settings with other options, by the names of their fields."""
    return Settings.of(**settings.options() | options)
