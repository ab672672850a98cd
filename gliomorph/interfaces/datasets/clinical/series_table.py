"""The table of DICOM series that a user looks over, and the list of who is who, which stays outside the dataset."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from ...files.images import ImageError, read_grid, write_text
from ...files.tables import table
from ..simulate import SUFFIXES
from .dicom import Series, converted
from .items import ClinicalError, Item, collisions, image_sidecar, item_of, raise_all, read_rows
from .recognise import PASSED_OVER, recognise

REQUIRED = ("series", "participant_id", "modality")
OPTIONAL = ("session_id", "run", "why", "number", "description", "files")
COLUMNS = (
    "participant_id",
    "session_id",
    "run",
    "modality",
    "why",
    "number",
    "description",
    "files",
    "series",
)
MODALITIES = (*SUFFIXES, *PASSED_OVER)
MAPPING = ("participant_id", "session_id", "patient_id", "study_date")


def series_key(series: Series) -> str:
    """The name of a series in the table, which does not tell its identifier."""
    return hashlib.sha256(series.uid.encode()).hexdigest()[:12]


def series_table(found: Sequence[Series]) -> str:
    """Text of the table, one row a series.

    Parameters
    ----------
    found : sequence of Series
        Patients are numbered in the order of their identifiers, sessions in that of their dates, runs in that of the
        series.

    Returns
    -------
    text : str
    """
    patients = {patient: number for number, patient in enumerate(sorted({s.patient for s in found}), start=1)}
    days = sorted({(series.patient, series.date) for series in found})
    sessions = {day: f"ses-{[each for each in days if each[0] == day[0]].index(day) + 1:02}" for day in days}
    proposals = [recognise(series.header) for series in found]
    places = [
        (f"sub-{patients[series.patient]:03}", sessions[series.patient, series.date], modality)
        for series, (modality, _) in zip(found, proposals, strict=True)
    ]
    total, seen, rows = Counter(places), Counter[tuple[str, str, str]](), []
    for series, place, (modality, why) in zip(found, places, proposals, strict=True):
        seen[place] += 1
        run = str(seen[place]) if total[place] > 1 and modality in SUFFIXES else "n/a"
        header = series.header
        rows.append(
            (
                *place[:2],
                run,
                modality,
                why,
                series.number,
                header.description,
                len(series.files),
                series_key(series),
            )
        )
    return table(COLUMNS, rows)


def read_series_table(path: Path, found: Sequence[Series]) -> list[tuple[Item, Series]]:
    """The series that a table wants, each with what it becomes; those of :data:`PASSED_OVER` are left out.

    Raises
    ------
    OSError
        The table cannot be read.
    ClinicalError
        Naming every line that cannot be imported, and what to do.
    """
    known, rows = {series_key(series): series for series in found}, read_rows(path, REQUIRED, OPTIONAL)
    wanted: list[tuple[Item, Series]] = []
    problems: list[str] = []
    lines: dict[str, int] = {}
    owners: dict[str, tuple[str, int]] = {}
    for row in rows:
        key = row.cells["series"].strip()
        try:
            if key not in known:
                raise ClinicalError(f"series {key!r} is not in the source folder: remove the row, or mend it")
            if lines.setdefault(key, row.line) != row.line:
                raise ClinicalError(f"series {key} is that of line {lines[key]}, too: remove one row")
            item = item_of(row, MODALITIES)
            if item.modality in PASSED_OVER:
                continue
            owner, line = owners.setdefault(item.subject.casefold(), (known[key].patient, row.line))
            if owner != known[key].patient:
                raise ClinicalError(
                    f"sub-{item.subject} is another patient on line {line}, by PatientID: give each a label of its own"
                )
            wanted.append((item, known[key]))
        except ClinicalError as error:
            problems.append(f"{path}, line {row.line}: {error}")
    raise_all([*problems, *(f"{path}, {problem}" for problem in collisions([item for item, _ in wanted]))])
    if not wanted:
        raise ClinicalError(
            f"{path}: no series is T1w, T1ce, T2w or FLAIR: say of one what it is, under modality"
        )
    return wanted


def converted_items(wanted: Sequence[tuple[Item, Series]], program: Path, path: Path) -> Iterator[Item]:
    """The items with their images, one after the other; each image is gone when the next is asked for.

    Raises
    ------
    ClinicalError
        A series cannot be converted.
    """
    for item, series in wanted:
        try:
            with converted(series, program) as (image, sidecar):
                read_grid(image)
                yield attrs.evolve(item, source=image, sidecar={**image_sidecar(item.modality), **sidecar})
        except (ClinicalError, ImageError) as error:
            raise ClinicalError(f"{path}, line {item.line}: {error}; say skip under modality") from error


def mapping_table(wanted: Sequence[tuple[Item, Series]]) -> str:
    """Text of the list of who is who."""
    rows = {
        (
            f"sub-{item.subject}",
            f"ses-{item.session}" if item.session else "n/a",
            series.patient,
            series.date or "n/a",
        )
        for item, series in wanted
    }
    return table(MAPPING, sorted(rows))


def check_mapping(text: str, path: Path) -> None:
    """Raise :class:`ClinicalError` where a list of who is who is there that says something else."""
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ClinicalError(
            f"{path} is there and says otherwise who is who: move it away, or name another file by --mapping"
        )


def write_mapping(text: str, path: Path) -> None:
    """Write the list of who is who for its owner alone, after :func:`check_mapping`."""
    write_text(text, path).chmod(0o600)
