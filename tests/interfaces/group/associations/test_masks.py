"""Masks of a cohort: one scan each, on one grid, in any order, whole volumes and shared voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import ImageError, from_array, write_image
from gliomorph.interfaces.group.associations.masks import read_masks
from gliomorph.interfaces.group.associations.words import AssociationError

SIZE = (6, 5, 4)
GRID = phantoms.grid(SIZE, (2.0, 4.0, 5.0), phantoms.turned())


def written(array: np.ndarray, path: Path, like: sitk.Image = GRID) -> Path:
    return write_image(from_array(array.astype(np.uint8), like), path)


@pytest.fixture
def lesions() -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(0)
    return {f"sub-{name}": numbers.random(SIZE) < 0.5 for name in "cabd"}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return written(np.ones(SIZE), tmp_path / "template.nii.gz")


def files(lesions: dict[str, np.ndarray], folder: Path) -> dict[str, Path]:
    return {scan: written(inside, folder / f"{scan}.nii.gz") for scan, inside in lesions.items()}


def test_lesions_are_in_the_voxels_that_enough_share(
    lesions: dict[str, np.ndarray], template: Path, tmp_path: Path
) -> None:
    masks = read_masks(files(lesions, tmp_path), {}, template, 3)
    assert masks.participants == ("a", "b", "c", "d") and masks.notices == ()
    stack = np.array([lesions[f"sub-{name}"] for name in masks.participants])
    shared = stack.sum(axis=0) >= 3
    np.testing.assert_array_equal(masks.volume(np.ones(len(masks.voxels)), masks.voxels) > 0, shared)
    patterns = masks.bits.patterns()
    for number, inside in enumerate(stack):
        found = masks.volume(patterns.expand(patterns.lesioned[:, number]), masks.voxels)
        np.testing.assert_array_equal(found, inside & shared)
    np.testing.assert_allclose(masks.volumes_ml, stack.sum(axis=(1, 2, 3)) * 0.04)


def test_values_return_to_their_place_in_the_file(template: Path, tmp_path: Path) -> None:
    inside = np.zeros(SIZE, bool)
    inside[1, 2, 3] = True
    masks = read_masks(files({"sub-1": inside}, tmp_path), {}, template, 1)
    image = masks.image(masks.volume(np.array([7.0]), masks.voxels))
    assert image[1, 2, 3] == 7 and image.GetOrigin() == pytest.approx(GRID.GetOrigin(), abs=1e-3)
    np.testing.assert_allclose(image.GetDirection(), GRID.GetDirection(), atol=1e-6)


def test_lesions_outside_of_a_field_of_view_do_not_count(
    lesions: dict[str, np.ndarray], template: Path, tmp_path: Path
) -> None:
    seen = np.zeros(SIZE, bool)
    seen[:3] = True
    half = written(seen, tmp_path / "half.nii.gz")
    masks = read_masks(files(lesions, tmp_path), {"sub-b": half}, template, 1)
    patterns = masks.bits.patterns()
    assert patterns.covered is not None
    found = masks.volume(patterns.expand(patterns.lesioned[:, 1]), masks.voxels)
    np.testing.assert_array_equal(found, lesions["sub-b"] & seen)
    covered = masks.volume(patterns.expand(patterns.covered[:, 1]), masks.voxels)
    assert not covered[3:].any() and patterns.covered[:, 0].all()


def test_the_first_scan_counts_and_empty_masks_are_told(
    lesions: dict[str, np.ndarray], template: Path, tmp_path: Path
) -> None:
    scans = {"sub-a_ses-2": lesions["sub-a"], "sub-a_ses-1": lesions["sub-b"], "sub-e": np.zeros(SIZE, bool)}
    masks = read_masks(files(scans, tmp_path), {}, template, 1)
    assert masks.participants == ("a", "e")
    assert masks.volumes_ml[0] == pytest.approx(lesions["sub-b"].sum() * 0.04)
    assert masks.notices == (
        "one scan of each participant counts, the first by its label; left out: 1, 'sub-a_ses-2'",
        "1 participant with an empty mask, spared everywhere: 'e'",
    )


def test_masks_on_another_grid_are_refused(
    lesions: dict[str, np.ndarray], template: Path, tmp_path: Path
) -> None:
    shifted = phantoms.grid(SIZE, (2.0, 4.0, 5.0))
    wrong = {"sub-a": written(lesions["sub-a"], tmp_path / "other.nii.gz", shifted)}
    with pytest.raises(ImageError, match=r"the template and sub-a's other.nii.gz have to lie on one grid"):
        read_masks(wrong, {}, template, 1)
    right = files({"sub-a": lesions["sub-a"]}, tmp_path)
    with pytest.raises(ImageError, match=r"the template and sub-a's other.nii.gz"):
        read_masks(right, wrong, template, 1)


def test_masks_that_share_nothing_are_refused(
    lesions: dict[str, np.ndarray], template: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        AssociationError, match=r"at least 5 participants are required; of 4 participants 4 at most"
    ):
        read_masks(files(lesions, tmp_path), {}, template, 5)
    with pytest.raises(AssociationError, match="lesion masks are required"):
        read_masks({}, {}, template, 1)


def test_labels_that_are_named_are_lesion_and_others_are_not(template: Path, tmp_path: Path) -> None:
    labels = np.random.default_rng(2).choice([0, 1, 2, 4], SIZE)
    file = {"sub-1": written(labels, tmp_path / "dseg.nii.gz")}
    masks = read_masks(file, {}, template, 1, (1, 4))
    np.testing.assert_array_equal(
        masks.volume(np.ones(len(masks.voxels)), masks.voxels) > 0, np.isin(labels, (1, 4))
    )
    assert masks.volumes_ml[0] == pytest.approx(np.isin(labels, (1, 4)).sum() * 0.04)
    assert len(read_masks(file, {}, template, 1).voxels) == (labels > 0).sum()
