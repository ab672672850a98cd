"""The table of series proposes, and only what a user gives back counts."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from gliomorph.interfaces.datasets.clinical.dicom import Series
from gliomorph.interfaces.datasets.clinical.items import ClinicalError
from gliomorph.interfaces.datasets.clinical.recognise import Header
from gliomorph.interfaces.datasets.clinical.series_table import (
    check_mapping,
    mapping_table,
    read_series_table,
    series_key,
    series_table,
    write_mapping,
)

T1 = Header(description="t1_mprage")
FOUND = [
    Series(uid="1", patient="B", date="20200301", number=2, header=T1, files=(Path("a"),)),
    Series(uid="2", patient="B", date="20200301", number=3, header=T1, files=(Path("b"),)),
    Series(uid="3", patient="B", date="20190301", number=2, header=T1, files=(Path("c"),)),
    Series(uid="4", patient="A", date="20210301", number=1, header=Header(description="scout"), files=()),
    Series(uid="5", patient="A", date="20210301", number=2, header=Header(description="FLAIR"), files=()),
]

Edit = Callable[[list[dict[str, str]]], None]


def edited(folder: Path, edit: Edit = lambda rows: None) -> Path:
    rows = list(csv.DictReader(io.StringIO(series_table(FOUND)), delimiter="\t"))
    edit(rows)
    path = folder / "series.tsv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_patients_sessions_and_runs_are_numbered_in_their_order() -> None:
    rows = list(csv.DictReader(io.StringIO(series_table(FOUND)), delimiter="\t"))
    assert [(r["participant_id"], r["session_id"], r["run"], r["modality"]) for r in rows] == [
        ("sub-002", "ses-02", "1", "T1w"),
        ("sub-002", "ses-02", "2", "T1w"),
        ("sub-002", "ses-01", "n/a", "T1w"),
        ("sub-001", "ses-01", "n/a", "skip"),
        ("sub-001", "ses-01", "n/a", "FLAIR"),
    ]
    assert rows[3]["why"] == "a localiser (description has 'scout')"
    assert "2020" not in series_table(FOUND)


def test_what_is_given_back_counts(tmp_path: Path) -> None:
    def edit(rows: list[dict[str, str]]) -> None:
        rows[1] |= {"modality": "T1ce", "run": "n/a"}
        rows[0]["run"] = ""
        rows[4]["modality"] = "unknown"

    wanted = read_series_table(edited(tmp_path, edit), FOUND)
    assert [(item.path.name, series.uid) for item, series in wanted] == [
        ("sub-002_ses-02_T1w.nii.gz", "1"),
        ("sub-002_ses-02_ce-gadolinium_T1w.nii.gz", "2"),
        ("sub-002_ses-01_T1w.nii.gz", "3"),
    ]
    assert mapping_table(wanted).splitlines() == [
        "participant_id\tsession_id\tpatient_id\tstudy_date",
        "sub-002\tses-01\tB\t20190301",
        "sub-002\tses-02\tB\t20200301",
    ]


@pytest.mark.parametrize(
    ("number", "cells", "message"),
    [
        (0, {"series": "abc"}, "line 2: series 'abc' is not in the source folder"),
        (1, {"series": series_key(FOUND[0])}, "line 3: series [0-9a-f]{12} is that of line 2, too"),
        (4, {"participant_id": "sub-002"}, "line 6: sub-002 is another patient on line 2, by PatientID"),
        (1, {"run": "1"}, "line 3: would be sub-002_ses-02_run-1_T1w.nii.gz like line 2"),
        (0, {"modality": "mask"}, "line 2: modality 'mask': one of T1w, T1ce, T2w, FLAIR, skip, unknown"),
        (0, {"session_id": "../x"}, "line 2: session_id '../x': letters and digits"),
    ],
)
def test_faulty_rows_are_refused_by_their_lines(
    tmp_path: Path, number: int, cells: dict[str, str], message: str
) -> None:
    with pytest.raises(ClinicalError, match=message):
        read_series_table(edited(tmp_path, lambda rows: rows[number].update(cells)), FOUND)


def test_a_table_without_any_image_is_refused(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda rows: [row.update(modality="skip") for row in rows] and None)
    with pytest.raises(ClinicalError, match="no series is T1w, T1ce, T2w or FLAIR"):
        read_series_table(path, FOUND)


def test_patients_without_a_date_come_first_and_are_said_to_have_none(tmp_path: Path) -> None:
    undated = attrs.evolve(FOUND[2], date="")
    text = series_table([undated])
    (tmp_path / "t.tsv").write_text(text)
    assert mapping_table(read_series_table(tmp_path / "t.tsv", [undated])).endswith(
        "sub-001\tses-01\tB\tn/a\n"
    )


def test_who_is_who_is_for_the_owner_alone_and_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mapping.tsv"
    check_mapping("one", path)
    write_mapping("one", path)
    check_mapping("one", path)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(ClinicalError, match="says otherwise who is who: move it away"):
        check_mapping("two", path)
