"""A flow that brings two images nearer at each instant."""

import attrs
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from gliomorph.models import geometry
from gliomorph.models.kernels import resample
from gliomorph.models.registration.flow import (
    LEAST_DETERMINANT,
    FlowSettings,
    flow,
    nodes_of,
    smoothed,
    unfolded,
)
from gliomorph.models.registration.pair import Pair, pair_of

SHAPE, SPACING = (96, 88), (1.0, 1.0)
SETTINGS = FlowSettings(
    voxel_mm=(4.0, 2.0, 1.0),
    iterations=(20, 15, 10),
    kernel=(2.0, 1.5, 1.2),
    window=(1.7, 1.7, 2.2),
    elastic=(0.8, 0.8, 1.2),
)


@pytest.fixture(scope="module")
def truth():
    """A smooth displacement, (1, D, X, Y), that takes fixed points to moving ones."""
    generator = np.random.default_rng(1)
    field = np.stack([gaussian_filter(generator.normal(size=SHAPE), 14) for _ in SHAPE])
    return torch.from_numpy(4 * field / np.abs(field).max()).float()[None]


@pytest.fixture(scope="module")
def images(truth):
    """Moving, fixed, mask of the tumour, that moving does not show yet."""
    texture = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 3)
    moving = (0.6 + 0.3 * texture / np.abs(texture).max()).astype(np.float32)
    fixed = geometry.warp(torch.from_numpy(moving)[None, None], truth, "cubic")[0, 0].numpy()
    x, y = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    return moving, fixed, (np.hypot(x - 60, y - 40) < 8).astype(np.uint8)


def rest() -> torch.Tensor:
    return torch.zeros(1, 2, *SHAPE)


def found(pair: Pair, settings: FlowSettings = SETTINGS) -> torch.Tensor:
    return flow(rest(), pair, settings, lambda _: None)


def error(displacement: torch.Tensor, truth: torch.Tensor) -> float:
    inner = (..., slice(8, -8), slice(8, -8))
    return float((displacement - truth)[inner].norm(dim=1).mean())


@pytest.fixture(scope="module")
def result(images):
    return found(pair_of(*images, SPACING))


def test_a_known_map_is_found_to_a_fraction_of_a_voxel(result, truth):
    assert error(rest(), truth) > 1.0
    assert error(result, truth) < 0.2


def test_equal_images_stay_where_they_are(images):
    moving, _, mask = images
    assert float(found(pair_of(moving, moving, mask, SPACING)).abs().max()) < 0.02


def test_what_the_tumour_shows_moves_nothing(images, result):
    moving, fixed, mask = images
    other = found(pair_of(np.where(mask, 0.0, moving).astype(np.float32), fixed, mask, SPACING))
    # at the coarse levels voxels beside the margin hold a little of the tumour
    assert error(other, result) < 0.05


def test_contrast_and_its_sign_do_not_matter(images, result):
    moving, fixed, mask = images
    inverted = found(pair_of((1.0 - 0.7 * moving).astype(np.float32), fixed, mask, SPACING))
    assert error(inverted, result) < 0.1


def test_two_equal_modalities_are_as_one(images, result):
    moving, fixed, mask = images
    double = found(pair_of(np.stack([moving] * 2), np.stack([fixed] * 2), mask, SPACING))
    assert error(double, result) < 0.1


def test_it_goes_on_from_where_it_is(images, truth):
    pair = pair_of(*images, SPACING)
    fine = attrs.evolve(SETTINGS, iterations=(0, 0, 10))
    assert error(flow(truth, pair, fine, lambda _: None), truth) < 0.1 < error(found(pair, fine), truth)


def test_what_is_unexplained_falls_and_each_iteration_is_reported(images):
    entries: list[dict] = []
    few = attrs.evolve(SETTINGS, iterations=(4, 4, 4))  # each level has something left to find
    flow(rest(), pair_of(*images, SPACING), few, entries.append)
    for level in range(3):
        values = [entry["similarity"] for entry in entries if entry["level"] == level]
        assert len(values) == 4
        assert values[-1] < values[0]
    assert {entry["stage"] for entry in entries} == {"flow"}


def test_the_map_goes_on_through_what_is_not_compared(images, truth, result):
    inside = torch.from_numpy(images[2]).bool()
    assert float((result - truth).norm(dim=1)[0][inside].mean()) < 0.5


def test_a_fold_is_smoothed_away_and_the_rest_left():
    x = torch.arange(SHAPE[0], dtype=torch.float32)[:, None].expand(SHAPE)
    bump = torch.exp(-(((x - 48) / 3) ** 2))
    folded = torch.stack([-4 * (x - 48) / 3 * bump, torch.zeros(SHAPE)])[None]
    assert float(geometry.jacobian_determinant(folded).min()) < 0
    mended = unfolded(folded)
    assert float(geometry.jacobian_determinant(mended).min()) >= LEAST_DETERMINANT
    torch.testing.assert_close(mended[:, :, :20], folded[:, :, :20])


def test_smoothing_keeps_constants_and_is_a_gaussian():
    assert torch.allclose(smoothed(torch.ones(1, 1, 20, 24), 1.7), torch.ones(1, 1, 20, 24), atol=1e-5)
    point = np.zeros((41, 43), np.float32)
    point[20, 21] = 1.0
    wanted = gaussian_filter(point.astype(float), 2.0, truncate=6)
    got = smoothed(torch.from_numpy(point)[None, None], 2.0)[0, 0].numpy()
    np.testing.assert_allclose(got, wanted, atol=2e-4)


def test_a_wide_field_is_kept_on_as_many_nodes_as_it_needs():
    assert nodes_of((80, 96, 73), 4.0) == [40, 48, 37]
    assert nodes_of((80, 96, 73), 1.8) == [80, 96, 73]  # never more than voxels
    torch.manual_seed(0)
    field = smoothed(torch.rand(1, 1, 80, 96), 8.0)
    kept = resample(resample(field, nodes_of((80, 96), 8.0)), (80, 96))
    assert float((kept - field).abs().max()) < 1e-3 * float(field.max() - field.min())


def test_levels_end_before_their_last_iteration_once_nothing_comes_nearer(images):
    entries: list[dict] = []
    flow(rest(), pair_of(*images, SPACING), attrs.evolve(SETTINGS, iterations=(99, 99, 99)), entries.append)
    assert max(entry["iteration"] for entry in entries) < 60


def test_inertia_brings_what_is_wide_and_slow_sooner(images, truth):
    pair = pair_of(*images, SPACING)
    few = attrs.evolve(SETTINGS, iterations=(8, 0, 0), step=0.1)
    slow, fast = (found(pair, attrs.evolve(few, inertia=inertia)) for inertia in (0.0, 0.7))
    assert error(fast, truth) < 0.8 * error(slow, truth)


def test_noise_moves_less_where_the_map_is_eased(images, truth):
    moving, fixed, mask = images
    noise = np.random.default_rng(5).normal(size=SHAPE).astype(np.float32)
    pair = pair_of(moving, np.clip(fixed + 0.03 * noise, 0, 1), mask, SPACING)
    stiff, eased = (found(pair, attrs.evolve(SETTINGS, ease=ease)) for ease in (1e-6, 0.05))
    assert error(eased, truth) < 0.8 * error(stiff, truth)


def test_settings_give_one_value_a_level():
    with pytest.raises(ValueError, match="one value a level"):
        FlowSettings(iterations=(3, 4))
