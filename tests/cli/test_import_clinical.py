"""The command lines of gliomorph-import dicom and nifti."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from brats_folders import image
from dicom_series import FLAIR, LOCALISER, SECRETS, T1, T1CE, write_series

from gliomorph.cli.import_brats import main
from gliomorph.interfaces.datasets.query import find_scans
from gliomorph.interfaces.files.images import write_image


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    write_series(folder / "loc", LOCALISER, slices=2)
    write_series(folder / "t1", T1 | {"SeriesNumber": 2}, slices=4)
    write_series(folder / "flair", FLAIR, slices=4)
    write_series(folder / "t1ce", T1CE, slices=4)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file's name and uncompressed content."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): gzip.decompress(path.read_bytes())
        if path.suffix == ".gz"
        else path.read_bytes()
        for path in files
    }


def test_dicom_is_imported_after_its_table_was_looked_over(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bids, table, mapping = tmp_path / "bids", tmp_path / "bids_series.tsv", tmp_path / "bids_mapping.tsv"
    assert main(["dicom", str(source), str(bids)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{table}: what each of 4 series would be, and why",
        "next: look the table over, mend what is wrong, and run: "
        f"gliomorph-import dicom {source} {bids} --table {table}",
    ]
    assert not bids.exists()
    assert main(["dicom", str(source), str(bids)]) == 1
    assert "is there: give it back with --table" in capsys.readouterr().err
    assert main(["dicom", str(source), str(bids), "--table", str(table)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == [
        f"3 of 4 series are in {bids}; the others are passed over",
        f"{mapping}: who is who; keep it apart from the dataset",
        f"next: gliomorph {bids} OUT_DIR participant",
    ]
    assert "PAT-77\t20200102" in mapping.read_text()

    found = contents(bids)
    anat = "sub-001/ses-01/anat/sub-001_ses-01_"
    images = ("FLAIR", "T1w", "ce-gadolinium_T1w")
    assert [name for name in found if name.startswith("sub-")] == [
        f"{anat}{name}{extension}" for name in images for extension in (".json", ".nii.gz")
    ]
    assert json.loads(found[f"{anat}ce-gadolinium_T1w.json"])["ContrastBolusIngredient"] == "GADOLINIUM"
    everything = b"\n".join([*found.values(), *(name.encode() for name in found)])
    for secret in (*SECRETS, "20200102", "2020-01-02", "1.2.826", "operation"):
        assert secret.encode() not in everything
    (scan,) = find_scans(bids, modality="T1ce")
    assert (scan.label, scan.problem) == ("sub-001_ses-01", "")


def test_proposals_are_taken_as_they_are_with_yes(source: Path, tmp_path: Path) -> None:
    bids, mapping = tmp_path / "bids", tmp_path / "safe" / "who.tsv"
    assert main(["dicom", str(source), str(bids), "--yes", "--mapping", str(mapping)]) == 0
    assert mapping.exists()
    assert len(list(bids.rglob("*.nii.gz"))) == 3


def test_a_series_that_is_not_whole_leaves_only_the_table(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (source / "flair" / "001.dcm").unlink()
    assert main(["dicom", str(source), str(tmp_path / "bids"), "--yes"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"gliomorph-import: {tmp_path / 'bids_series.tsv'}, line 4: dcm2niix ")
    assert "Interslice distance varies" in error
    assert error.endswith("; say skip under modality\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bids_series.tsv", "src"]


def test_who_is_who_stays_outside_the_dataset(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bids = tmp_path / "bids"
    assert main(["dicom", str(source), str(bids), "--mapping", str(bids / "who.tsv")]) == 1
    assert "is inside" in capsys.readouterr().err
    assert not bids.exists()


def test_nifti_files_of_a_table_are_imported_and_found(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    voxels = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    write_image(image(voxels), tmp_path / "Jane Doe.nii")
    write_image(image((voxels > 9).astype(np.uint8)), tmp_path / "drawn.nii.gz")
    write_image(image((voxels > 2).astype(np.uint8)), tmp_path / "brain.nii.gz")
    table, bids = tmp_path / "table.tsv", tmp_path / "bids"
    rows = [("Jane Doe.nii", "T1w"), ("drawn.nii.gz", "mask"), ("brain.nii.gz", "brain")]
    table.write_text(
        "file\tparticipant_id\tmodality\n" + "".join(f"{name}\tsub-7\t{kind}\n" for name, kind in rows)
    )
    assert main(["nifti", str(table), str(bids)]) == 0
    masks = bids / "derivatives" / "masks"
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"next: gliomorph {bids} OUT_DIR participant -d masks={masks}"
    )
    found = contents(bids)
    assert found["sub-7/anat/sub-7_T1w.nii.gz"] == (tmp_path / "Jane Doe.nii").read_bytes()
    assert not any(b"Jane" in content for content in found.values())
    (scan,) = find_scans(bids, derivatives={"masks": masks})
    assert scan.tumor is not None
    assert scan.tumor.path.name == "sub-7_label-tumor_mask.nii.gz"
    assert scan.brain_mask == masks / "sub-7/anat/sub-7_desc-brain_mask.nii.gz"
    assert (scan.doubts, scan.problem) == ((), "")


def test_a_faulty_table_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    table = tmp_path / "table.tsv"
    table.write_text("file\tparticipant_id\tmodality\nnone.nii.gz\t1\tT1w\n")
    assert main(["nifti", str(table), str(tmp_path / "bids")]) == 1
    assert capsys.readouterr().err.startswith(f"gliomorph-import: {table}, line 2: ")
    assert not (tmp_path / "bids").exists()
