"""New names of subjects and sessions, and the table that leads back, which stays at home."""

from __future__ import annotations

import os
import random
import re
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import attrs

from ..datasets.entities import natural
from ..files.folders import files_in
from ..files.tables import read_table, read_tsv, table

COLUMNS = ("participant_id", "session_id", "shared_participant_id", "shared_session_id")
SUBJECT = re.compile(r"sub-([A-Za-z0-9]+)")
OF_SESSIONS = re.compile(r"(?<![A-Za-z0-9])(ses|space|from|to)-([A-Za-z0-9]+)")
"""Entities whose value may be the label of a session: the native space of a session is called by it."""
WORD = re.compile(r"(?<![A-Za-z0-9])(?<!\d\.)[A-Za-z0-9]+")
"""Letters and digits together, but those behind a decimal point."""
DIGITS, LONG_NUMBER, LONG_WORD = 3, 7, 4
"""Digits of new labels at least; lengths from which numbers and other labels are looked for without ``sub-``."""


class ExportError(ValueError):
    """What cannot be shared as asked: the message names the file or option and what was required."""


@attrs.frozen(slots=False)  # which cached properties need
class Names:
    """Old labels with their new ones, both without ``sub-`` and ``ses-``."""

    subjects: Mapping[str, str]
    sessions: Mapping[str, Mapping[str, str]]
    """By the old label of the subject; none where there are no sessions."""

    def renamed(self, text: str, subject: str = "") -> str:
        """A text with new names in place of old ones.

        Parameters
        ----------
        text : str
            A path or a sentence.
        subject : str
            The old label of the subject that sessions belong to where the text names none.
        """
        named = next((label for label in SUBJECT.findall(text) if label in self.subjects), subject)
        sessions = self.sessions.get(named, {})
        text = OF_SESSIONS.sub(lambda m: f"{m[1]}-{sessions.get(m[2], m[2])}", text)
        text = SUBJECT.sub(lambda m: f"sub-{self.subjects.get(m[1], m[1])}", text)
        return WORD.sub(lambda m: self.telling.get(m[0].lower(), m[0]), text)

    @cached_property
    def telling(self) -> Mapping[str, str]:
        """New labels by old ones, in small letters, that stand for a person wherever they occur; ``01`` does not."""
        new = {*self.subjects.values()}
        return {
            label.lower(): self.subjects[label]
            for label in self.subjects
            if len(label) >= (LONG_NUMBER if label.isdecimal() else LONG_WORD) and label not in new
        }


def draw_names(out: Path, known: Names, chance: random.Random) -> Names:
    """Names of all subjects of a derivatives folder: those that are known stay, others are drawn.

    Parameters
    ----------
    out : Path
        What ``gliomorph`` has written.
    known : Names
        Of an earlier export; empty before the first.
    chance : random.Random
        Draws the order in which subjects get their numbers.

    Returns
    -------
    names : Names
        Subjects ``001``, ``002``…, with more digits where that is somebody's old label; sessions ``1``, ``2``… in the
        order of ``sub-X_longitudinal.tsv``, else of their labels.
    """
    labels = _subjects_of(out)
    new = sorted(labels - known.subjects.keys())
    chance.shuffle(new)
    subjects = dict(known.subjects)
    taken = {int(label) for label in subjects.values()}
    free = (number for number in range(1, len(taken) + len(new) + 1) if number not in taken)
    numbers = dict(zip(new, free, strict=False))
    width = max([DIGITS, *(len(str(number)) for number in numbers.values()), *map(len, subjects.values())])
    while any(f"{number:0{width}d}" in labels for number in numbers.values()):
        width += 1
    subjects |= {label: f"{number:0{width}d}" for label, number in numbers.items()}
    sessions = {label: _sessions_of(out, label, known.sessions.get(label, {})) for label in labels}
    return Names(subjects, {**known.sessions, **sessions})


def _subjects_of(out: Path) -> set[str]:
    """Labels of folders, and of those whose folders are gone but who are in a table of the group."""
    labels = {path.name.removeprefix("sub-") for path in files_in(out, "sub-*") if path.is_dir()}
    for path in files_in(out, "group_*.tsv", "participants.tsv"):
        rows = read_tsv(path, "replace")[1]
        labels |= {
            row.cells["participant_id"].removeprefix("sub-") for row in rows if "participant_id" in row.cells
        }
    return labels


def _sessions_of(out: Path, subject: str, known: Mapping[str, str]) -> dict[str, str]:
    folder = out / f"sub-{subject}"
    labels = sorted((path.name.removeprefix("ses-") for path in files_in(folder, "ses-*")), key=natural)
    followed = folder / f"sub-{subject}_longitudinal.tsv"
    order = (
        [row["session_id"].removeprefix("ses-") for row in read_table(followed)] if followed.is_file() else []
    )
    labels.sort(key=lambda label: order.index(label) if label in order else len(order))
    new = [label for label in labels if label not in known]
    return {**known, **{label: str(len(known) + number) for number, label in enumerate(new, 1)}}


def read_mapping(file: Path) -> Names:
    """The names that an earlier export has drawn; none where there is no such file.

    Raises
    ------
    ExportError
        It is another table.
    """
    if not file.exists():
        return Names({}, {})
    columns, rows = read_tsv(file)
    if tuple(columns) != COLUMNS:
        raise ExportError(
            f"--mapping {file}: a table of an earlier export is required, with the columns {', '.join(COLUMNS)}; "
            "give another file"
        )
    subjects: dict[str, str] = {}
    sessions: dict[str, dict[str, str]] = {}
    for row in rows:
        old, session, new, number = (row.cells[name].split("-", 1)[-1] for name in COLUMNS)
        subjects[old] = new
        sessions.setdefault(old, {}).update({session: number} if row.cells["session_id"] != "n/a" else {})
    return Names(subjects, sessions)


def write_mapping(names: Names, file: Path) -> None:
    """Write the table that leads back, for its owner's eyes alone (mode 600), whole or not at all."""
    rows = []
    for old, new in sorted(names.subjects.items(), key=lambda pair: pair[1]):
        for session, number in (names.sessions.get(old) or {"": ""}).items():
            ends = (f"ses-{session}", f"ses-{number}") if session else ("n/a", "n/a")
            rows.append((f"sub-{old}", ends[0], f"sub-{new}", ends[1]))
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)  # made with mode 600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as text:
            text.write(table(COLUMNS, rows))
        os.replace(temporary, file)
    finally:
        Path(temporary).unlink(missing_ok=True)
