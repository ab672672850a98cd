"""BraTS cases as a BIDS dataset: images in the raw dataset, segmentations in ``derivatives/brats``, landmarks of
BraTS-Reg in ``derivatives/landmarks``.

Voxels are not touched: ``.nii.gz`` files are copied byte by byte, ``.nii`` files are compressed. A case whose files
are all there is kept as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import attrs

from ...files.checksums import sha256_of
from ...files.images import ImageError, remove_leftovers, write_text
from ...files.landmarks import LandmarkError
from ...files.sidecars import beside, copy, copy_compressed, write_sidecar
from ...files.tables import brats_rows, json_text, label_table, read_tsv, table
from ...files.text import listed
from ..simulate import SUFFIXES
from .cases import BratsError, Case
from .check import Findings, examine, left_out
from .kinds import BRATS, DERIVATIVE, LANDMARKS, PROGRAM, Kind, write_descriptions

EMPTY = "EmptySegmentationSHA256"
"""In the sidecars of a case's images: of a segmentation without any label, which is not imported."""
COLUMNS = ("participant_id", "brats_id", "grade")
SESSION_COLUMNS = ("session_id",)
SESSIONS = {"days": {"Description": "days since the patient's scan before the operation", "Units": "d"}}
SPACE = {
    True: "On the grid of SRI24 (240 x 240 x 155 voxels of 1 mm), to which the organisers of BraTS aligned the images.",
    False: "The images of a case were aligned to each other by the organisers of BraTS.",
}


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of a case."""

    case: Case
    state: str
    """``imported``, ``kept`` or ``failed``."""
    has_tumor: bool = False
    """Whether a segmentation is in the dataset."""
    notices: tuple[str, ...] = ()
    error: Exception | None = None
    """Why it failed."""


def check_folders(src_dir: Path, bids_dir: Path) -> None:
    """Raise :class:`BratsError` unless ``bids_dir`` is new, empty or of this program, and apart from the source."""
    source, target = src_dir.resolve(), bids_dir.resolve()
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise BratsError(f"{bids_dir} and {src_dir} lie one inside the other: choose another BIDS_DIR")
    if target.exists() and not target.is_dir():
        raise BratsError(f"{bids_dir} is a file; a folder is required")
    if target.is_dir() and any(target.iterdir()) and not _made_here(target / "dataset_description.json"):
        raise BratsError(f"{bids_dir} is not empty and was not made by {PROGRAM}: choose another folder")


def import_cases(
    cases: Iterable[Case],
    bids_dir: Path,
    report: Callable[[Outcome], None] = lambda outcome: None,
    kind: Kind = BRATS,
) -> list[Outcome]:
    """Write the dataset; a case that fails does not stop the others.

    Parameters
    ----------
    cases : iterable of Case
        Those with a ``problem`` fail at once.
    bids_dir : Path
        Checked by :func:`check_folders`.
    report : callable
        Gets every outcome as it comes.
    kind : Kind

    Returns
    -------
    outcomes : list of Outcome
        In the order of the cases.
    """
    write_descriptions(bids_dir, kind)
    for folder in (bids_dir, bids_dir / kind.derivative):
        remove_leftovers(folder)
    outcomes = []
    for case in cases:
        outcomes.append(_import_case(case, bids_dir))
        report(outcomes[-1])
    there = [outcome.case for outcome in outcomes if outcome.state != "failed"]
    write_participants(bids_dir, there)
    for label, sessions in groupby(sorted(there, key=_label), key=_label):
        write_sessions(bids_dir, label, list(sessions))
    return outcomes


def image_path(case: Case, modality: str) -> Path:
    """Where a modality goes, relative to the dataset."""
    return _stem(case, SUFFIXES[modality])


def segmentation_path(case: Case) -> Path:
    """Where the label map goes, relative to the dataset."""
    return DERIVATIVE / _stem(case, "seg-brats_dseg")


def landmarks_path(case: Case) -> Path:
    """Where the landmarks go, relative to the dataset."""
    return beside(LANDMARKS / _stem(case, "landmarks"), ".csv")


def is_complete(case: Case, bids_dir: Path) -> bool:
    """Whether all that a case has is in the dataset; of an empty segmentation, the note that it is."""
    images = [image_path(case, modality) for modality in case.images]
    wanted = [path for image in images for path in (image, beside(image, ".json"))]
    if case.segmentation and not _is_known_empty(case, bids_dir):
        labels = segmentation_path(case)
        wanted += [labels, beside(labels, ".json"), beside(labels, ".tsv")]
    if case.landmarks:
        wanted += [landmarks_path(case), landmarks_path(case).with_suffix(".json")]
    return all((bids_dir / path).is_file() for path in wanted)


def _is_known_empty(case: Case, bids_dir: Path) -> bool:
    """Whether the segmentation was found empty when the case was imported, and is still the same file."""
    if not case.segmentation or not case.images:
        return False
    sidecar = beside(bids_dir / image_path(case, next(iter(case.images))), ".json")
    try:
        return bool(json.loads(sidecar.read_text(encoding="utf-8"))[EMPTY] == sha256_of(case.segmentation))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_participants(bids_dir: Path) -> dict[str, dict[str, str]]:
    """Rows of ``participants.tsv`` by label; none where there is no such file."""
    _, rows = _read_rows(bids_dir / "participants.tsv", COLUMNS)
    return {name.removeprefix("sub-"): cells for name, cells in rows.items()}


def check_sessions(bids_dir: Path, cases: Iterable[Case]) -> None:
    """Raise :class:`BratsError` where a ``sessions.tsv`` that cases will be added to is broken."""
    for label in sorted({case.label for case in cases if case.days is not None}):
        _read_rows(_sessions_path(bids_dir, label), SESSION_COLUMNS)


def _read_rows(path: Path, required: Sequence[str]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Columns of a table, and its rows by the first of the required ones; no rows where there is no such file."""
    if not path.is_file():
        return list(required), {}
    way_out = "mend the table, or remove it"
    try:
        columns, rows = read_tsv(path)
    except ValueError as error:
        raise BratsError(f"{error}; {way_out}") from error
    if rows and not set(required) <= set(columns):
        raise BratsError(
            f"{path}: every row has to have {', '.join(required)}, the table has {listed(columns)}; {way_out}"
        )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if not row.whole:
            raise BratsError(
                f"{path}: every row has to have {', '.join(columns)}, line {row.line} has more or fewer cells; "
                f"{way_out}"
            )
        if found.setdefault(row.cells[required[0]], row.cells) is not row.cells:
            raise BratsError(f"{path}, line {row.line}: a second row of {row.cells[required[0]]}; {way_out}")
    return columns, found


def write_participants(bids_dir: Path, cases: Iterable[Case]) -> None:
    """``participants.tsv`` of these cases and of those that it had; further columns stay."""
    rows = read_participants(bids_dir)
    for case in cases:
        row = rows.setdefault(case.label, {"participant_id": f"sub-{case.label}", "grade": "n/a"})
        row["brats_id"] = case.subject
        row["grade"] = case.grade or row["grade"]
    columns = [*COLUMNS, *sorted({column for row in rows.values() for column in row} - set(COLUMNS))]
    cells = [[row.get(column, "n/a") for column in columns] for _, row in sorted(rows.items())]
    write_text(table(columns, cells), bids_dir / "participants.tsv")


def write_sessions(bids_dir: Path, label: str, cases: Iterable[Case]) -> None:
    """``sub-X_sessions.tsv`` of a participant whose cases tell the days between scans; rows of other sessions stay."""
    days = {f"ses-{case.session}": str(case.days) for case in cases if case.days is not None}
    if not days:
        return
    path = _sessions_path(bids_dir, label)
    columns, rows = _read_rows(path, SESSION_COLUMNS)
    for session, number in days.items():
        rows.setdefault(session, {"session_id": session})["days"] = number
    columns = [*columns, *(name for name in (*SESSION_COLUMNS, "days") if name not in columns)]
    cells = [[row.get(column) or "n/a" for column in columns] for row in rows.values()]
    write_text(table(columns, cells), path)
    write_sidecar(path, SESSIONS)


def _sessions_path(bids_dir: Path, label: str) -> Path:
    return bids_dir / f"sub-{label}" / f"sub-{label}_sessions.tsv"


def _import_case(case: Case, bids_dir: Path) -> Outcome:
    if case.problem:
        return Outcome(case=case, state="failed", notices=case.notices, error=BratsError(case.problem))
    if is_complete(case, bids_dir):
        if case.segmentation and _is_known_empty(case, bids_dir):
            return Outcome(case=case, state="kept", notices=(*case.notices, left_out(case.segmentation.name)))
        return Outcome(case=case, state="kept", has_tumor=bool(case.segmentation), notices=case.notices)
    try:
        findings = examine(case)
        _write_case(case, findings, bids_dir)
    except (ImageError, LandmarkError, OSError) as error:
        return Outcome(case=case, state="failed", notices=case.notices, error=error)
    notices = (*case.notices, *findings.notices)
    return Outcome(case=case, state="imported", has_tumor=findings.has_tumor, notices=notices)


def _write_case(case: Case, findings: Findings, bids_dir: Path) -> None:
    for modality, source in case.images.items():
        path = bids_dir / image_path(case, modality)
        content: dict[str, Any] = {"Modality": "MR", "SkullStripped": True}
        if modality == "T1ce":
            content["ContrastBolusIngredient"] = "GADOLINIUM"
        content["Description"] = f"{source.name}. {SPACE[findings.on_sri24]}"
        if case.segmentation and not findings.has_tumor:
            content[EMPTY] = sha256_of(case.segmentation)
        write_sidecar(path, content)
        copy_compressed(source, path)
    if case.segmentation and findings.has_tumor:
        path = bids_dir / segmentation_path(case)
        enhancing = f"The enhancing tumour is label {case.layout.convention['ET']}."
        content = {
            "Description": f"{case.segmentation.name}. {enhancing} {SPACE[findings.on_sri24]}",
            "Sources": [f"bids:raw:{image_path(case, modality).as_posix()}" for modality in case.images],
        }
        write_text(label_table(brats_rows(case.layout.convention)), beside(path, ".tsv"))
        write_sidecar(path, content)
        copy_compressed(case.segmentation, path)
    if case.landmarks:
        path = bids_dir / landmarks_path(case)
        content = {
            "Description": f"{case.landmarks.name}. Equal numbers in both sessions are the same place.",
            "Columns": "X, Y, Z in mm of the image's world, LPS",
            "Sources": [f"bids:raw:{image_path(case, modality).as_posix()}" for modality in case.images],
        }
        write_text(json_text(content), path.with_suffix(".json"))
        copy(case.landmarks, path)


def _label(case: Case) -> str:
    return case.label


def _stem(case: Case, suffix: str) -> Path:
    session = [f"ses-{case.session}"] if case.session else []
    name = "_".join([f"sub-{case.label}", *session, suffix])
    return Path(f"sub-{case.label}", *session, "anat", f"{name}.nii.gz")


def _made_here(description: Path) -> bool:
    try:
        content = json.loads(description.read_text(encoding="utf-8"))
        return any(maker.get("Name") == PROGRAM for maker in content.get("GeneratedBy", []))
    except (OSError, ValueError, AttributeError):
        return False
