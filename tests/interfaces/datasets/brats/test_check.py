"""What the files of a BraTS case hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from brats_folders import SHAPE, image, labels_image, write_case

from gliomorph.interfaces.datasets.brats import check as brats_check
from gliomorph.interfaces.datasets.brats.cases import find_cases
from gliomorph.interfaces.datasets.brats.check import Findings, examine, labels_found
from gliomorph.interfaces.files.images import ImageError, write_image


def findings(src: Path) -> Findings:
    ((case,), _) = find_cases(src, pediatric_2023=True)
    return examine(case)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("BraTS2021_00000", {1, 2, 4}),
        ("BraTS2021_00000", {4}),
        ("Brats18_A_1", {1, 2}),
        ("BraTS-GLI-00000-000", {1, 2, 3}),
        ("BraTS-MET-00000-000", {3}),
        ("BraTS-PED-00000-000", {2}),
    ],
)
def test_labels_of_the_edition_are_a_tumor(name: str, labels: set[int], tmp_path: Path) -> None:
    write_case(tmp_path / name, labels)
    assert findings(tmp_path) == Findings(has_tumor=True, on_sri24=False)


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        (
            "BraTS2021_00000",
            {1, 2, 3},
            r"BraTS2021_00000_seg\.nii\.gz: labels 1 \(NCR\), 2 \(ED\), 4 \(ET\) are required of a case with this "
            r"name, found 1, 2, 3; 3 is ET in editions since 2023",
        ),
        ("Brats18_A_1", {3, 4}, r"found 3, 4; 3 is ET in editions since 2023"),
        (
            "BraTS-GLI-00000-000",
            {1, 2, 3, 4},
            r"3 \(ET\) are required .* 4 is ET in editions up to 2021, and the res",
        ),
        ("BraTS-GLI-00000-000", {1, 2, 4}, r"found 1, 2, 4; 4 is ET .* resection cavity of treated patients"),
        ("BraTS2021_00000", {1, 7}, r"found 1, 7; is it a label map of BraTS\?"),
    ],
)
def test_labels_of_another_edition_are_refused(
    name: str, labels: set[int], message: str, tmp_path: Path
) -> None:
    write_case(tmp_path / name, labels)
    with pytest.raises(ImageError, match=message):
        findings(tmp_path)


def test_no_segmentation_is_no_tumor(tmp_path: Path) -> None:
    write_case(tmp_path / "BraTS2021_00000")
    assert findings(tmp_path) == Findings(has_tumor=False, on_sri24=False)


def test_empty_segmentation_is_told_and_no_tumor(tmp_path: Path) -> None:
    write_case(tmp_path / "BraTS2021_00000", [])
    found = findings(tmp_path)
    assert not found.has_tumor
    assert found.notices == ("BraTS2021_00000_seg.nii.gz is empty (no voxel above 0) and is left out",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, np.nan], r"x\.nii: the segmentation holds NaN or infinite values"),
        ([1, np.inf], r"x\.nii: the segmentation holds NaN or infinite values"),
        ([1, 1.5, 2.25], r"x\.nii: labels have to be whole numbers, found \[1\.5, 2\.25\]"),
    ],
)
def test_values_that_are_no_labels_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        labels_found(labels_image(values, np.float32), "x.nii")


def test_labels_stored_as_floats_are_labels() -> None:
    assert labels_found(labels_image([1, 4.000001], np.float32), "x.nii") == {1, 4}


@pytest.mark.parametrize("kind", ["flair", "seg"])
def test_files_on_different_grids_are_refused_by_name(kind: str, tmp_path: Path) -> None:
    folder = write_case(tmp_path / "BraTS2021_00000", {1})
    write_image(image(np.ones(SHAPE, np.uint8), spacing=2.0), folder / f"BraTS2021_00000_{kind}.nii.gz")
    with pytest.raises(
        ImageError,
        match=rf"BraTS2021_00000_t1\.nii\.gz and BraTS2021_00000_{kind}\.nii\.gz .* one grid: spacing",
    ):
        findings(tmp_path)


def test_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    path = write_case(tmp_path / "BraTS2021_00000") / "BraTS2021_00000_t2.nii.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ImageError, match=r"BraTS2021_00000_t2\.nii\.gz: cannot be read"):
        findings(tmp_path)


def test_link_that_leads_nowhere_is_no_missing_file(tmp_path: Path) -> None:
    link = write_case(tmp_path / "BraTS2021_00000") / "BraTS2021_00000_seg.nii.gz"
    link.symlink_to(tmp_path / "not_fetched_yet")
    with pytest.raises(ImageError, match=r"BraTS2021_00000_seg\.nii\.gz: cannot be read"):
        findings(tmp_path)


@pytest.mark.parametrize(("spacing", "on_sri24"), [(1.0, True), (2.0, False)])
def test_grid_of_sri24_is_recognised(
    spacing: float, on_sri24: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (brats_check.SRI24_SIZE, brats_check.SRI24_SPACING) == ((240, 240, 155), (1.0, 1.0, 1.0))
    monkeypatch.setattr(brats_check, "SRI24_SIZE", SHAPE)
    folder = tmp_path / "BraTS2021_00000"
    picture: sitk.Image = image(np.ones(SHAPE, np.uint8), spacing)
    write_image(picture, folder / "BraTS2021_00000_t1.nii.gz")
    assert findings(tmp_path).on_sri24 is on_sri24
