"""A table of NIfTI files is checked as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brats_folders import image

from gliomorph.interfaces.datasets.clinical.items import ClinicalError
from gliomorph.interfaces.datasets.clinical.nifti_table import read_nifti_table
from gliomorph.interfaces.files.images import write_image

HEAD = "file\tparticipant_id\tsession_id\tmodality\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    voxels = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    write_image(image(voxels), tmp_path / "t1.nii.gz")
    write_image(image(voxels, 2.0), tmp_path / "flair.nii")
    write_image(image((voxels > 9).astype(np.uint8)), tmp_path / "mask.nii.gz")
    return tmp_path


def written(folder: Path, *rows: str) -> Path:
    table = folder / "table.tsv"
    table.write_text(HEAD + "".join(row.replace(" ", "\t") + "\n" for row in rows))
    return table


def test_masks_name_the_images_of_their_grid(folder: Path) -> None:
    table = written(
        folder, "t1.nii.gz 1 n/a T1ce", f"{folder}/flair.nii 1 n/a FLAIR", "mask.nii.gz 1 n/a mask"
    )
    first, second, mask = read_nifti_table(table)
    assert first.sidecar == {"Modality": "MR", "ContrastBolusIngredient": "GADOLINIUM"}
    assert second.sidecar == {"Modality": "MR"}
    assert mask.sidecar == {
        "Type": "Lesion",
        "Sources": ["bids:raw:sub-1/anat/sub-1_ce-gadolinium_T1w.nii.gz"],
    }


def test_every_faulty_line_is_named(folder: Path) -> None:
    (folder / "torn.nii.gz").write_bytes(b"no image")
    table = written(
        folder,
        "none.nii.gz 1 n/a T1w",
        "t1.nii.gz ../1 n/a T1w",
        "table.tsv 1 n/a T1w",
        "torn.nii.gz 1 n/a T1w",
        "t1.nii.gz 1 n/a mask",
        "flair.nii 2 n/a FLAIR",
        "./flair.nii 3 n/a FLAIR",
    )
    with pytest.raises(ClinicalError) as error:
        read_nifti_table(table)
    lines = str(error.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"{table}, line {n}" for n in (2, 3, 4, 5, 6, 8)]
    for line, words in zip(
        lines,
        (
            "no such file",
            "letters and digits",
            "ends in .nii.gz",
            "torn.nii.gz",
            "one other value",
            "of line 7",
        ),
        strict=True,
    ):
        assert words in line


def test_two_rows_of_one_name_are_refused(folder: Path) -> None:
    table = written(folder, "t1.nii.gz 1 n/a FLAIR", "flair.nii sub-1 n/a FLAIR")
    with pytest.raises(ClinicalError, match=r"table\.tsv, line 3: would be sub-1_FLAIR\.nii\.gz like line 2"):
        read_nifti_table(table)
