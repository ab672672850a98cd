"""Displacements become ITK transforms and back; what is written is read alike by SimpleITK and ANTsPy."""

import ants
import h5py
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, to_array
from gliomorph.interfaces.files.transforms import (
    STEP_MM,
    apply_to_points,
    compose,
    displacement_from_itk,
    displacement_to_itk,
    read_transform,
    write_transform,
)
from gliomorph.interfaces.registration.ants import to_ants

ROUNDING_MM = STEP_MM / 2 * np.sqrt(3)
"""Largest change of a point by rounding each component of its displacement."""

POINTS = phantoms.CENTRE + np.array([[0, 0, 0], [31, -12, 7], [-20, 25, -11.5], [3, 40, 22]])


def field(like: sitk.Image) -> sitk.DisplacementFieldTransform:
    return sitk.DisplacementFieldTransform(phantoms.smooth_displacement(like))


def test_displacement_comes_back_from_itk(frame):
    grid = phantoms.frame(frame)
    displacement = np.random.default_rng(1).normal(size=(3, *grid.GetSize()))
    transform = displacement_to_itk(displacement, grid)
    again = displacement_from_itk(transform.GetDisplacementField())
    # two products with 3x3 matrices in double precision
    np.testing.assert_allclose(again, displacement, atol=1e-12)


def test_one_voxel_of_displacement_leads_to_the_next_voxel(frame):
    grid = phantoms.frame(frame)
    for axis in range(3):
        displacement = np.zeros((3, *grid.GetSize()))
        displacement[axis] = 1
        here, there = [10, 12, 9], [10, 12, 9]
        there[axis] += 1
        moved = displacement_to_itk(displacement, grid).TransformPoint(
            grid.TransformIndexToPhysicalPoint(here)
        )
        np.testing.assert_allclose(moved, grid.TransformIndexToPhysicalPoint(there), atol=1e-9)


def test_displacement_of_another_grid_is_refused():
    with pytest.raises(
        ValueError, match=r"shape \(3, 40, 48, 40\) required for this grid, got \(3, 40, 40, 48\)"
    ):
        displacement_to_itk(np.zeros((3, 40, 40, 48)), phantoms.frame("LPS"))


def test_last_named_transform_is_applied_first():
    shift = sitk.TranslationTransform(3, (10.0, 0, 0))
    double = sitk.ScaleTransform(3, (2.0, 2.0, 2.0))
    assert compose(double, shift).TransformPoint((1.0, 0, 0)) == (22.0, 0, 0)
    assert compose(shift, double).TransformPoint((1.0, 0, 0)) == (12.0, 0, 0)


def test_composition_is_associative_and_flat():
    a, b, c = phantoms.some_affine(), field(phantoms.frame("RAS")), sitk.TranslationTransform(3, (1.0, 2, 3))
    left, right = compose(compose(a, b), c), compose(a, compose(b, c))
    np.testing.assert_allclose(apply_to_points(left, POINTS), apply_to_points(right, POINTS), atol=1e-12)
    assert left.GetNumberOfTransforms() == 3


def test_written_transform_is_read_again(tmp_path, frame):
    transform = compose(phantoms.some_affine(), field(phantoms.frame(frame)))
    again = read_transform(write_transform(transform, tmp_path / "xfm.h5"))
    moved = np.linalg.norm(apply_to_points(again, POINTS) - apply_to_points(transform, POINTS), axis=1)
    # the affine, which comes after, stretches by 1.1 at most
    assert moved.max() <= 1.1 * ROUNDING_MM


@pytest.mark.parametrize(
    "linear",
    [
        sitk.Euler3DTransform(POINTS[1].tolist(), 0.2, 0.1, -0.3, (5.0, 6.0, 7.0)),
        sitk.VersorRigid3DTransform((0, 0, 1), 0.3),
        sitk.TranslationTransform(3, (1.0, -2.0, 3.0)),
        sitk.Transform(3, sitk.sitkAffine),
        sitk.Transform(),
    ],
    ids=["euler", "versor", "translation", "affine", "identity"],
)
def test_every_linear_transform_is_written_exactly(tmp_path, linear):
    again = read_transform(write_transform(linear, tmp_path / "xfm.h5"))
    np.testing.assert_allclose(apply_to_points(again, POINTS), apply_to_points(linear, POINTS), atol=1e-12)


def test_identity_field_is_written_as_identity(tmp_path):
    zero = displacement_to_itk(np.zeros((3, 8, 8, 8)), phantoms.grid((8, 8, 8)))
    again = read_transform(write_transform(zero, tmp_path / "xfm.h5"))
    assert np.array_equal(apply_to_points(again, POINTS), POINTS)


def test_simpleitk_and_ants_apply_a_file_alike(tmp_path, frame):
    native, template = phantoms.frame(frame), phantoms.frame("LPS")
    image = phantoms.brain_image(native)
    transform = compose(phantoms.some_affine(), field(template))
    path = write_transform(transform, tmp_path / "xfm.h5")
    in_memory = to_array(sitk.Resample(image, template, transform, sitk.sitkLinear))
    from_file = to_array(sitk.Resample(image, template, read_transform(path), sitk.sitkLinear))
    by_ants = ants.apply_transforms(
        to_ants(phantoms.brain_image(template)), to_ants(image), [str(path)], interpolator="linear"
    ).numpy()
    # 0.0005 mm of rounding along the steepest edge of the image, 0.9 within one voxel of 3 mm, in single precision
    inside = phantoms.radius_at(phantoms.mapped(transform, phantoms.positions(template))) < 1.2
    assert np.abs(from_file - in_memory).max() < 5e-4
    assert np.abs(by_ants - from_file)[inside].max() < 5e-4
    assert in_memory.max() > 0.7


def test_ants_maps_points_as_the_file_says(tmp_path):
    transform = compose(phantoms.some_affine(), field(phantoms.frame("oblique")))
    path = write_transform(transform, tmp_path / "xfm.h5")
    by_ants = ants.read_transform(str(path))
    moved = np.array([ants.apply_ants_transform_to_point(by_ants, point.tolist()) for point in POINTS])
    # ANTs holds displacements in single precision
    np.testing.assert_allclose(moved, apply_to_points(transform, POINTS), atol=2e-3)


def test_field_is_stored_small(tmp_path):
    grid = phantoms.frame("LPS")
    path = write_transform(field(grid), tmp_path / "xfm.h5")
    sitk.WriteTransform(field(grid), str(tmp_path / "plain.h5"))
    assert path.stat().st_size < 0.3 * (tmp_path / "plain.h5").stat().st_size


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_damaged_file_is_refused(tmp_path, damage):
    path = write_transform(field(phantoms.grid((8, 8, 8))), tmp_path / "bad.h5")
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "text": b"hello", "empty": b""}[damage])
    with pytest.raises(ValueError, match=r"bad\.h5: not an ITK transform file, or damaged"):
        read_transform(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"none\.h5: not an ITK transform file"):
        read_transform(tmp_path / "none.h5")


def test_transform_of_another_kind_is_not_written(tmp_path):
    spline = sitk.BSplineTransform(3)
    with pytest.raises(ValueError, match="only linear and displacement-field transforms can be written"):
        write_transform(spline, tmp_path / "xfm.h5")
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(h5py.Group, "create_dataset", fail)
    with pytest.raises(OSError, match="disk full"):
        write_transform(sitk.AffineTransform(3), tmp_path / "xfm.h5")
    assert not list(tmp_path.iterdir())


def test_points_of_an_image_move_with_its_content():
    """What lies at ``p`` of the template is what the native image shows at ``forward(p)``."""
    grid = phantoms.frame("RAS")
    forward = compose(phantoms.some_affine(), field(grid))
    spot = phantoms.ball(grid, POINTS[1], 6).astype(np.float32)
    back = sitk.Resample(from_array(spot, grid), grid, forward, sitk.sitkLinear)
    where = phantoms.positions(grid)
    centre = (where * to_array(back)).sum(axis=(1, 2, 3)) / to_array(back).sum()
    # the ball's centre of mass on a grid of 4 mm
    np.testing.assert_allclose(forward.TransformPoint(centre.tolist()), POINTS[1], atol=1.0)
