"""The command line of gliomorph-import."""

from __future__ import annotations

from pathlib import Path

import pytest
from brats_folders import write_case, write_pair

from gliomorph.cli import import_brats as cli_import
from gliomorph.interfaces.datasets.brats.cases import BratsError
from gliomorph.interfaces.files.images import ImageError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    write_case(folder / "HGG" / "Brats18_A_1", {1, 2, 4})
    write_case(folder / "BraTS-GLI-00000-000", kinds=["t1n"])
    return folder


def test_cases_are_imported_and_accounted_for(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bids = tmp_path / "bids"
    assert cli_import.main(["brats", str(source), str(bids)]) == 0
    first, second, summary, following = capsys.readouterr().out.splitlines()
    assert first.endswith(
        "1 of 2: BraTS-GLI-00000-000 as sub-BraTSGLI00000 ses-000 imported (no T1ce, T2w, FLAIR; no segmentation)"
    )
    assert second.endswith("2 of 2: Brats18_A_1 as sub-Brats18A1 imported")
    assert summary == f"2 of 2 cases are in {bids}: 2 imported, 0 kept; 1 without a segmentation"
    assert following == f"next: gliomorph {bids} OUT_DIR participant -d brats={bids}/derivatives/brats"


def test_second_run_keeps_what_is_there(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["brats", str(source), str(tmp_path / "bids")]
    cli_import.main(arguments)
    capsys.readouterr()
    assert cli_import.main(arguments) == 0
    assert "0 imported, 2 kept; 1 without a segmentation" in capsys.readouterr().out


def test_failures_are_listed_last_and_exit_with_one(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_case(source / "BraTS2021_00000", {1, 3})
    assert cli_import.main(["brats", str(source), str(tmp_path / "bids")]) == 1
    captured = capsys.readouterr()
    assert "2 of 3 cases are in" in captured.out
    head, failure = captured.err.splitlines()
    assert head == "gliomorph-import: 1 not imported:"
    assert failure.startswith(
        "  BraTS2021_00000: BraTS2021_00000_seg.nii.gz: labels 1 (NCR), 2 (ED), 4 (ET) are"
    )


def test_verbose_shows_where_a_case_failed(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_case(source / "BraTS2021_00000", {1, 3})
    assert cli_import.main(["brats", str(source), str(tmp_path / "bids"), "-v"]) == 1
    assert f"{ImageError.__name__}: BraTS2021_00000_seg" in capsys.readouterr().err


def test_dry_run_writes_nothing_and_tells_all(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bids = tmp_path / "bids"
    cli_import.main(["brats", str(source), str(bids)])
    write_case(source / "BraTS2021_00000")
    write_case(source / "BraTS-PED-00000-000", {1})
    write_case(source / "somewhere_else")
    before = sorted(bids.rglob("*"))
    capsys.readouterr()
    assert cli_import.main(["brats", str(source), str(bids), "--dry-run"]) == 1
    assert sorted(bids.rglob("*")) == before
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(
        "somewhere_else holds images, but its name is not that of a BraTS case: passed over"
    )
    assert lines[2].startswith("BraTS-PED-00000-000: would be refused: paediatric labels changed after 2023")
    assert lines[3:] == [
        "BraTS2021_00000 as sub-BraTS202100000 would be imported (no segmentation)",
        "Brats18_A_1 as sub-Brats18A1 is there and would be kept",
    ]
    assert cli_import.main(["brats", str(source), str(bids), "--dry-run", "--pediatric-2023"]) == 0


def test_dry_run_makes_no_folder(source: Path, tmp_path: Path) -> None:
    assert cli_import.main(["brats", str(source), str(tmp_path / "bids"), "--dry-run"]) == 0
    assert not (tmp_path / "bids").exists()


def test_patients_of_an_earlier_import_are_not_mixed_up(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bids, second = tmp_path / "bids", tmp_path / "second"
    cli_import.main(["brats", str(source), str(bids)])
    write_case(second / "Brats18_A1")
    assert cli_import.main(["brats", str(second), str(bids)]) == 1
    assert "Brats18_A1 and Brats18_A_1 would both be sub-Brats18A1" in capsys.readouterr().err


def test_unusable_folder_is_one_line_and_exit_one(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["brats", str(source), str(source / "bids")]
    assert cli_import.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("gliomorph-import: ")
    assert len(error.splitlines()) == 1
    with pytest.raises(BratsError, match="lie one inside the other"):
        cli_import.main([*arguments, "--verbose"])


def test_interruption_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_import, "import_cases", interrupted)
    assert cli_import.main(["brats", str(source), str(tmp_path / "bids")]) == 130
    assert "the same command continues" in capsys.readouterr().err


def test_help_reads_well(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli_import.main(["brats", "--help"])
    text = capsys.readouterr().out
    assert "SRC_DIR BIDS_DIR" in text
    assert "--pediatric-2023" in text


def test_a_kind_of_dataset_has_to_be_said(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli_import.main([])
    assert "{dicom,nifti,brats,brats-reg}" in capsys.readouterr().err


def test_pairs_with_landmarks_are_imported_and_measured_next(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bids = tmp_path / "bids"
    write_pair(tmp_path / "src" / "BraTSReg_001", left_out=["00_0000_landmarks.csv"])
    assert cli_import.main(["brats-reg", str(tmp_path / "src"), str(bids)]) == 0
    first, second, summary, following = capsys.readouterr().out.splitlines()
    assert first.endswith("1 of 2: BraTSReg_001_00_0000 as sub-BraTSReg001 ses-pre imported (no landmarks)")
    assert second.endswith("2 of 2: BraTSReg_001_01_0106 as sub-BraTSReg001 ses-post imported")
    assert summary == f"2 of 2 cases are in {bids}: 2 imported, 0 kept; 1 without landmarks"
    assert f"gliomorph-evaluate landmarks OUT_DIR EVALUATION {bids}/derivatives/landmarks/sub-*/" in following
