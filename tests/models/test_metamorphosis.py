"""Registration of tiny pairs whose answer is known."""

import attrs
import numpy as np
import pytest
import torch

from gliomorph.models import geometry
from gliomorph.models.metamorphosis import MetamorphosisSettings, register

SHAPE, SPACING = (32, 36, 28), (2.0, 2.0, 2.0)
QUICK = MetamorphosisSettings(
    sigma_mm=8.0, voxel_mm=(4.0, 2.0), iterations=(20, 10), appearance_iterations=8, steps=3, similarity="ssd"
)


def ellipsoid(centre, radii, shape=SHAPE):
    """Smooth in [0, 1]: ½ on the surface."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    radius = np.sqrt(sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)))
    return (1 / (1 + np.exp(12 * (radius - 1)))).astype(np.float32)


@pytest.fixture(scope="module")
def pair():
    """(moving, fixed, mask): a brain and a ventricle, shifted and swollen; a dark tumour in moving."""
    fixed = ellipsoid((16, 18, 14), (11, 13, 10)) * (0.8 - 0.6 * ellipsoid((16, 17, 14), (4, 5, 3)))
    ventricle = ellipsoid((17.5, 18, 14), (5, 5, 3.5))
    moving = ellipsoid((16.5, 18.5, 14), (11.5, 12, 10)) * (0.8 - 0.6 * ventricle)
    mask = (ellipsoid((10.5, 22, 15), (3, 3, 3)) > 0.5).astype(np.uint8)
    return np.where(mask, 0.3, moving).astype(np.float32), fixed, mask


@pytest.fixture(scope="module")
def result(pair):
    return register(*pair, SPACING, QUICK)


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
    result = register(*pair, SPACING, QUICK, progress=seen.append)
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
    again = register(*pair, SPACING, QUICK)
    # the backward pass of grid_sample adds in no fixed order
    np.testing.assert_allclose(again.displacement, result.displacement, atol=1e-3)


@pytest.mark.parametrize("similarity", ["ssd", "lncc"])
def test_equal_images_stay_where_they_are(pair, similarity):
    _, fixed, _ = pair
    result = register(fixed, fixed, None, SPACING, attrs.evolve(QUICK, similarity=similarity))
    assert not result.displacement.any()
    assert not result.appearance.any()


def test_mu_zero_is_lddmm(pair):
    moving, fixed, mask = pair
    lddmm = register(moving, fixed, mask, SPACING, attrs.evolve(QUICK, mu=0.0))
    stopped = register(moving, fixed, mask, SPACING, attrs.evolve(QUICK, appearance_iterations=0))
    assert not lddmm.appearance.any()
    assert {entry["stage"] for entry in lddmm.energy} == {"shape"}
    np.testing.assert_allclose(lddmm.displacement, stopped.displacement, atol=1e-3)


def test_local_correlation_ignores_contrast(pair):
    moving, fixed, mask = pair
    settings = attrs.evolve(QUICK, similarity="lncc", iterations=(20, 10), lam=6e-4, appearance_iterations=0)
    brain = (fixed > 0.1).astype(np.uint8)
    plain = register(moving, fixed, mask, SPACING, settings, brain)
    changed = register(0.2 + 0.5 * moving, fixed, mask, SPACING, settings, brain)
    difference = np.linalg.norm(changed.displacement - plain.displacement, axis=0)[brain > 0]
    assert difference.mean() < 0.3 * np.linalg.norm(plain.displacement, axis=0)[brain > 0].mean()


def test_commutes_with_permutation_of_axes(pair, result):
    order = (2, 0, 1)
    turned = register(*(np.ascontiguousarray(a.transpose(order)) for a in pair), SPACING, QUICK)
    expected = result.displacement[list(order)].transpose(0, *(axis + 1 for axis in order))
    np.testing.assert_allclose(turned.displacement, expected, atol=2e-2)


def test_wrong_input_is_refused_by_name(pair):
    moving, fixed, mask = pair
    with pytest.raises(ValueError, match=r"moving has shape \(32, 36, 28\), fixed \(31, 36, 28\)"):
        register(moving, fixed[1:], mask, SPACING)
    with pytest.raises(ValueError, match="moving has to be finite: 1 of"):
        spoiled = moving.copy()
        spoiled[0, 0, 0] = np.nan
        register(spoiled, fixed, mask, SPACING)
    with pytest.raises(ValueError, match=r"tumor_mask has to hold 0 and 1 only, found \[0, 2\]"):
        register(moving, fixed, 2 * mask, SPACING)
    with pytest.raises(ValueError, match="spacing_mm has to give 3 positive sizes"):
        register(moving, fixed, mask, (1.0, 0.0, 1.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma_mm": -1.0}, "sigma_mm"),
        ({"mu": -0.1}, "mu"),
        ({"steps": 0}, "steps"),
        ({"similarity": "mi"}, "similarity"),
        ({"iterations": (10,)}, "one value a level"),
    ],
)
def test_settings_are_validated(options, message):
    with pytest.raises(ValueError, match=message):
        MetamorphosisSettings(**options)
