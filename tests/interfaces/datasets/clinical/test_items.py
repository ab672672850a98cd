"""Rows become BIDS names, and none of their texts becomes a path."""

from __future__ import annotations

from pathlib import Path

import pytest

from gliomorph.interfaces.datasets.clinical.items import (
    MASKS,
    ClinicalError,
    Item,
    collisions,
    item_of,
    raise_all,
    read_rows,
)
from gliomorph.interfaces.datasets.entities import is_bids
from gliomorph.interfaces.datasets.simulate import SUFFIXES
from gliomorph.interfaces.files.tables import Row


def row(**cells: str) -> Row:
    return Row(2, {"participant_id": "sub-1", "modality": "T1w"} | cells, True)


@pytest.mark.parametrize("session", ["", "pre"])
@pytest.mark.parametrize("run", ["", "2"])
def test_images_have_bids_names(session: str, run: str) -> None:
    for modality in SUFFIXES:
        path = Item(subject="1", session=session, run=run, modality=modality, line=2).path
        assert is_bids(f"/{path.as_posix()}")


def test_names_hold_the_labels_in_bids_order() -> None:
    item = item_of(row(session_id="ses-pre", run="run-2", modality="T1ce"), SUFFIXES)
    assert str(item.path) == "sub-1/ses-pre/anat/sub-1_ses-pre_ce-gadolinium_run-2_T1w.nii.gz"
    mask = item_of(row(session_id="n/a", run="2", modality="mask"), MASKS)
    assert str(mask.path) == "derivatives/masks/sub-1/anat/sub-1_run-2_label-tumor_mask.nii.gz"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"participant_id": "../../etc"}, r"participant_id '../../etc': letters and digits alone"),
        ({"participant_id": "sub-ä"}, "letters and digits alone"),
        ({"participant_id": "n/a"}, "participant_id is empty"),
        ({"session_id": "a/b"}, "session_id 'a/b': letters"),
        ({"run": "one"}, "run 'one': a number"),
        ({"modality": "T3"}, "modality 'T3': one of T1w, T1ce, T2w, FLAIR is required"),
    ],
)
def test_labels_that_there_cannot_be_are_refused(cells: dict[str, str], message: str) -> None:
    with pytest.raises(ClinicalError, match=message):
        item_of(row(**cells), SUFFIXES)


def test_rows_that_get_in_each_others_way_are_found() -> None:
    items = [
        Item(subject="a", modality="T1w", line=2),
        Item(subject="a", modality="T1w", line=3),
        Item(subject="A", modality="T2w", line=4),
        Item(subject="a", session="1", modality="T2w", line=5),
    ]
    same, case, session = collisions(items)
    assert same.startswith("line 3: would be sub-a_T1w.nii.gz like line 2")
    assert case.startswith("line 4: sub-A differs from sub-a of line 2")
    assert session.startswith("line 5: sub-a has rows with and without session_id (line 2)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tc\n1\t2\n", "line 1: no column b"),
        ("a\tb\tsecret\n1\t2\t3\n", "line 1: unknown columns 'secret': remove them"),
        ("a\tb\tb\n1\t2\t3\n", "line 1: a column is there twice"),
        ("a\tb\n", "no row below the head"),
        ("a\tb\n1\n", "line 2: 2 cells are required"),
    ],
)
def test_tables_with_other_columns_or_cells_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(ClinicalError, match=message):
        read_rows(tmp_path / "t.tsv", ("a", "b"), ("d",))


def test_many_problems_are_counted() -> None:
    raise_all([])
    with pytest.raises(ClinicalError, match=r"(?s)^0\n.*9\nand 2 more$"):
        raise_all(str(number) for number in range(12))


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClinicalError, match=r"none\.tsv: no such file"):
        read_rows(tmp_path / "none.tsv", ("a",), ())
