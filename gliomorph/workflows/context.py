"""What the levels of a run share: its options, and what was found by them once, before anything is computed."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Iterable
from pathlib import Path

import attrs
from rich.console import Console
from rich.markup import escape

from ..config.option import SettingsError
from ..config.settings import Settings
from ..interfaces.datasets.template_files import TemplateFiles, prepare_template, template_notices
from ..interfaces.group.regions.label_map import ParcellationError
from ..interfaces.group.regions.parcellation import Parcellation, prepare_parcellation
from .keys import cache_folder


@attrs.frozen(kw_only=True)
class RunContext:
    """A run, its options resolved."""

    settings: Settings
    """Options."""
    template: TemplateFiles
    """Prepared files."""
    parcellation: Parcellation | None
    """None where none was asked for, or no atlas."""
    run_id: str
    """Name of the run, which is that of its log folder."""
    console: Console
    """Where messages go."""
    cache: Path
    """Pydra's cache."""


def notice(console: Console, texts: Iterable[str]) -> None:
    """Print notices."""
    for text in texts:
        console.print(f"[yellow]notice[/yellow] {escape(text)}", highlight=False)


def new_run_id() -> str:
    """UTC time and eight random digits: sorts by time, and runs that start in one second differ."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def resolve(settings: Settings, console: Console) -> RunContext:
    """Prepare what the options name, once for all levels.

    Raises
    ------
    SettingsError, TemplateError
        A template or a parcellation that cannot be used.
    """
    processing, cache = settings.processing, cache_folder(settings.resources.work_dir)
    template = prepare_template(
        processing.template, processing.resolution, processing.template_dirs, cache / "templates"
    )
    notice(console, template_notices(template))
    return RunContext(
        settings=settings,
        template=template,
        parcellation=find_parcellation(settings, template, cache),
        run_id=new_run_id(),
        console=console,
        cache=cache,
    )


def find_parcellation(settings: Settings, template: TemplateFiles, cache: Path) -> Parcellation | None:
    """The parcellation of ``--parcellation`` on the template's grid; None where none was asked for, or no atlas.

    Raises
    ------
    SettingsError
        For one that cannot be used.
    """
    word, processing = settings.atlas.parcellation, settings.processing
    if not word or "group" not in settings.levels:
        return None
    try:
        return prepare_parcellation(
            word, processing.template, template, processing.template_dirs, cache / "templates"
        )
    except ParcellationError as error:
        raise SettingsError(str(error)) from error
