"""Registration of tiny pairs whose answer is known."""

import attrs
import numpy as np
import pytest
import torch
from ellipsoids import SHAPE, SPACING, ellipsoid
from scipy.ndimage import gaussian_filter

from gliomorph.models import geometry
from gliomorph.models.kernels import Kernel
from gliomorph.models.registration.metamorphosis import THESIS, MetamorphosisSettings, register
from gliomorph.models.registration.pair import pair_of
from gliomorph.models.registration.shooting import shoot

QUICK = MetamorphosisSettings(
    margin_mm=0.0,
    sigma_mm=8.0,
    voxel_mm=(4.0, 2.0),
    iterations=(20, 10),
    appearance_iterations=8,
    steps=3,
    similarity="ssd",
    lam=1e-5,
)


@pytest.fixture(scope="module")
def result(pair):
    return register(pair_of(*pair, SPACING), QUICK)


def tensor(array):
    return torch.from_numpy(np.asarray(array, np.float32)).reshape(1, -1, *array.shape[-3:])


def warped(image, result):
    return geometry.warp(tensor(image), tensor(result.displacement))[0, 0].numpy()


def test_images_are_brought_together_without_folds(pair, result):
    moving, fixed, mask = pair
    outside = warped(mask, result) == 0
    before = np.square(moving - fixed)[mask == 0].sum()
    assert np.square(warped(moving, result) - fixed)[outside].sum() < 0.25 * before
    assert int((geometry.jacobian_determinant(tensor(result.displacement)) <= 0).sum()) == 0
    assert result.displacement.shape == (3, *SHAPE)
    assert {a.dtype for a in (result.displacement, result.inverse_displacement, result.appearance)} == {
        np.dtype(np.float32)
    }


def test_both_directions_are_consistent(result):
    there, back = tensor(result.displacement), tensor(result.inverse_displacement)
    assert geometry.compose(there, back).norm(dim=1).mean() < 0.02
    assert geometry.compose(back, there).norm(dim=1).mean() < 0.02


def test_appearance_fills_the_tumour_and_nothing_else(pair, result):
    moving, fixed, mask = pair
    inside = warped(mask, result) >= 0.5
    assert not result.appearance[~inside].any()
    lacking = np.abs(warped(moving, result) - fixed)[inside].mean()
    left = np.abs(warped(moving, result) + result.appearance - fixed)[inside].mean()
    assert left < 0.2 * lacking


def test_energy_is_recorded_and_falls(pair):
    seen = []
    result = register(pair_of(*pair, SPACING), QUICK, progress=seen.append)
    assert seen == result.energy
    assert {entry["stage"] for entry in seen} == {"shape", "appearance"}
    first = [entry["similarity"] + entry["regularisation"] for entry in seen if entry["level"] == 0]
    assert first[-1] < 0.5 * first[0]


def test_appearance_starts_from_the_shape_found(result):
    """z inside the tumour is reset first: that of shape would mean intensities of ±1, and diverge."""
    shape, appearance = (
        [entry["similarity"] for entry in result.energy if entry["stage"] == stage]
        for stage in ("shape", "appearance")
    )
    assert appearance[0] < 2 * shape[-1]
    assert appearance[-1] < appearance[0]


def test_same_input_gives_the_same_result(pair, result):
    again = register(pair_of(*pair, SPACING), QUICK)
    # the backward pass of grid_sample adds in no fixed order
    np.testing.assert_allclose(again.displacement, result.displacement, atol=1e-3)


@pytest.mark.parametrize("similarity", ["ssd", "lncc"])
def test_equal_images_stay_where_they_are(pair, similarity):
    _, fixed, _ = pair
    result = register(pair_of(fixed, fixed, None, SPACING), attrs.evolve(QUICK, similarity=similarity))
    assert not result.displacement.any()
    assert not result.inverse_displacement.any()
    assert not result.appearance.any()
    determinant = geometry.jacobian_determinant(tensor(result.displacement))
    assert torch.equal(determinant, torch.ones_like(determinant))


def test_mu_zero_is_lddmm(pair):
    moving, fixed, mask = pair
    lddmm = register(pair_of(moving, fixed, mask, SPACING), attrs.evolve(QUICK, mu=0.0))
    stopped = register(pair_of(moving, fixed, mask, SPACING), attrs.evolve(QUICK, appearance_iterations=0))
    assert not lddmm.appearance.any()
    assert {entry["stage"] for entry in lddmm.energy} == {"shape"}
    np.testing.assert_allclose(lddmm.displacement, stopped.displacement, atol=1e-3)


def test_local_correlation_ignores_contrast(pair):
    moving, fixed, mask = pair
    settings = attrs.evolve(QUICK, similarity="lncc", iterations=(20, 10), lam=6e-4, appearance_iterations=0)
    brain = (fixed > 0.1).astype(np.uint8)
    plain = register(pair_of(moving, fixed, mask, SPACING, brain), settings)
    changed = register(pair_of(0.2 + 0.5 * moving, fixed, mask, SPACING, brain), settings)
    difference = np.linalg.norm(changed.displacement - plain.displacement, axis=0)[brain > 0]
    assert difference.mean() < 0.3 * np.linalg.norm(plain.displacement, axis=0)[brain > 0].mean()


def test_commutes_with_permutation_of_axes(pair, result):
    order = (2, 0, 1)
    turned = register(pair_of(*(np.ascontiguousarray(a.transpose(order)) for a in pair), SPACING), QUICK)
    expected = result.displacement[list(order)].transpose(0, *(axis + 1 for axis in order))
    np.testing.assert_allclose(turned.displacement, expected, atol=2e-2)


def test_commutes_with_translation():
    """By whole voxels of the coarsest level, of what is far from the border."""
    fixed, moving = (
        ellipsoid((26, 30, 0), (7, 8, 1e3), (60, 64, 1)),
        ellipsoid((27.5, 29, 0), (8, 7, 1e3), (60, 64, 1)),
    )
    mask = (ellipsoid((24, 32, 0), (2, 2, 1e3), (60, 64, 1)) > 0.5).astype(np.uint8)
    images = [array[..., 0] for array in (np.where(mask, 0, moving), fixed, mask)]
    plain = register(pair_of(*images, SPACING[:2]), QUICK)
    moved = register(pair_of(*(np.roll(image, (4, -2), (0, 1)) for image in images), SPACING[:2]), QUICK)
    middle = (slice(None), slice(16, 40), slice(16, 44))
    expected = np.roll(plain.displacement, (4, -2), (1, 2))[middle]
    assert np.abs(expected).max() > 0.5
    # the kernel's nodes lie elsewhere, and the kernel sees the border
    assert np.abs(moved.displacement[middle] - expected).mean() < 0.03


@pytest.mark.parametrize("widths", [8, np.float32(8), (8.0,), np.array([8.0])])
def test_one_width_and_several_are_taken(widths):
    assert MetamorphosisSettings(sigma_mm=widths).sigma_mm == (8.0,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma_mm": -1.0}, "sigma_mm"),
        ({"mu": -0.1}, "mu"),
        ({"steps": 0}, "steps"),
        ({"similarity": "nmi"}, "similarity"),
        ({"masking": "half"}, "masking"),
        ({"optimiser": "sgd"}, "optimiser"),
        ({"iterations": (10,)}, "one value a level"),
        ({"iterations": (-5, 3)}, "iterations takes numbers of 0 or more"),
    ],
)
def test_settings_are_validated(options, message):
    with pytest.raises(ValueError, match=message):
        MetamorphosisSettings(**options)


def test_one_modality_among_others_that_say_nothing_new(pair, result):
    """App. A.1: a second channel without contrast has no force, whatever its momentum."""
    moving, fixed, mask = pair
    empty = np.zeros_like(moving)
    both = register(pair_of(np.stack([moving, empty]), np.stack([fixed, empty]), mask, SPACING), QUICK)
    assert both.appearance.shape == (2, *SHAPE)
    np.testing.assert_allclose(both.displacement, result.displacement, atol=5e-3)


def test_a_modality_that_shows_it_moves_what_another_does_not(pair):
    """Two channels, each with one of two shifted balls: one velocity follows both."""
    still, there = ellipsoid((8, 18, 14), (4, 4, 4)), ellipsoid((10, 18, 14), (4, 4, 4))
    other, gone = ellipsoid((24, 18, 14), (4, 4, 4)), ellipsoid((24, 20, 14), (4, 4, 4))
    result = register(pair_of(np.stack([there, gone]), np.stack([still, other]), None, SPACING), QUICK)
    assert result.displacement[0, 8, 18, 14] == pytest.approx(2.0, abs=0.6)
    assert result.displacement[1, 24, 18, 14] == pytest.approx(2.0, abs=0.6)


def test_two_dimensions_are_a_slice_of_three(pair):
    moving, fixed, mask = (array[:, :, 14] for array in pair)
    result = register(pair_of(moving, fixed, mask, SPACING[:2]), QUICK)
    assert result.displacement.shape == (2, 32, 36)
    field = torch.from_numpy(result.displacement)[None]
    after = geometry.warp(torch.from_numpy(np.ascontiguousarray(moving))[None, None], field)[0, 0].numpy()
    outside = geometry.warp(torch.from_numpy(mask.astype(np.float32))[None, None], field)[0, 0].numpy() == 0
    assert np.square(after - fixed)[outside].sum() < 0.25 * np.square(moving - fixed)[mask == 0].sum()


@pytest.mark.parametrize("similarity", ["cc", "mi", "vir"])
def test_every_similarity_brings_the_images_together(pair, similarity):
    moving, fixed, mask = (array[:, :, 14] for array in pair)
    settings = attrs.evolve(QUICK, similarity=similarity, lam=1e-4, appearance_iterations=0, window_mm=6.0)
    result = register(pair_of(moving, fixed, mask, SPACING[:2], (fixed > 0.1).astype(np.uint8)), settings)
    after = geometry.warp(
        torch.from_numpy(np.ascontiguousarray(moving))[None, None],
        torch.from_numpy(result.displacement)[None],
    )[0, 0].numpy()
    apart = (mask == 0) & (fixed > 0.1)
    assert np.square(after - fixed)[apart].sum() < 0.6 * np.square(moving - fixed)[apart].sum()


def test_lbfgs_reaches_what_adam_reaches(pair):
    moving, fixed, mask = (array[:, :, 14] for array in pair)
    last = {}
    for optimiser in ("adam", "lbfgs"):
        settings = attrs.evolve(QUICK, optimiser=optimiser, iterations=(40, 40), appearance_iterations=0)
        energy = register(pair_of(moving, fixed, mask, SPACING[:2]), settings).energy
        last[optimiser] = min(e["similarity"] + e["regularisation"] for e in energy if e["level"] == 1)
    assert last["lbfgs"] < 1.1 * last["adam"]


def test_settled_energy_ends_a_level_early(pair):
    moving, fixed, mask = (array[:, :, 14] for array in pair)
    settings = attrs.evolve(QUICK, iterations=(200, 10), tolerance=0.02)
    energy = register(pair_of(moving, fixed, mask, SPACING[:2]), settings).energy
    assert sum(entry["level"] == 0 for entry in energy) < 200


def test_images_finer_than_the_finest_level_are_filled_to_the_rim(pair):
    """There the mask has fractions; what the shape's z would add on them is reset too."""
    moving, fixed, mask = (np.kron(array[:, :, 14], np.ones((3, 3), array.dtype)) for array in pair)
    settings = attrs.evolve(QUICK, voxel_mm=(4.0, 2.5), iterations=(20, 15))
    result = register(pair_of(moving, fixed, mask, (2 / 3, 2 / 3)), settings)
    shape = [e["similarity"] for e in result.energy if e["stage"] == "shape"]
    appearance = [e["similarity"] for e in result.energy if e["stage"] == "appearance"]
    assert appearance[0] < 1.2 * shape[-1]
    assert min(appearance) < shape[-1]


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_an_energy_that_is_not_finite_is_an_error(pair, optimiser):
    """And not the end of the process, which torch's interpolation makes of it."""
    moving, fixed, mask = (array[:, :, 14] for array in pair)
    spoilt = attrs.evolve(QUICK, optimiser=optimiser, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="iteration 0: the energy is not finite; images in"):
        register(pair_of(1e30 * moving, fixed, mask, SPACING[:2]), spoilt)


def test_a_warm_start_begins_where_the_other_ended(pair):
    moving, fixed, mask = (array[:, :, 14] for array in pair)
    fine = attrs.evolve(QUICK, voxel_mm=(2.0,), iterations=(15,), appearance_iterations=0)
    first = register(pair_of(moving, fixed, mask, SPACING[:2]), fine)
    second = register(pair_of(moving, fixed, mask, SPACING[:2]), fine, start=first.momentum)
    assert second.energy[0]["similarity"] == pytest.approx(
        min(first.energy, key=lambda e: e["similarity"] + e["regularisation"])["similarity"], rel=1e-3
    )


def test_a_start_of_other_axes_is_refused(pair):
    with pytest.raises(ValueError, match="start has to be a momentum of 1 channels and 3 axes"):
        register(pair_of(*pair, SPACING), start=np.zeros(SHAPE, np.float32))


def test_without_a_mask_appearance_changes_everywhere(pair):
    moving, fixed, mask = (array[:, :, 14] for array in pair)
    settings = attrs.evolve(QUICK, masking="none", iterations=(40, 40))
    free = register(pair_of(moving, fixed, mask, SPACING[:2]), settings)
    shape = register(pair_of(moving, fixed, mask, SPACING[:2]), attrs.evolve(settings, mu=0.0))
    assert np.abs(free.appearance[mask == 0]).max() > 0.01
    assert not shape.appearance.any()
    last = [min(e["similarity"] for e in result.energy) for result in (free, shape)]
    assert last[0] < 0.8 * last[1]


def test_the_thesis_preset_scales_mu_by_the_gain_of_its_gradient():
    """One step of Alg. 5.1 with the author's gradient, 32 times ours, and μ = 0.1."""
    image, z = torch.from_numpy(ellipsoid((16, 18, 14), (9, 9, 9)))[None, None], 0.5
    kernel = Kernel(SHAPE, (1.0, 1.0, 1.0), THESIS.sigma_mm, like=image)
    geodesic = shoot(
        torch.full_like(image, 32 * z), image, kernel, (1.0, 1.0, 1.0), 1, THESIS.mu, torch.ones_like(image)
    )
    velocity = -kernel.smooth(kernel.restrict(z * 32 * geometry.gradient(image)[:, 0]))
    nodes = geometry.columns(kernel.coarse_mm, velocity)
    torch.testing.assert_close(geodesic.backward, -velocity / nodes)
    torch.testing.assert_close(geodesic.change, torch.full_like(image, 0.1**2 * z))
    assert (THESIS.steps, THESIS.lam, THESIS.sigma_mm, THESIS.similarity) == (15, 1e-7, (8.0,), "ssd")


@pytest.mark.parametrize(
    ("margin", "least", "most"), [(0.0, 0.0, 0.15), (MetamorphosisSettings().margin_mm, 0.95, 1.05)]
)
def test_a_blurred_tumour_keeps_its_size_by_the_margin(margin, least, most):
    """Nothing has moved: the scan shows some of the tumour in the voxels beside it, that is all."""
    texture = gaussian_filter(np.random.default_rng(0).normal(size=(96, 96)), 5)
    healthy = 0.6 + 0.25 * texture / np.abs(texture).max()
    x, y = np.meshgrid(*[np.arange(96) - 48] * 2, indexing="ij")
    tumor = np.hypot(x, y) < 12
    blurred = gaussian_filter(tumor.astype(float), 2)
    scan = (1 - blurred) * healthy + 0.15 * blurred
    settings = MetamorphosisSettings(margin_mm=margin, appearance_iterations=0, voxel_mm=(2.0, 1.0))
    images = (scan.astype(np.float32), healthy.astype(np.float32), tumor.astype(np.uint8))
    found = register(pair_of(*images, (1.0, 1.0)), settings)
    mask = torch.from_numpy(tumor.astype(np.float32))[None, None]
    warped = geometry.warp(mask, torch.from_numpy(found.displacement)[None]) >= 0.5
    assert least < float(warped.sum() / mask.sum()) < most
