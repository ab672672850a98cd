"""Linear alignment finds a known transform, in every frame, and knows when nothing is to be done."""

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, read_image, same_box, to_array, write_image
from gliomorph.interfaces.files.masks import overlap
from gliomorph.interfaces.files.transforms import apply_to_points, matrix_of, read_transform
from gliomorph.interfaces.scan.align import align
from gliomorph.interfaces.scan.brain import brain

TRUE = sitk.AffineTransform(phantoms.some_affine())
TRUE.SetTranslation((5.0, -14.0, 18.0))
INSIDE = phantoms.CENTRE + 40 * np.array(
    [[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
)


def moved_head(like, true, folder):
    """The head as a scanner would see it whose points are ``true`` of the template's points."""
    back = true.GetInverse()
    image = sitk.Resample(phantoms.brain_image(phantoms.frame("LPS")), like, back, sitk.sitkLinear)
    mask = sitk.Resample(phantoms.brain_mask(phantoms.frame("LPS")), like, back, sitk.sitkNearestNeighbor)
    return write_image(image, folder / "moved.nii.gz"), write_image(mask, folder / "moved_brain.nii.gz")


@pytest.mark.parametrize("name", ["LAS", "oblique", "anisotropic"])
def test_known_transform_is_found(heads, tmp_path, here, name):
    template = heads["LPS"]
    image, brain = moved_head(phantoms.frame(name), TRUE, tmp_path)
    rigid, affine, info = align(
        image, brain, None, template["image"], template["image"], template["brain"], seed=1
    )
    found = apply_to_points(read_transform(affine), INSIDE)
    # mutual information of a few smooth structures at 4 mm: half a voxel
    assert np.linalg.norm(found - apply_to_points(TRUE, INSIDE), axis=1).max() < 2.0
    assert not info.in_template_frame
    assert info.brain_dice_before < 0.8
    assert info.brain_dice > 0.97
    assert info.scale == pytest.approx(np.cbrt(1.1 * 0.9 * 0.91), abs=0.02)
    turn = matrix_of(read_transform(rigid))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)  # as ANTs stores it, in single precision
    assert {rigid.parent, affine.parent} == {here}


@pytest.mark.parametrize("times", [5, 1000])
def test_voxels_far_brighter_than_the_brain_do_not_move_it(heads, tmp_path, here, times):
    template = heads["LPS"]
    path, mask = moved_head(phantoms.frame("LAS"), TRUE, tmp_path)
    image = read_image(path)
    voxels = to_array(image).copy()
    voxels[18:21, 22:25, 18:21] = times * voxels.max()
    mask, _, cleaned = brain(write_image(from_array(voxels, image), tmp_path / "clip.nii.gz"), mask)
    _, affine, info = align(
        cleaned, mask, None, template["image"], template["image"], template["brain"], seed=1
    )
    found = apply_to_points(read_transform(affine), INSIDE)
    # as above, of a head without a clip
    assert np.linalg.norm(found - apply_to_points(TRUE, INSIDE), axis=1).max() < 2.0
    assert info.brain_dice > 0.97


@pytest.mark.parametrize("name", ["LPS", "LAS"])
def test_image_in_the_templates_frame_keeps_it(heads, here, name):
    head, template = heads[name], heads["LPS"]
    rigid, affine, info = align(
        head["image"], head["brain"], None, template["image"], template["image"], template["brain"], seed=1
    )
    assert info.in_template_frame
    assert np.array_equal(apply_to_points(read_transform(rigid), INSIDE), INSIDE)
    assert info.brain_dice_before == 1
    # nothing to be found: the affine stays within a quarter of a voxel
    assert np.linalg.norm(apply_to_points(read_transform(affine), INSIDE) - INSIDE, axis=1).max() < 1.0
    assert info.scale == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("brightness", [0.0, 2.0])
def test_tumor_is_left_out_and_the_outline_is_not(heads, tmp_path, here, brightness):
    """A mask of the brain alone would let the brain shrink for nothing: 8 mm off, whatever the tumour."""
    template, like = heads["LPS"], phantoms.frame("oblique")
    image, brain = moved_head(like, phantoms.some_affine(), tmp_path)
    labels = sitk.Resample(
        phantoms.labels_image(phantoms.frame("LPS")),
        like,
        phantoms.some_affine().GetInverse(),
        sitk.sitkNearestNeighbor,
    )
    tumor = write_image(labels, tmp_path / "tumor.nii.gz")
    ill = read_image(image) + brightness * sitk.Cast(labels > 0, sitk.sitkFloat32)
    ill = write_image(ill, tmp_path / "ill.nii.gz")
    _, affine, info = align(
        ill, brain, tumor, template["image"], template["image"], template["brain"], seed=3
    )
    found = apply_to_points(read_transform(affine), INSIDE)
    # a voxel; the interpolated rim of the bright tumour lies outside its mask
    assert np.linalg.norm(found - apply_to_points(phantoms.some_affine(), INSIDE), axis=1).max() < 4.0
    assert info.brain_dice > 0.97


def test_seed_fixes_the_result(heads, here):
    head, template = heads["anisotropic"], heads["LPS"]
    found = []
    for _ in range(2):
        _, affine, _ = align(
            head["image"],
            head["brain"],
            head["labels"],
            template["image"],
            template["image"],
            template["brain"],
            5,
        )
        found.append(affine.read_bytes())
    assert found[0] == found[1]


def test_box_is_the_same_under_every_order_of_the_axes():
    reference = phantoms.frame("LPS")
    for name in ("RAS", "LAS"):
        assert same_box(phantoms.frame(name), reference)
    assert same_box(sitk.DICOMOrient(reference, "SAR"), reference)
    assert not same_box(phantoms.frame("oblique"), reference)
    assert same_box(phantoms.frame("permuted"), reference)
    assert not same_box(phantoms.grid((48, 40, 40)), reference)


@pytest.mark.parametrize(("shift_mm", "same"), [(0.0, True), (5.9, True), (6.1, False)])
def test_box_may_be_off_by_a_voxel_and_a_half(shift_mm, same):
    shifted = phantoms.frame("LPS")
    shifted.SetOrigin(np.add(shifted.GetOrigin(), [0, shift_mm, 0]).tolist())
    assert same_box(shifted, phantoms.frame("LPS")) is same


def test_matrix_is_that_of_the_transform():
    affine = phantoms.some_affine()
    np.testing.assert_allclose(matrix_of(affine).ravel(), affine.GetMatrix(), atol=1e-12)


def test_overlap_is_dice_in_the_world():
    mask = phantoms.brain_mask(phantoms.frame("LPS"))
    assert overlap(mask, mask, sitk.Transform()) == 1
    assert overlap(phantoms.brain_mask(phantoms.frame("LAS")), mask, sitk.Transform()) == 1
    assert overlap(mask, mask, sitk.TranslationTransform(3, (500.0, 0.0, 0.0))) == 0
    empty = sitk.Image(mask) * 0
    assert overlap(empty, empty, sitk.Transform()) == 0
    shifted = sitk.TranslationTransform(3, (8.0, 0.0, 0.0))
    a = to_array(mask) > 0
    expected = 2 * (a[2:] & a[:-2]).sum() / (2 * a.sum())
    assert overlap(mask, mask, shifted) == pytest.approx(expected)
