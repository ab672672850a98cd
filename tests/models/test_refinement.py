"""Some steps of optimisation behind an answer that is at hand."""

import numpy as np
import pytest
import torch

from gliomorph.models import geometry
from gliomorph.models.metamorphosis import MetamorphosisSettings, register
from gliomorph.models.networks import DEFAULTS
from gliomorph.models.refinement import refine, settings_for

SHAPE, SPACING = (48, 44), (1.0, 1.0)
SETTINGS = MetamorphosisSettings(
    sigma_mm=5.0, lam=1e-5, voxel_mm=(2.0, 1.0), iterations=(8, 4), appearance_iterations=6, similarity="ssd"
)


def disc(centre, radius):
    x, y = np.meshgrid(np.arange(SHAPE[0]), np.arange(SHAPE[1]), indexing="ij")
    return (1 / (1 + np.exp(np.hypot(x - centre[0], y - centre[1]) - radius))).astype(np.float32)


@pytest.fixture(scope="module")
def images():
    """Moving, fixed, mask; a hole in the moving disc is the tumour."""
    mask = (disc((30, 22), 3) > 0.5).astype(np.uint8)
    return np.where(mask, 0, disc((26, 23), 14)).astype(np.float32), disc((23, 21), 14), mask


@pytest.fixture(scope="module")
def answer(images):
    return register(*images, SPACING, SETTINGS)


def unlike(result, images):
    moving, fixed, mask = images
    field = torch.from_numpy(result.displacement)[None]
    pair = torch.from_numpy(np.stack([moving, mask.astype(np.float32)]))[None]
    warped, tumor = geometry.warp(pair, field)[0].numpy()
    return float(((warped - fixed) ** 2)[tumor == 0].sum())


def test_it_comes_nearer_and_stays_a_diffeomorphism(images, answer):
    refined = refine(answer, *images, SPACING, 15, SETTINGS)
    assert unlike(refined, images) < 0.7 * unlike(answer, images)
    there, back = (torch.from_numpy(u)[None] for u in (refined.displacement, refined.inverse_displacement))
    assert int((geometry.jacobian_determinant(there) <= 0).sum()) == 0
    assert geometry.compose(there, back).norm(dim=1).mean() < 0.05
    assert sum(entry["stage"] == "shape" for entry in refined.energy) == 15


def test_appearance_lies_in_the_tumour_where_it_ends(images, answer):
    refined = refine(answer, *images, SPACING, 10, SETTINGS)
    mask = torch.from_numpy(images[2].astype(np.float32))[None, None]
    tumor = geometry.warp(mask, torch.from_numpy(refined.displacement)[None])[0, 0].numpy()
    assert refined.appearance[tumor > 0.8].mean() > 0.5
    assert not refined.appearance[tumor < 0.2].any()


def test_no_iterations_change_nothing(images, answer):
    assert refine(answer, *images, SPACING, 0, SETTINGS) is answer


def test_iterations_lower_the_energy(images, answer):
    shape = [
        entry for entry in refine(answer, *images, SPACING, 12, SETTINGS).energy if entry["stage"] == "shape"
    ]
    whole = [entry["similarity"] + entry["regularisation"] for entry in shape]
    assert min(whole[6:]) < whole[0]


@pytest.mark.parametrize("method", DEFAULTS)
def test_networks_are_refined_with_their_own_appearance_and_masking(method):
    network = DEFAULTS[method]
    settings = settings_for(network, 3)
    assert (settings.mu, settings.masking) == (network.mu, network.masking)
    assert bool(settings.mu) == method.startswith("metamorph-")


def test_wrong_input_is_refused(images, answer):
    with pytest.raises(ValueError, match="iterations has to be 0 or more, got -1"):
        refine(answer, *images, SPACING, -1)
    with pytest.raises(ValueError, match=r"they have \(40, 44\), its displacement \(48, 44\)"):
        refine(answer, *(image[:40] for image in images), SPACING, 5)
