"""The energy and its three uses of the tumour mask."""

import attrs
import pytest
import torch

from gliomorph.models import geometry
from gliomorph.models.registration.objective import Objective, inverse_inconsistency
from gliomorph.models.registration.pair import Pair
from gliomorph.models.registration.shooting import Path

SHAPE = (16, 18)


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    moving, fixed = (torch.rand(2, 1, *SHAPE, generator=generator).double() for _ in range(2))
    mask = torch.zeros_like(moving)
    mask[..., 4:8, 5:9] = 1
    brain = torch.zeros_like(moving)
    brain[..., 2:-2, 2:-2] = 1
    return Pair(moving=moving, fixed=fixed, mask=mask, brain=brain, spacing_mm=(1.0, 1.0))


def still(pair, change=None, energy=(2.0, 4.0)):
    zero = torch.zeros(2, 2, *SHAPE, dtype=torch.float64)
    return Path(backward=zero, forward=zero, change=change, energy=torch.tensor(energy, dtype=torch.float64))


@pytest.mark.parametrize("masking", ["none", "cfm", "local"])
def test_data_term_is_half_the_squared_difference_where_it_counts(pair, masking):
    """Eq. 5.3; without appearance ``local`` leaves the tumour out as ``cfm`` does."""
    where = pair.brain if masking == "none" else pair.brain * (1 - pair.mask)
    expected = 0.5 * (where * (pair.moving - pair.fixed) ** 2).sum()
    torch.testing.assert_close(Objective(lam=1.0, masking=masking).similarity(still(pair), pair), expected)


@pytest.mark.parametrize("masking", ["none", "local"])
def test_with_appearance_every_voxel_of_the_brain_counts(pair, masking):
    change = torch.full_like(pair.moving, 0.3)
    where = pair.mask if masking == "local" else 1.0
    expected = 0.5 * (pair.brain * (pair.moving + where * change - pair.fixed) ** 2).sum()
    obtained = Objective(lam=1.0, masking=masking).similarity(still(pair, change), pair)
    torch.testing.assert_close(obtained, expected)


def test_the_mask_moves_with_the_image(pair):
    """Everything moved by two voxels: the tumour that is left out is the moved one."""
    shift = torch.zeros(2, 2, *SHAPE, dtype=torch.float64)
    shift[:, 0] = 2.0
    path = Path(backward=shift, forward=-shift, change=None, energy=torch.zeros(1))
    moved, mask = geometry.warp(pair.moving, shift), pair.mask.roll(-2, 2)
    expected = 0.5 * (pair.brain * (1 - mask) * (moved - pair.fixed) ** 2).sum()
    torch.testing.assert_close(Objective(lam=1.0, masking="cfm").similarity(path, pair), expected)


def test_regularisation_is_lambda_times_the_mean_energy(pair):
    assert Objective(lam=0.5).regularisation(still(pair), pair).item() == pytest.approx(1.5)


def test_inverse_consistency_is_what_the_maps_lack(pair):
    """In mm² over the voxels of the images, wherever the maps live."""
    there = torch.zeros(1, 2, *SHAPE, dtype=torch.float64)
    there[:, 1] = 1.5
    path = Path(backward=there, forward=torch.zeros_like(there), change=None, energy=torch.zeros(1))
    expected = 1.5**2 * SHAPE[0] * SHAPE[1]
    assert inverse_inconsistency(path, pair).item() == pytest.approx(expected)
    wide = attrs.evolve(pair, spacing_mm=(1.0, 2.0))
    assert inverse_inconsistency(path, wide).item() == pytest.approx(4 * expected)
    nodes = torch.zeros(1, 2, 8, 9, dtype=torch.float64)
    nodes[:, 1] = 0.75
    coarse = Path(backward=nodes, forward=torch.zeros_like(nodes), change=None, energy=torch.zeros(1))
    assert inverse_inconsistency(coarse, pair).item() == pytest.approx(expected)
    exact = Path(backward=there, forward=-there, change=None, energy=torch.zeros(1))
    assert inverse_inconsistency(exact, pair).item() == 0
    weighted = Objective(lam=0.0, inverse_consistency=2.0).regularisation(path, pair)
    assert weighted.item() == pytest.approx(2 * expected)


def test_mask_is_no_way_to_lower_the_energy(pair):
    """The gradient with respect to the map is that of a mask held fixed."""
    map_ = torch.full((2, 2, *SHAPE), 0.3, dtype=torch.float64, requires_grad=True)
    path = Path(backward=map_, forward=-map_, change=None, energy=torch.zeros(1))
    Objective(lam=1.0, masking="cfm").similarity(path, pair).backward()
    held = map_.detach().clone().requires_grad_(True)
    weight = pair.brain * (1 - geometry.warp(pair.mask, map_.detach()))
    (0.5 * (weight * (geometry.warp(pair.moving, held) - pair.fixed) ** 2).sum()).backward()
    torch.testing.assert_close(map_.grad, held.grad)


@pytest.mark.parametrize("masking", ["cfm", "local"])
def test_the_margin_around_the_tumour_costs_nothing(pair, masking):
    """Whatever lies there, and however far the mask has moved."""
    objective = Objective(lam=1.0, masking=masking, margin_mm=2.0)
    shift = torch.zeros(2, 2, *SHAPE, dtype=torch.float64)
    shift[:, 0] = 1.0
    path = Path(backward=shift, forward=-shift, change=None, energy=torch.zeros(1))
    around = torch.zeros_like(pair.mask)
    around[..., 2:10, 3:11] = 1
    changed = attrs.evolve(pair, moving=torch.where(around > 0, 7.0, pair.moving))
    torch.testing.assert_close(objective.similarity(path, changed), objective.similarity(path, pair))
    beyond = attrs.evolve(pair, moving=torch.where(around > 0, pair.moving, 7.0))
    assert objective.similarity(path, beyond) > objective.similarity(path, pair)


def test_in_the_margin_nothing_is_compared_with_appearance_either(pair):
    change = torch.full_like(pair.moving, 0.3)
    objective = Objective(lam=1.0, margin_mm=2.0)
    around = geometry.dilate(pair.mask, 2.0, pair.spacing_mm)
    where = pair.brain * (1 - around + pair.mask)
    expected = 0.5 * (where * (pair.moving + pair.mask * change - pair.fixed) ** 2).sum()
    torch.testing.assert_close(objective.similarity(still(pair, change), pair), expected)
