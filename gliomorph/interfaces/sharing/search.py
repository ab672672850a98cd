"""The last look at what is to be shared: are there traces of who somebody is?"""

from __future__ import annotations

import re
from pathlib import Path

from .names import SUBJECT, WORD, Names
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
    subjects = {*names.subjects.values()}
    sessions = {label for each in names.sessions.values() for label in each.values()}

    def old(text: str) -> list[str]:
        found = {f"sub-{label}" for label in SUBJECT.findall(text) if label not in subjects}
        found |= {f"ses-{label}" for label in SESSION.findall(text) if label not in sessions}
        return sorted(found | {word for word in WORD.findall(text) if word.lower() in names.telling})

    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found += [f"{name}: its name has {trace}" for trace in old(name)]
        if path.is_file() and path.suffix in TEXTS:
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [f"{name}: {trace}" for trace in old(text)]
            found += [f"{name}: the path {trace[0].strip()}" for trace in PATH.finditer(text)]
    return found
