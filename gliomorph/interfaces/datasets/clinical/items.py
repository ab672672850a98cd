"""Images that go into a BIDS dataset, and the tables in which a user says what each of them is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from ...files.tables import Row, read_tsv
from ...files.text import listed, quoted
from ..simulate import SUFFIXES

MASKS = {"mask": "label-tumor_mask", "brain": "desc-brain_mask"}
"""End of the BIDS name by kind of mask."""
DERIVATIVE = Path("derivatives", "masks")
"""Where masks go, relative to the dataset."""
LABEL = re.compile(r"[A-Za-z0-9]+", re.ASCII)
PREFIXES = {"participant_id": "sub", "session_id": "ses", "run": "run"}
MOST_PROBLEMS = 10
"""Lines that one message names."""


class ClinicalError(ValueError):
    """Images or a table that cannot be imported as asked: the message says what to change."""


@attrs.frozen(kw_only=True)
class Item:
    """An image or a mask, and what it becomes."""

    subject: str
    session: str = ""
    run: str = ""
    modality: str
    """T1w, T1ce, T2w, FLAIR, ``mask`` or ``brain``."""
    line: int
    """The line of the table that says so."""
    source: Path = Path()
    """NIfTI file."""
    sidecar: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def path(self) -> Path:
        """Where it goes, relative to the dataset: made of labels alone, which are letters and digits."""
        folders = [f"sub-{self.subject}", *([f"ses-{self.session}"] if self.session else [])]
        run = [f"run-{self.run}"] if self.run else []
        if self.modality in MASKS:
            name = "_".join([*folders, *run, MASKS[self.modality]])
            return Path(DERIVATIVE, *folders, "anat", f"{name}.nii.gz")
        contrast, _, suffix = SUFFIXES[self.modality].rpartition("_")
        name = "_".join([*folders, *([contrast] if contrast else []), *run, suffix])
        return Path(*folders, "anat", f"{name}.nii.gz")


def image_sidecar(modality: str) -> dict[str, Any]:
    """What is known of an image by its modality alone."""
    contrast = {"ContrastBolusIngredient": "GADOLINIUM"} if modality == "T1ce" else {}
    return {"Modality": "MR", **contrast}


def read_rows(table: Path, required: Sequence[str], optional: Sequence[str]) -> list[Row]:
    """Rows of a table that has the required columns, perhaps the optional ones, and no other.

    Raises
    ------
    OSError
        It cannot be read.
    ClinicalError
        It is not there or no such table, has no row, or a row with more or fewer cells.
    """
    if not table.is_file():
        raise ClinicalError(f"{table}: no such file: give a tab-separated table")
    try:
        columns, rows = read_tsv(table)
    except ValueError as error:
        raise ClinicalError(f"{error}; save it as tab-separated text") from error
    known = f"the columns are {', '.join(required)}, and perhaps {', '.join(optional)}"
    if missing := [column for column in required if column not in columns]:
        raise ClinicalError(f"{table}, line 1: no column {', '.join(missing)}; {known}")
    if unknown := [column for column in columns if column not in (*required, *optional)]:
        raise ClinicalError(f"{table}, line 1: unknown columns {listed(unknown)}: remove them; {known}")
    if len(set(columns)) < len(columns):
        raise ClinicalError(f"{table}, line 1: a column is there twice: remove one; {known}")
    if not rows:
        raise ClinicalError(f"{table}: no row below the head: add one for each image")
    raise_all(
        f"{table}, line {row.line}: {len(columns)} cells are required, there are more or fewer: mend the row"
        for row in rows
        if not row.whole
    )
    return rows


def item_of(row: Row, modalities: Iterable[str]) -> Item:
    """What a row says, its labels with or without ``sub-``, ``ses-`` and ``run-``.

    Raises
    ------
    ClinicalError
        A modality or a label that there cannot be; the message lacks table and line.
    """
    modality = row.cells["modality"].strip()
    if modality not in modalities:
        raise ClinicalError(f"modality {quoted(modality)}: one of {', '.join(modalities)} is required")
    labels = {column: _label(row.cells.get(column, ""), column) for column in PREFIXES}
    if not labels["participant_id"]:
        raise ClinicalError("participant_id is empty: a label such as sub-001 is required")
    if labels["run"] and not labels["run"].isdecimal():
        raise ClinicalError(f"run {quoted(labels['run'])}: a number is required")
    return Item(
        subject=labels["participant_id"],
        session=labels["session_id"],
        run=labels["run"],
        modality=modality,
        line=row.line,
    )


def _label(cell: str, column: str) -> str:
    text = cell.strip()
    label = "" if text == "n/a" else text.removeprefix(f"{PREFIXES[column]}-")
    if label and not LABEL.fullmatch(label):
        raise ClinicalError(f"{column} {quoted(text)}: letters and digits alone are required")
    return label


def collisions(items: Sequence[Item]) -> list[str]:
    """What is wrong where two rows ask for one name, or for names that differ by case or by their sessions alone."""
    problems: list[str] = []
    names: dict[str, Item] = {}
    subjects: dict[str, Item] = {}
    for item in items:
        first = names.setdefault(item.path.as_posix().casefold(), item)
        if first is not item:
            problems.append(
                f"line {item.line}: would be {item.path.name} like line {first.line}: give each a run of its own, "
                "or remove one"
            )
        known = subjects.setdefault(item.subject.casefold(), item)
        if known.subject != item.subject:
            problems.append(
                f"line {item.line}: sub-{item.subject} differs from sub-{known.subject} of line {known.line} by "
                "upper and lower case alone: spell both alike"
            )
        if bool(known.session) != bool(item.session):
            problems.append(
                f"line {item.line}: sub-{item.subject} has rows with and without session_id (line {known.line}): "
                "give all of them one, or none"
            )
    return problems


def raise_all(problems: Iterable[str]) -> None:
    """Raise :class:`ClinicalError` with all problems, one a line, if there is any."""
    found = list(problems)
    if found:
        more = [f"and {len(found) - MOST_PROBLEMS} more"] if len(found) > MOST_PROBLEMS else []
        raise ClinicalError("\n".join([*found[:MOST_PROBLEMS], *more]))
