"""Laws of noise, velocities and maps."""

from __future__ import annotations

import numpy as np
import pytest

from gliomorph.models.jacobians import jacobian_determinant
from gliomorph.models.synthesis import deformation


def test_noise_has_zero_mean_and_unit_variance_at_every_scale() -> None:
    for sigma in (0.5, 4.0, 9.0):
        noise = deformation.smooth_noise((30, 24, 20), sigma, np.random.default_rng(0))
        assert noise.shape == (30, 24, 20)
        assert noise.mean() == pytest.approx(0, abs=1e-4)
        assert noise.std() == pytest.approx(1, abs=1e-4)


def test_upsampling_reproduces_a_cubic_and_keeps_the_knots() -> None:
    x = np.arange(21.0)
    fine = 1e-3 * x[:, None, None] ** 3 + x[None, :, None] - 0.5 * x[None, None, :] ** 2
    coarse = fine[::4, ::4, ::4]
    assert deformation.coarse_shape(fine.shape, 4) == coarse.shape
    np.testing.assert_allclose(deformation.upsample(coarse, 4, fine.shape), fine, atol=1e-4)


def test_zero_velocity_is_the_identity() -> None:
    assert not deformation.exponential(np.zeros((3, 6, 5, 4))).any()


def test_constant_velocity_moves_everything_by_itself() -> None:
    velocity = np.ones((3, 8, 8, 8)) * np.array([1.5, -0.5, 0.25])[:, None, None, None]
    np.testing.assert_allclose(deformation.exponential(velocity), velocity, atol=1e-6)


def test_opposite_velocities_are_inverse_and_do_not_fold() -> None:
    velocity = 0.6 * deformation.random_velocity((30, 30, 30), [4.0, 8.0], np.random.default_rng(1))
    forward = deformation.exponential(velocity)
    round_trip = deformation.compose(deformation.exponential(-velocity), forward)
    assert np.abs(forward).max() > 1
    assert np.abs(round_trip).max() < 0.2  # voxels: what linear interpolation loses
    assert jacobian_determinant(forward).min() > 0


def test_fixed_point_inverse_undoes_the_map() -> None:
    velocity = deformation.random_velocity((30, 30, 30), [4.0, 8.0], np.random.default_rng(2))
    forward = deformation.exponential(velocity)
    inverse = deformation.invert(forward, start=deformation.exponential(-velocity), iterations=20)
    assert np.abs(deformation.compose(forward, inverse)).max() < 1e-2


def test_determinant_of_a_stretch_is_its_volume() -> None:
    stretch = np.indices((6, 6, 6)) * np.array([0.5, -0.2, 0.1])[:, None, None, None]
    np.testing.assert_allclose(jacobian_determinant(stretch), 1.5 * 0.8 * 1.1)


def test_radial_push_leaves_the_centre_and_peaks_at_its_reach() -> None:
    center = np.array([15.0, 15.0, 15.0])
    room = np.ones((31, 31, 31))
    velocity = deformation.radial_velocity((31, 31, 31), center, reach=5.0, push=2.0, room=room)
    assert not velocity[:, 15, 15, 15].any()
    np.testing.assert_allclose(velocity[:, 20, 15, 15], [2.0, 0, 0])
    assert np.linalg.norm(velocity, axis=0).max() == pytest.approx(2.0)
