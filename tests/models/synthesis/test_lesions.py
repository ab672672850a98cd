"""Laws of random tumours, on heads that are white matter all over."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch
from torch import Tensor

from gliomorph.models import geometry
from gliomorph.models.synthesis import heads, lesions
from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.synthesis.contrast import CLASSES

VOXEL_MM = 2.0


def growth(**changes: object) -> lesions.Growth:
    """A ball in the middle of a grid of 32 voxels of 2 mm."""
    plain = lesions.Growth(
        centre=(31.0, 31.0, 31.0),
        radius=14.0,
        axes=(1.0, 1.0, 1.0),
        rim=4.0,
        reach=10.0,
        roughness=0.0,
        push=5.0,
    )
    return attrs.evolve(plain, **changes)


def white_head(side: int = 32) -> Tensor:
    """Maps of a head that is white matter all over."""
    maps = torch.zeros(6, side, side, side)
    maps[[heads.MAPS.index("WM"), heads.MAPS.index("white")]] = 1
    return maps


def test_growths_keep_to_what_they_promise() -> None:
    growths = [lesions.sample_growth((1.0, 2.0, 3.0), Chance(seed)) for seed in range(1500)]
    assert all(np.prod(g.axes) == pytest.approx(1, abs=1e-5) for g in growths)
    assert all(0 <= g.push < 0.7 * g.radius for g in growths)
    assert growths[0].centre == (1.0, 2.0, 3.0)
    none = np.mean([g.rim == 0 for g in growths])
    whole = np.mean([g.rim > g.radius for g in growths])
    assert (none, whole) == (pytest.approx(0.25, abs=0.05), pytest.approx(0.15, abs=0.05))  # 4 deviations


def test_mass_effect_moves_tissue_outwards_by_at_most_the_push() -> None:
    shape, tumor = (33, 33, 33), growth(centre=(32.0, 32.0, 32.0))
    push = lesions.mass_effect(tumor, shape, VOXEL_MM, torch.device("cpu"))
    offset = geometry.identity_grid(push) - 16
    assert not push[0, :, 16, 16, 16].any()
    assert (push * offset).sum(1).max() <= 0  # what is seen there comes from nearer to the centre
    longest = VOXEL_MM * push.norm(dim=1)
    assert longest.max() == pytest.approx(tumor.push, rel=0.01)  # between voxels there may be a little more
    assert offset.norm(dim=1).flatten()[longest.argmax()] * VOXEL_MM == pytest.approx(
        1.4 * tumor.radius, abs=2
    )
    nothing = lesions.mass_effect(growth(push=0.0), shape, VOXEL_MM, torch.device("cpu"))
    assert not nothing.any()


@pytest.mark.parametrize("radius", [7.0, 26.0])
def test_the_strongest_push_does_not_fold(radius: float) -> None:
    tumor = growth(radius=radius, push=0.69 * radius)
    push = lesions.mass_effect(tumor, (32, 32, 32), VOXEL_MM, torch.device("cpu"))
    assert geometry.jacobian_determinant(push).min() > 0


def test_core_without_roughness_is_the_ball_asked_for() -> None:
    for radius in (8.0, 14.0, 20.0):
        ncr, _, et = lesions.sample_regions(growth(radius=radius), white_head(), VOXEL_MM, Chance(0))
        cube = float((ncr + et).sum()) * VOXEL_MM**3 / (4 / 3 * np.pi)
        blur = np.pi * 0.4 * VOXEL_MM  # r³ + π² s² r is the mean of (r + e)³, e logistic of width s at most
        assert 0.99 * radius**3 < cube < 1.01 * (radius**3 + blur**2 * radius)  # 1 %: the ball's voxels


def test_larger_tumors_have_more_volume_and_rougher_ones_another_surface() -> None:
    def core(**changes: object) -> float:
        ncr, _, et = lesions.sample_regions(growth(**changes), white_head(), VOXEL_MM, Chance(5))
        return float((ncr + et).sum())

    volumes = [core(radius=radius, roughness=0.2) for radius in (7.0, 11.0, 16.0, 22.0)]
    assert sorted(volumes) == volumes
    assert core(roughness=0.3) != core(roughness=0.1)


def test_regions_that_are_not_wanted_are_not_there() -> None:
    maps = white_head()
    assert not lesions.sample_regions(growth(reach=0.0), maps, VOXEL_MM, Chance(0))[1].any()
    assert not lesions.sample_regions(growth(rim=0.0), maps, VOXEL_MM, Chance(0))[2].any()
    ncr, _, et = lesions.sample_regions(growth(rim=21.0), maps, VOXEL_MM, Chance(0))
    assert et.sum() > 10 * ncr.sum()


def test_tumors_stay_in_the_brain_and_out_of_the_ventricles() -> None:
    maps = Chance(0).field((32, 32, 32), 3.0, 6).sigmoid()
    maps[:3] /= 2.0
    room = (maps[:3].sum(0) * (1 - maps[5])).clamp(0, 1)
    for seed in range(12):
        tumor = lesions.sample_growth((25.0, 31.0, 40.0), Chance(seed))
        shares = lesions.sample_regions(tumor, maps, VOXEL_MM, Chance(seed))
        assert shares.min() >= -1e-6
        assert (shares.sum(0) - room).max() <= 1e-5


def test_edema_follows_white_matter() -> None:
    maps = white_head()
    maps[:, :16] = 0
    maps[heads.MAPS.index("GM"), :16] = 1
    edema = lesions.sample_regions(growth(reach=15.0), maps, VOXEL_MM, Chance(0))[1]
    assert edema[16:].sum() > 3 * edema[:16].sum() > 0


def test_spots_move_white_matter_to_edema_and_touch_nothing_else() -> None:
    maps, shares = white_head(), torch.zeros(6, 32, 32, 32)
    shares[CLASSES.index("WM")] = 0.9
    shares[CLASSES.index("ET")] = 0.1
    maps[4, :16] = 0  # no white matter around, no spots
    spotted = lesions.with_spots(shares, maps, VOXEL_MM, Chance(1))
    torch.testing.assert_close(spotted.sum(0), shares.sum(0))
    changed = [CLASSES[i] for i in range(6) if not torch.equal(spotted[i], shares[i])]
    assert changed == ["WM", "ED"]
    assert spotted.min() >= 0
    assert torch.equal(spotted[:, :16], shares[:, :16])
