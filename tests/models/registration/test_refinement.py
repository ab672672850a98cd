"""An answer that is at hand, brought to the images' voxels."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from gliomorph.models import geometry
from gliomorph.models.registration.flow import FlowSettings
from gliomorph.models.registration.pair import Registration, pair_of
from gliomorph.models.registration.refinement import refine

SHAPE, SPACING = (96, 88), (1.0, 1.0)
SETTINGS = FlowSettings(
    voxel_mm=(2.0, 1.0), iterations=(10, 10), kernel=(1.5, 1.2), window=(1.7, 2.2), elastic=(0.8, 1.2)
)


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
    return refine(answer, pair_of(*images, SPACING), SETTINGS)


def error_mm(result, truth):
    inner = (slice(8, -8),) * 2
    return float((torch.from_numpy(result.displacement) - truth[0]).norm(dim=0)[inner].mean())


def test_it_comes_nearer_to_the_truth(answer, refined, truth):
    assert error_mm(refined, truth) < 0.5 * error_mm(answer, truth)
    assert {entry["stage"] for entry in refined.energy} == {"flow"}


def test_it_is_a_diffeomorphism(refined):
    there, back = (torch.from_numpy(u)[None] for u in (refined.displacement, refined.inverse_displacement))
    assert int((geometry.jacobian_determinant(there) <= 0).sum()) == 0
    assert geometry.compose(there, back).norm(dim=1).mean() < 0.05


def test_appearance_lies_in_the_tumour_where_it_ends(images, refined):
    mask = torch.from_numpy(images[2].astype(np.float32))[None, None]
    tumor = geometry.warp(mask, torch.from_numpy(refined.displacement)[None])[0, 0].numpy()
    assert refined.appearance[tumor > 0.8].mean() > 0.3
    assert not refined.appearance[tumor < 0.2].any()


def test_what_is_unexplained_falls(refined):
    values = [entry["similarity"] for entry in refined.energy if entry["level"] == 0]
    assert values[-1] < values[0]


@pytest.mark.parametrize("masking", ["cfm", "none"])
def test_appearance_changes_only_where_the_tumour_is_told_apart_by_it(images, answer, masking):
    result = refine(answer, pair_of(*images, SPACING), SETTINGS, masking)
    assert not result.appearance.any()


def test_the_tumour_is_compared_without_masking_alone(images, answer):
    moving, fixed, tumor = images
    other = np.where(tumor, 1.0, moving).astype(np.float32)

    def change(masking: str) -> float:
        """How far another look of the tumour moves the map, in mm."""
        one, two = (
            refine(answer, pair_of(each, fixed, tumor, SPACING), SETTINGS, masking)
            for each in (moving, other)
        )
        return float(np.linalg.norm(one.displacement - two.displacement, axis=0).mean())

    assert change("cfm") < 0.05 < change("none")


def test_an_answer_for_another_grid_is_refused(images, answer):
    with pytest.raises(ValueError, match=r"they have \(40, 88\), its displacement \(96, 88\)"):
        refine(answer, pair_of(*(image[:40] for image in images), SPACING))
