"""Laws of the signals of tissue and tumour."""

from __future__ import annotations

import attrs
import pytest
import torch
from torch import Tensor

from gliomorph.models.regions import MODALITIES
from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.synthesis.population import anatomy, colours

SHAPE = (24, 24, 24)
STUFF = colours.Tumor(water=0.04, fading=0.0, blur_mm=0.0, patchiness=0.0, core="necrosis", bleeding=0.0)


def white_block() -> tuple[Tensor, Tensor]:
    """White matter all over, and a tumour of oedema in its middle."""
    maps = torch.zeros(len(anatomy.MAPS), *SHAPE)
    maps[[anatomy.MAPS.index("white"), -1]] = 1
    regions = torch.zeros(3, *SHAPE)
    regions[1, 6:18, 6:18, 6:18] = 1
    return maps, regions


def painted(stuff: colours.Tumor, own: colours.Colours, regions: Tensor, seed: int = 0) -> Tensor:
    maps, _ = white_block()
    chance = Chance(seed)
    water = colours.water_map(regions, stuff, 3.0, chance), torch.zeros(SHAPE)
    return colours.render(own, maps, regions, water, torch.zeros(3, *SHAPE), stuff.bleeding, chance)


def flat(**changes: float) -> colours.Colours:
    own = colours.Colours(
        groups=torch.ones(len(anatomy.GROUPS)), wet=0.5, gain=1.0, necrosis=0.3, enhancing=2.0, blood=1.5
    )
    return attrs.evolve(own, **changes)


@pytest.mark.parametrize("water", [0.04, 0.1, 0.5])
def test_oedema_has_the_contrast_asked_for(water: float) -> None:
    """Two to five per cent and more: the water's share of the way from white matter (1) to wet tissue (0.5)."""
    _, regions = white_block()
    signal = painted(attrs.evolve(STUFF, water=water), flat(), regions)
    inside, outside = signal[9:15, 9:15, 9:15].mean(), signal[regions[1] == 0].mean()
    assert float(outside - inside) == pytest.approx(0.5 * water, rel=0.1)
    assert float(outside) == pytest.approx(1.0)


def test_core_replaces_the_tissue_and_no_water_changes_nothing() -> None:
    _, regions = white_block()
    assert torch.equal(painted(attrs.evolve(STUFF, water=0.0), flat(), regions), torch.ones(SHAPE))
    core = torch.stack([regions[1], torch.zeros(SHAPE), torch.zeros(SHAPE)])
    assert float(painted(STUFF, flat(), core)[12, 12, 12]) == pytest.approx(0.3)


def test_water_fades_towards_the_border() -> None:
    regions = torch.zeros(3, *SHAPE)
    regions[1, 2:22, 2:22, 2:22] = 1
    water = colours.water_map(regions, attrs.evolve(STUFF, water=0.5, fading=0.8), 3.0, Chance(1))
    assert water[9:15, 9:15, 9:15].mean() > 1.5 * water[2, 9:15, 9:15].mean()
    assert not water[regions[1] == 0].any()


@pytest.mark.parametrize("modality", MODALITIES)
def test_typical_signals_are_in_the_modalitys_order(modality: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colours, "RANDOM", 0.0)
    names = list(anatomy.GROUPS)
    for seed in range(20):
        own = colours.sample_colours(modality, STUFF, Chance(seed))
        fluid, grey, white = (
            float(own.groups[names.index(name)]) for name in ("ventricles", "cortex", "white")
        )
        assert white == pytest.approx(1.0)
        if modality in ("T1w", "T1ce"):
            assert fluid < grey < white
            assert own.wet < white
        else:
            assert (fluid > grey) == (modality == "T2w")
            assert own.wet > white


def test_signals_of_no_modality_are_drawn_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colours, "RANDOM", 1.0)
    whites = {float(colours.sample_colours("T1w", STUFF, Chance(seed)).groups[4]) for seed in range(10)}
    assert len(whites) == 10
