"""Options of a training on record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from .. import __version__


def record_of(options: Any, words: Callable[[Path], str], hashes: Mapping[str, Any]) -> dict[str, Any]:
    """Options ready for JSON, with the version.

    Parameters
    ----------
    options : attrs instance
    words : callable
        What is written of a path.
    hashes : mapping of str to object
        Of the weights that are read, under the options' names followed by ``_sha256``.
    """
    plain = attrs.asdict(
        options, value_serializer=lambda _, __, value: words(value) if isinstance(value, Path) else value
    )
    record: dict[str, Any] = json.loads(json.dumps({**plain, **hashes, "version": __version__}))
    return record
