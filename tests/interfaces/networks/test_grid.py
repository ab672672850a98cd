"""The network's grid: the same for a head in any frame, around all of its brain, and the way back."""

from __future__ import annotations

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import ImageError, from_array, to_array
from gliomorph.interfaces.networks.grid import (
    LEAST,
    MARGIN_MM,
    from_network_grid,
    network_grid,
    on_network_grid,
)

VOXEL_MM = 4.0


def grid_of(frame: str, voxel_mm: float = VOXEL_MM) -> sitk.Image:
    return network_grid(phantoms.brain_mask(phantoms.frame(frame)), voxel_mm)


def axes_of(image: sitk.Image) -> np.ndarray:
    return np.array(image.GetDirection()).reshape(3, 3)


def indices_of(points: np.ndarray, image: sitk.Image) -> np.ndarray:
    """Continuous voxel indices (3, N) of points (3, N)."""
    offset = points - np.array(image.GetOrigin())[:, None]
    return axes_of(image).T @ offset / np.array(image.GetSpacing())[:, None]


def one_hot(classes: np.ndarray) -> np.ndarray:
    return np.eye(4)[:, np.where(classes == 4, 3, classes)]


@pytest.mark.parametrize("voxel_mm", [1.7, 4.0, 6.0])
def test_axes_are_ras_voxels_isotropic_and_sides_multiples_of_eight(frame: str, voxel_mm: float) -> None:
    grid = grid_of(frame, voxel_mm)
    assert grid.GetSpacing() == (voxel_mm,) * 3
    assert all(side % 8 == 0 and side >= LEAST for side in grid.GetSize())
    right, anterior, superior = axes_of(grid).T
    assert min(-right[0], -anterior[1], superior[2]) > 0.9  # the oblique frame is 0.3 rad off


@pytest.mark.parametrize("voxel_mm", [1.7, 4.0, 6.0])
def test_every_brain_voxel_lies_in_the_grid_with_its_margin_and_little_more(
    frame: str, voxel_mm: float
) -> None:
    like = phantoms.frame(frame)
    inside = to_array(phantoms.brain_mask(like)) > 0
    grid = grid_of(frame, voxel_mm)
    found = (indices_of(phantoms.positions(like)[:, inside], grid) + 0.5) * voxel_mm
    sides = np.array(grid.GetSize()) * voxel_mm
    before, behind = found.min(axis=1), sides - found.max(axis=1)
    assert min(before.min(), behind.min()) >= MARGIN_MM + min(like.GetSpacing()) / 2 - 1e-3
    np.testing.assert_allclose(before, behind, atol=1e-2)  # the brain is in the middle
    assert (before + behind < 2 * MARGIN_MM + 8 * voxel_mm + max(like.GetSpacing()) + 1e-2).all()


def test_the_grid_of_a_small_mask_has_the_least_sides() -> None:
    like = phantoms.frame("LPS")
    point = from_array(phantoms.ball(like, phantoms.at(2, 2, 2), 3.0).astype(np.uint8), like)
    grid = network_grid(point, VOXEL_MM)
    assert grid.GetSize() == (LEAST,) * 3


def test_brain_is_standardised_and_the_rest_zero(frame: str) -> None:
    like = phantoms.frame(frame)
    grid = grid_of(frame)
    voxels = on_network_grid(phantoms.brain_image(like), phantoms.brain_mask(like), grid)
    assert voxels.dtype == np.float32
    assert voxels.shape == grid.GetSize()
    inside = voxels != 0
    assert voxels[inside].mean() == pytest.approx(0, abs=1e-4)
    assert voxels[inside].std() == pytest.approx(1, abs=1e-4)
    truth = phantoms.radius_at(phantoms.positions(grid)) < 1
    assert phantoms.dice(inside, truth) > 0.97  # voxels of the surface


def test_what_a_network_sees_is_the_head_in_any_frame(frame: str) -> None:
    like = phantoms.frame(frame)
    grid = grid_of(frame)
    voxels = on_network_grid(phantoms.brain_image(like), phantoms.brain_mask(like), grid)
    points = phantoms.positions(grid)
    deep = phantoms.radius_at(points) < 0.85
    assert np.corrcoef(voxels[deep], phantoms.tissue_at(points)[deep])[0, 1] > 0.999


@pytest.mark.parametrize("voxel_mm", [1.7, 4.0, 6.0])
def test_the_edge_of_the_brain_is_as_bright_as_it_is(frame: str, voxel_mm: float) -> None:
    """Whether the grid's voxels are smaller or larger than the image's, and slices thick or not."""
    like = phantoms.frame(frame)
    mask = phantoms.brain_mask(like)
    ramp = from_array((5 + phantoms.positions(like)[0] / 50).astype(np.float32), like)
    grid = grid_of(frame, voxel_mm)
    voxels = on_network_grid(ramp, mask, grid)
    inside, expected = voxels != 0, phantoms.positions(grid)[0]
    expected = (expected - expected[inside].mean()) / expected[inside].std()
    # at the edge a mean over the brain's part of a voxel lies up to half a voxel inwards
    assert np.abs(voxels - expected)[inside].max() < 0.1


@pytest.mark.parametrize("unit", [1e-9, 1e5])
def test_the_unit_of_the_image_does_not_matter(unit: float) -> None:
    image, mask = (draw(phantoms.frame("LPS")) for draw in (phantoms.brain_image, phantoms.brain_mask))
    grid = network_grid(mask, VOXEL_MM)
    np.testing.assert_allclose(
        on_network_grid(image * unit, mask, grid), on_network_grid(image, mask, grid), atol=1e-4
    )


def test_what_lies_outside_the_mask_does_not_matter() -> None:
    like = phantoms.frame("anisotropic")
    image, mask = phantoms.brain_image(like), phantoms.brain_mask(like)
    skull = sitk.Cast(mask == 0, sitk.sitkFloat32) * 9.0
    grid = network_grid(mask, VOXEL_MM)
    np.testing.assert_array_equal(
        on_network_grid(image + skull, mask, grid), on_network_grid(image, mask, grid)
    )


def test_a_transform_takes_points_of_the_grid_to_the_image() -> None:
    like, affine = phantoms.frame("LAS"), phantoms.some_affine()
    grid = grid_of("LPS")
    voxels = on_network_grid(phantoms.brain_image(like), phantoms.brain_mask(like), grid, affine)
    places = phantoms.mapped(affine, phantoms.positions(grid))
    deep = (phantoms.radius_at(places) < 0.85) & (phantoms.radius_at(phantoms.positions(grid)) < 0.85)
    assert np.corrcoef(voxels[deep], phantoms.tissue_at(places)[deep])[0, 1] > 0.999
    wrong = phantoms.mapped(affine.GetInverse(), phantoms.positions(grid))
    assert np.corrcoef(voxels[deep], phantoms.tissue_at(wrong)[deep])[0, 1] < 0.99


def test_labels_come_back_to_where_they_were(frame: str) -> None:
    like = phantoms.frame(frame)
    grid = grid_of(frame)
    classes = one_hot(phantoms.labels_at(phantoms.positions(grid)))
    found = from_network_grid(classes, grid, like)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    whole = phantoms.labels_at(phantoms.positions(like)) > 0
    assert phantoms.dice(found[0] < 0.5, whole) > 0.9  # a ball of 24 mm on voxels of 4 mm, twice


def test_what_a_network_finds_in_its_image_comes_back_to_where_it_was(frame: str) -> None:
    like = phantoms.frame(frame)
    truth = phantoms.ball(like, phantoms.TUMOR_AT, 20.0)
    image = phantoms.brain_image(like) + 9.0 * sitk.Cast(from_array(truth.astype(np.uint8), like), 8)
    grid = grid_of(frame)
    bright = on_network_grid(image, phantoms.brain_mask(like), grid)
    tumor = bright > 0.5 * bright.max()
    found = from_network_grid(np.stack([~tumor, tumor]), grid, like)[1] > 0.5
    assert phantoms.dice(found, truth) > 0.85  # 20 mm on voxels of 4 mm: smoothed, sampled, cut, sampled


def test_the_way_back_takes_points_of_the_target_to_the_grid() -> None:
    grid, target, affine = grid_of("LPS"), phantoms.frame("oblique"), phantoms.some_affine()
    share = phantoms.tissue_at(phantoms.positions(grid))
    found = from_network_grid(np.stack([1 - share, share]), grid, target, affine)[1]
    places = phantoms.mapped(affine, phantoms.positions(target))
    inside = phantoms.radius_at(places) < 1
    np.testing.assert_allclose(found[inside], phantoms.tissue_at(places)[inside], atol=0.01)


def test_beyond_the_grid_everything_is_background() -> None:
    grid, far = grid_of("LPS"), phantoms.frame("LPS")
    far.SetOrigin([coordinate + 1000 for coordinate in far.GetOrigin()])
    found = from_network_grid(one_hot(np.ones(grid.GetSize(), int)), grid, far)
    assert (found[0] == 1).all()
    assert not found[1:].any()


def test_heads_that_cannot_be_used_are_errors() -> None:
    like = phantoms.frame("LPS")
    image, mask = phantoms.brain_image(like), phantoms.brain_mask(like)
    grid = network_grid(mask, VOXEL_MM)
    with pytest.raises(ImageError, match="a brain mask is required, this one is empty"):
        network_grid(mask * 0, VOXEL_MM)
    for level in (0.0, 7.0):
        constant = sitk.Cast(mask, sitk.sitkFloat32) * level
        with pytest.raises(ImageError, match=rf"the image is constant in the brain \({level:g}\)"):
            on_network_grid(constant, mask, grid)
    away = sitk.TranslationTransform(3, (500.0, 0.0, 0.0))
    with pytest.raises(ImageError, match="the image has no brain where the network's grid lies"):
        on_network_grid(image, mask, grid, away)
