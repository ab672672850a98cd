"""The command line of gliomorph-export."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_derivatives import HEAD, write_derivatives

from gliomorph.cli import export as cli


def test_what_was_done_is_said_with_the_names_of_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, shared, mapping = write_derivatives(tmp_path / "out"), tmp_path / "shared", tmp_path / "map.tsv"
    assert cli.main([str(out), str(shared), "--mapping", str(mapping), "--deface", "--seed", "1"]) == 0
    first, defaced, left = capsys.readouterr().out.splitlines()
    assert first.endswith(f"files of 2 subjects are in {shared}; {mapping} leads back")
    assert defaced.startswith(f"1 images were defaced: sub-{HEAD}/anat/sub-{HEAD}_desc-n4_T1w.nii.gz")
    assert left.startswith("2 images show more than the brain, or may, and were left out: ")


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(tmp_path), str(tmp_path / "shared"), "--mapping", str(tmp_path / "map.tsv")]) == 1
    assert capsys.readouterr().err.startswith(f"gliomorph-export: {tmp_path}: its dataset_description.json")


def test_columns_come_from_the_participants_table_of_the_derivatives_unless_one_is_given(
    tmp_path: Path,
) -> None:
    out, shared = write_derivatives(tmp_path / "out"), tmp_path / "shared"
    (tmp_path / "p.tsv").write_text(f"participant_id\tage\nsub-{HEAD}\t91\n")
    arguments = [str(out), str(shared), "--mapping", str(tmp_path / "map.tsv"), "--columns", "age"]
    assert cli.main(arguments) == 1
    assert cli.main([*arguments, "--participants", str(tmp_path / "p.tsv")]) == 0
    assert {line.split("\t")[1] for line in (shared / "participants.tsv").read_text().splitlines()} == {
        "age", "89+", "n/a",
    }  # fmt: skip
