"""Copies of files with their JSON sidecars."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

from .images import replacing, write_text

BIDS_VERSION = "1.10.0"
"""The version of the standard that our datasets follow."""


def copy(source: Path, target: Path) -> Path:
    """Copy under a temporary name, then rename."""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


def copy_compressed(source: Path, target: Path) -> Path:
    """Copy a ``.nii.gz`` as it is, a ``.nii`` compressed."""
    if source.name.endswith(".gz"):
        return copy(source, target)
    with replacing(target) as temporary:
        temporary.write_bytes(gzip.compress(source.read_bytes(), compresslevel=6, mtime=0))
    return target


def write_sidecar(image: Path, content: dict[str, Any]) -> Path:
    """The JSON beside an image or a table."""
    return write_text(json.dumps(content, indent=1) + "\n", beside(image, ".json"))


def read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds; empty where it is none, or cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def beside(image: Path, extension: str) -> Path:
    """An image's or a table's name with another extension."""
    return image.with_name(image.name.removesuffix(".nii.gz").removesuffix(".tsv") + extension)
