"""The last look at what is to be shared: are there traces of who somebody is?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .names import SUBJECT, Names
from .text import PATH

TEXTS = (".json", ".tsv", ".md", ".txt", "")
"""Suffixes of files that are read as text; ``.bidsignore`` has none."""
SESSION = re.compile(r"ses-([A-Za-z0-9]+)")


def traces(folder: Path, names: Names) -> list[str]:
    """Old names and absolute paths in the names and texts of a folder.

    Parameters
    ----------
    folder : Path
    names : Names

    Returns
    -------
    found : list of str
        A sentence each: which file, relative to the folder, and what is in it.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found += [f"{name}: its name has {trace}" for trace in _of_names(name, names)]
        if path.is_file() and path.suffix in TEXTS:
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [f"{name}: {trace}" for trace in _of_names(text, names)]
            found += [f"{name}: the path {found_path[0].strip()}" for found_path in PATH.finditer(text)]
    return found


def _of_names(text: str, names: Names) -> Iterator[str]:
    new = set(names.subjects.values())
    sessions = {label for each in names.sessions.values() for label in each.values()}
    yield from sorted({f"sub-{label}" for label in SUBJECT.findall(text)} - {f"sub-{label}" for label in new})
    yield from sorted(
        {f"ses-{label}" for label in SESSION.findall(text)} - {f"ses-{label}" for label in sessions}
    )
    if names.telling:
        yield from sorted({match[0] for match in names.bare.finditer(text)})
