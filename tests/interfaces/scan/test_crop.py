"""One interpolation from any native grid: the same physical content, the same result."""

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import ImageError, from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import write_transform
from gliomorph.interfaces.scan.crop import crop, crop_mask


@pytest.fixture
def affine(tmp_path):
    return write_transform(phantoms.some_affine(), tmp_path / "affine.h5")


def test_image_of_any_frame_becomes_the_scene_on_the_grid(heads, frame, affine, here):
    grid = heads["LPS"]["image"]
    moved = read_image(crop(heads[frame]["image"], affine, grid))
    assert phantoms.same_grid(moved, read_image(grid))
    places = phantoms.mapped(phantoms.some_affine(), phantoms.positions(moved))
    inner = phantoms.radius_at(places) < 0.9
    # linear interpolation at 3 to 5 mm of waves of 90 mm and a dip of 16 mm
    assert np.abs(to_array(moved) - phantoms.tissue_at(places))[inner].max() < 0.02


def test_mask_of_any_frame_becomes_the_scene_on_the_grid(heads, frame, affine, here):
    moved = read_image(crop_mask(heads[frame]["labels"], affine, heads["LPS"]["image"]))
    truth = phantoms.labels_at(phantoms.mapped(phantoms.some_affine(), phantoms.positions(moved))) > 0
    # a sphere of 24 mm: half a voxel of error at the surface would give 0.87
    assert phantoms.dice(to_array(moved) > 0, truth) > 0.94
    assert to_array(moved).sum() == pytest.approx(truth.sum(), rel=0.05)


def test_identity_on_the_own_grid_changes_nothing(heads, frame, identity_xfm, here):
    head = heads[frame]
    same = read_image(crop(head["image"], identity_xfm, head["image"]))
    # voxel positions through the header and back, in double precision
    np.testing.assert_allclose(to_array(same), to_array(read_image(head["image"])), atol=1e-5)
    mask = read_image(crop_mask(head["labels"], identity_xfm, head["image"]))
    assert np.array_equal(to_array(mask), to_array(read_image(head["labels"])) > 0)


def test_outside_of_the_field_of_view_is_zero(heads, tmp_path, here):
    away = sitk.TranslationTransform(3, (120.0, 0.0, 0.0))
    moved = crop(heads["LPS"]["image"], write_transform(away, tmp_path / "away.h5"), heads["LPS"]["image"])
    assert not to_array(read_image(moved))[20:].any()


def test_mask_that_leaves_the_grid_is_refused(heads, tmp_path, here):
    away = write_transform(sitk.TranslationTransform(3, (300.0, 0.0, 0.0)), tmp_path / "away.h5")
    with pytest.raises(ImageError, match="no voxel left on the template's grid: too small, or misaligned"):
        crop_mask(heads["LPS"]["labels"], away, heads["LPS"]["image"])


def test_mask_of_a_head_without_a_lesion_is_empty(heads, identity_xfm, tmp_path, here):
    empty = write_image(read_image(heads["LPS"]["labels"]) * 0, tmp_path / "empty.nii.gz")
    assert not to_array(read_image(crop_mask(empty, identity_xfm, heads["LPS"]["image"]))).any()


def test_mask_smaller_than_a_voxel_is_refused(tmp_path, heads, identity_xfm, here):
    fine = phantoms.grid((40, 40, 40), (1.0, 1.0, 1.0))
    voxels = np.zeros((40, 40, 40), np.uint8)
    voxels[20, 20, 20] = 1
    path = write_image(from_array(voxels, fine), tmp_path / "speck.nii.gz")
    with pytest.raises(ImageError, match="no voxel left on the template's grid"):
        crop_mask(path, identity_xfm, heads["LPS"]["image"])
