"""Laws of the signals of tissues: means by modality, structure, vessels."""

from __future__ import annotations

import pytest
import torch
from ball_head import VOXEL_MM, Still, ball_atlas

from gliomorph.models.synthesis import heads, signals
from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.synthesis.contrast import CLASSES, MEANS


@pytest.fixture(scope="module")
def atlas() -> heads.Atlas:
    return ball_atlas()


@pytest.mark.parametrize("modality", MEANS)
def test_pure_voxels_have_the_mean_of_their_class(modality: str) -> None:
    shares = torch.eye(6).view(6, 6, 1, 1)
    nothing = torch.zeros(6, 6, 1, 1)
    signal = signals.render(modality, shares, nothing, nothing[:3], VOXEL_MM, Still(0))
    torch.testing.assert_close(signal.flatten(), signals.sample_means(modality, Still(0)))


def test_t1_weighted_edema_is_dark_and_rims_enhance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "RANDOM_CONTRAST", 0.0)
    white, edema, rim = (CLASSES.index(name) for name in ("WM", "ED", "ET"))
    for modality in ("T1w", "T1ce"):
        means = torch.stack([signals.sample_means(modality, Chance(seed)) for seed in range(300)])
        assert (means[:, edema] < means[:, white]).all()
        assert means.min() >= 0.05
    assert means[:, rim].mean() > 1.3 * means[:, white].mean()
    assert ((means[:, rim] > means[:, white]).float().mean()) > 0.9


@pytest.mark.parametrize("modality", MEANS)
def test_typical_contrasts_are_near_those_of_the_modality(modality: str) -> None:
    means = torch.stack([signals.sample_means(modality, Chance(seed), typical=True) for seed in range(50)])
    ratio = means / torch.tensor(MEANS[modality])
    assert 0.9 <= ratio.min() < 0.92
    assert 1.08 < ratio.max() <= 1.1001


def test_random_contrasts_have_nothing_to_do_with_the_modality(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "RANDOM_CONTRAST", 1.0)
    means = [signals.sample_means(modality, Chance(7)).tolist() for modality in MEANS]
    assert means == [means[0]] * 4


def test_signal_is_never_negative_and_zero_where_nothing_is(atlas: heads.Atlas) -> None:
    maps = atlas.maps[0]
    shares = torch.cat([maps[:3], torch.zeros_like(maps[:3])])
    for seed in range(6):
        chance = Chance(seed)
        structure = 3 * chance.field(maps.shape[1:], 3.0, 3)
        signal = signals.render("T2w", shares, maps, structure, VOXEL_MM, chance)
        assert signal.min() >= 0
        assert not signal[maps[:3].sum(0) == 0].any()


def test_vessels_are_bright_and_thin_and_in_fluid_only(atlas: heads.Atlas) -> None:
    csf, fluid = atlas.maps[0, 0], atlas.maps[0, 5]
    for seed in range(6):
        bright = signals.vessels(csf, fluid, VOXEL_MM, Chance(seed))
        assert bright.min() >= 0
        assert not bright[(csf == 0) & (fluid < 1e-3)].gt(2e-3).any()
        assert 0.05 < bright.max() < 2.1
        assert (bright > 0.1)[csf > 0.5].float().mean() < 0.25


def test_gadolinium_shows_vessels_and_nothing_else_does(
    atlas: heads.Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = atlas.maps[0]
    shares = torch.cat([maps[:3], torch.zeros_like(maps[:3])])
    for modality, changes in (("T1w", False), ("T1ce", True)):
        found = []
        for share in (0.0, 1.0):
            monkeypatch.setattr(signals, "WITH_VESSELS", share)
            found.append(signals.render(modality, shares, maps, maps[:3], VOXEL_MM, Chance(2)))
        assert torch.equal(*found) is not changes
