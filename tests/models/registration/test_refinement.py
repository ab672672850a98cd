"""Some steps of optimisation behind an answer that is at hand."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from gliomorph.models import geometry
from gliomorph.models.kernels import in_voxels
from gliomorph.models.registration.metamorphosis import MetamorphosisSettings, levels_of
from gliomorph.models.registration.networks import DEFAULTS
from gliomorph.models.registration.pair import Registration, pair_of
from gliomorph.models.registration.refinement import followed, refine, settings_for

SHAPE, SPACING = (96, 88), (1.0, 1.0)
SETTINGS = MetamorphosisSettings(voxel_mm=(2.0, 1.0), iterations=(9, 9))


@pytest.fixture(scope="module")
def truth():
    """A smooth displacement, (1, D, X, Y), that takes fixed points to moving ones."""
    generator = np.random.default_rng(1)
    field = np.stack([gaussian_filter(generator.normal(size=SHAPE), 14) for _ in SHAPE])
    return torch.from_numpy(4 * field / np.abs(field).max()).float()[None]


@pytest.fixture(scope="module")
def images(truth):
    """Moving, fixed, mask; a dark hole in the moving texture is the tumour."""
    texture = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 3)
    moving = (0.6 + 0.3 * texture / np.abs(texture).max()).astype(np.float32)
    fixed = geometry.warp(torch.from_numpy(moving)[None, None], truth, "cubic")[0, 0].numpy()
    x, y = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    tumor = np.hypot(x - 60, y - 40) < 8
    blurred = gaussian_filter(tumor.astype(np.float32), 1.5)
    return (1 - blurred) * moving + 0.1 * blurred, fixed, tumor.astype(np.uint8)


@pytest.fixture(scope="module")
def answer(truth):
    """The truth but for a third of it."""
    found = truth * 2 / 3
    return Registration(
        displacement=found[0].numpy(),
        inverse_displacement=geometry.invert(found)[0].numpy(),
        appearance=np.zeros(SHAPE, np.float32),
        energy=[],
    )


@pytest.fixture(scope="module")
def refined(images, answer):
    return refine(answer, pair_of(*images, SPACING), 20, SETTINGS)


def error_mm(result, truth):
    inner = (slice(8, -8),) * 2
    return float((torch.from_numpy(result.displacement) - truth[0]).norm(dim=0)[inner].mean())


def test_it_comes_nearer_to_the_truth(answer, refined, truth):
    assert error_mm(refined, truth) < 0.5 * error_mm(answer, truth)
    assert sum(entry["stage"] == "shape" for entry in refined.energy) == 20


def test_it_is_a_diffeomorphism(refined):
    there, back = (torch.from_numpy(u)[None] for u in (refined.displacement, refined.inverse_displacement))
    assert int((geometry.jacobian_determinant(there) <= 0).sum()) == 0
    assert geometry.compose(there, back).norm(dim=1).mean() < 0.05


def test_the_start_follows_the_answer(images, answer):
    pair = pair_of(*images, SPACING)
    momentum = followed(answer.displacement, pair, SETTINGS)
    level, _ = next(levels_of(pair, SETTINGS))
    path = level.shoot(momentum, 0.0)
    given = torch.from_numpy(answer.displacement)[None]
    lacking = in_voxels(path.backward, pair.shape) - given
    assert lacking.norm(dim=1).mean() < 0.25 * given.norm(dim=1).mean()


def test_an_answer_of_rest_is_followed_by_rest(images):
    pair = pair_of(*images, SPACING)
    still = np.zeros((2, *SHAPE), np.float32)
    assert not followed(still, pair, SETTINGS).any()


def test_appearance_lies_in_the_tumour_where_it_ends(images, refined):
    mask = torch.from_numpy(images[2].astype(np.float32))[None, None]
    tumor = geometry.warp(mask, torch.from_numpy(refined.displacement)[None])[0, 0].numpy()
    assert refined.appearance[tumor > 0.8].mean() > 0.3
    assert not refined.appearance[tumor < 0.2].any()


def test_no_iterations_change_nothing(images, answer):
    assert refine(answer, pair_of(*images, SPACING), 0, SETTINGS) is answer


def test_iterations_lower_the_energy(refined):
    shape = [entry for entry in refined.energy if entry["stage"] == "shape"]
    whole = [entry["similarity"] + entry["regularisation"] for entry in shape]
    assert min(whole[10:]) < 0.8 * whole[0]


@pytest.mark.parametrize("method", DEFAULTS)
def test_networks_are_refined_with_their_own_appearance_and_masking(method):
    network = DEFAULTS[method]
    settings = settings_for(network, 3)
    assert (settings.mu, settings.masking) == (network.mu, network.masking)
    assert bool(settings.mu) == method.startswith("metamorph-")
    assert settings.iterations == (0, 3)


def test_wrong_input_is_refused(images, answer):
    with pytest.raises(ValueError, match="iterations has to be 0 or more, got -1"):
        refine(answer, pair_of(*images, SPACING), -1)
    with pytest.raises(ValueError, match=r"they have \(40, 88\), its displacement \(96, 88\)"):
        refine(answer, pair_of(*(image[:40] for image in images), SPACING), 5)
