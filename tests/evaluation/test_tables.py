"""Registrations are found by their files' names; tables are read as they were written."""

from __future__ import annotations

from pathlib import Path

import evaluations
import pytest

from gliomorph.evaluation.tables import check_out_dir, read_rows, write_rows
from gliomorph.interfaces.derivatives.registrations import EvaluationError, find_registrations


def test_scans_sessions_and_methods_are_found_in_order(tmp_path: Path) -> None:
    for scan in ("sub-02_ses-pre_ce-gadolinium", "sub-01"):
        for method in ("zeta", "syn-cfm", "rigid"):
            evaluations.write_record(tmp_path, scan, method)
    found = find_registrations(tmp_path, order=("rigid", "affine", "syn-cfm"))
    assert found.methods == ("rigid", "syn-cfm", "zeta")
    assert list(found.by_scan) == ["sub-01", "sub-02_ses-pre_ce-gadolinium"]
    assert (found.template, found.resolution, found.notices) == ("Tiny", 4, ())
    one = found.by_scan["sub-02_ses-pre_ce-gadolinium"]["syn-cfm"]
    assert one.where == "sub-02/ses-pre/anat"
    assert one.row["session_id"] == "ses-pre" and one.row["participant_id"] == "sub-02"
    assert one.native_from_template.name == (
        "sub-02_ses-pre_ce-gadolinium_from-native_to-Tiny_mode-image_desc-syncfm_xfm.h5"
    )


@pytest.mark.parametrize(
    "content", ["", "[]", '{"method": "../../x", "quality": {}}', '{"method": "syn"}', '{"quality": {}}']
)
def test_a_record_that_is_none_is_named_and_passed_over(tmp_path: Path, content: str) -> None:
    evaluations.write_record(tmp_path, "sub-01", "rigid")
    bad = evaluations.write_record(tmp_path, "sub-02", "syn")
    bad.write_text(content)
    found = find_registrations(tmp_path)
    assert list(found.by_scan) == ["sub-01"]
    assert found.notices == (f"{bad.name}: not the record of a registration by gliomorph, passed over",)


def test_one_template_and_resolution_have_to_be_chosen(tmp_path: Path) -> None:
    evaluations.write_record(tmp_path, "sub-01", "rigid")
    evaluations.write_record(tmp_path, "sub-01", "rigid", resolution=2)
    evaluations.write_record(tmp_path, "sub-01", "syn", template="Other")
    with pytest.raises(
        EvaluationError, match=r"Other at 4 mm, Tiny at 2 mm, Tiny at 4 mm: choose with --template"
    ):
        find_registrations(tmp_path)
    assert find_registrations(tmp_path, template="Tiny", resolution=2).methods == ("rigid",)
    with pytest.raises(EvaluationError, match=r"of Nobody; there is Other at 4 mm"):
        find_registrations(tmp_path, template="Nobody")


def test_a_folder_without_registrations_is_said(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="give the folder that gliomorph has written"):
        find_registrations(tmp_path)
    with pytest.raises(EvaluationError, match="nowhere: not a folder"):
        find_registrations(tmp_path / "nowhere")


def test_tables_are_not_written_among_the_derivatives(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="is DERIV_DIR itself"):
        check_out_dir(tmp_path / "x" / "..", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(EvaluationError, match="a folder is required, this is a file"):
        check_out_dir(tmp_path / "file", tmp_path)


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [{"a": 'tab\t"quote"\nline', "b": 1.5}, {"a": "", "b": float("nan")}]
    path = write_rows(rows, tmp_path / "t.tsv")
    assert read_rows(path, ["a", "b"]) == [{"a": 'tab\t"quote"\nline', "b": "1.5"}, {"a": "n/a", "b": "n/a"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tc\n1\t2\n", r"t\.tsv, line 1: column b is required"),
        ("a\tb\n1\t2\n1\n", r"t\.tsv, line 3: 2 tab-separated cells are required"),
        ("a\tb\n1\t2\t3\n", r"t\.tsv, line 2: 2 tab-separated cells are required"),
        ("", r"t\.tsv, line 1: column a, b is required"),
    ],
)
def test_another_table_is_refused_by_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(content)
    with pytest.raises(EvaluationError, match=message):
        read_rows(path, ["a", "b"])


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a\xff"])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match=r"t\.tsv: not a table of tab-separated values"):
        read_rows(path, ["a"])
