"""Folders as others left them: what macOS adds to them, and files of which only a link is here."""

from __future__ import annotations

import os
import stat
from pathlib import Path

POINTER = b"/annex/objects/"
"""Beginning of the text that stands in place of an unlocked file of git-annex."""
LONGEST_POINTER = 32768
"""Bytes that git-annex allows for such a text."""


def files_in(folder: Path, *patterns: str) -> list[Path]:
    """What matches a pattern in a folder, sorted, without hidden files.

    On disks of other systems macOS leaves beside every ``name`` a ``._name``, which is no image and no table.

    Parameters
    ----------
    folder : Path
        May be missing.
    *patterns : str
        As of :meth:`pathlib.Path.glob`.
    """
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    return sorted(path for path in found if not path.name.startswith("."))


def missing_content(path: Path) -> str:
    """Why a name leads to no content: a link to nothing, or what git-annex leaves in a file's place.

    Returns
    -------
    reason : str
        With what mends it; empty where there is content, or no such name.
    """
    if path.is_symlink() and not path.exists():
        target = os.readlink(path)
        if "annex/objects" not in target:
            return (
                f"a link to nothing ({target}): restore what it leads to (in a container: is that mounted?)"
            )
    elif not _is_pointer(path):
        return ""
    return "its content is not here (git-annex): fetch it with `datalad get` or `git annex get`"


def _is_pointer(path: Path) -> bool:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > LONGEST_POINTER:
            return False
        with path.open("rb") as file:
            return file.read(len(POINTER)) == POINTER
    except OSError:
        return False
