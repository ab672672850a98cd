"""Laws of tumours that grow along white matter."""

from __future__ import annotations

from functools import cache

import attrs
import pytest
import torch
from label_maps import VOXEL_MM, head_labels
from torch import Tensor

from gliomorph.models.synthesis import lesions
from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.synthesis.population import anatomy, growth

PLAN = growth.Plan(
    volume_ml=120.0, core=0.4, enhancing=0.4, grey=3.0, geodesic=0.8, roughness=0.1, foci=1, push=0.2
)


@cache
def maps() -> Tensor:
    """The head's; read only."""
    return anatomy.person_of(head_labels(), VOXEL_MM, VOXEL_MM).atlas().maps[0]


def grown(plan: growth.Plan, seed: int = 0) -> Tensor:
    chance = Chance(seed)
    possible = maps()[list(anatomy.CEREBRAL)].sum(0) > 0.7
    return growth.grow(plan, growth.sample_seats(possible, plan, VOXEL_MM, chance), maps(), VOXEL_MM, chance)


def volume_ml(regions: Tensor) -> float:
    return float((lesions.largest(regions) > 0).sum()) * VOXEL_MM**3 / 1000


@pytest.mark.parametrize("volume", [20.0, 60.0, 200.0])
def test_the_tumor_has_the_volume_asked_for(volume: float) -> None:
    for seed in (1, 2):
        found = volume_ml(grown(attrs.evolve(PLAN, volume_ml=volume), seed))
        assert found == pytest.approx(volume, rel=0.15)


def test_a_tumor_larger_than_the_brain_holds_fills_a_part_of_it() -> None:
    brain = float((growth.room_of(maps()) > 0.5).sum()) * VOXEL_MM**3 / 1000
    assert volume_ml(grown(attrs.evolve(PLAN, volume_ml=10 * brain))) <= 1.05 * growth.LARGEST_SHARE * brain


def test_shares_are_shares_and_stay_out_of_the_ventricles_and_the_skull() -> None:
    for seed in range(3):
        regions = grown(attrs.evolve(PLAN, foci=3, volume_ml=200.0), seed)
        assert regions.min() >= 0
        assert regions.sum(0).max() <= 1 + 1e-5
        assert (regions.sum(0) <= growth.room_of(maps()) + 1e-5).all()


def test_core_and_what_enhances_have_the_shares_asked_for() -> None:
    necrosis, edema, enhancing = (float(part.sum()) for part in grown(attrs.evolve(PLAN, volume_ml=200.0), 3))
    whole = necrosis + edema + enhancing
    assert (necrosis + enhancing) / whole == pytest.approx(PLAN.core, abs=0.1)
    assert enhancing / (necrosis + enhancing) == pytest.approx(PLAN.enhancing, abs=0.15)


def test_nothing_or_all_of_the_core_enhances() -> None:
    assert not grown(attrs.evolve(PLAN, enhancing=0.0))[2].any()
    necrosis, _, enhancing = grown(attrs.evolve(PLAN, enhancing=1.0))
    assert necrosis.sum() < 0.02 * enhancing.sum()


def test_fronts_are_slow_in_grey_matter_and_hardly_cross_fluid() -> None:
    """A slab of each beside white matter, with the seat in the middle."""
    shape = (16, 9, 9)
    slabs = torch.zeros(len(anatomy.MAPS), *shape)
    slabs[anatomy.MAPS.index("white"), 8:] = 1
    slabs[anatomy.MAPS.index("cortex"), 4:8] = 1
    slabs[anatomy.MAPS.index("sulci"), :4] = 1
    seat = torch.tensor([[8.0, 4.0, 4.0]]) * 6.0
    time = growth.travel_time(seat, [0.0], slabs, 3.0, 6.0)[:, 4, 4]
    assert time[12] - time[10] == pytest.approx(2 * 6.0, rel=0.05)
    assert time[5] - time[6] == pytest.approx(3 * 6.0, rel=0.05)
    assert time[2] - time[3] == pytest.approx(growth.BARRIER * 6.0, rel=0.05)


def test_plans_are_large_as_often_as_small() -> None:
    plans = [growth.sample_plan(Chance(seed)) for seed in range(600)]
    large, small = (
        sum(low <= plan.volume_ml < high for plan in plans) for low, high in ((100, 250), (3, 40))
    )
    assert abs(large - small) < 100
    assert min(large, small) > 120
    assert 0.1 < sum(plan.foci > 1 for plan in plans) / len(plans) < 0.4
