"""Laws of random heads: what they are made of, how they vary, and that nothing in them folds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from ball_head import SIDE, VOXEL_MM, Still, ball_anatomy, ball_atlas
from torch import Tensor

from gliomorph.models import geometry, synthesis
from gliomorph.models.synthesis import heads, lesions
from gliomorph.models.synthesis.chance import Chance


@pytest.fixture(scope="module")
def anatomy() -> synthesis.Anatomy:
    return ball_anatomy()


@pytest.fixture(scope="module")
def atlas() -> heads.Atlas:
    return ball_atlas()


def signed_determinant(positions: Tensor) -> Tensor:
    """The determinant of a map given by positions; mirrored maps count as their mirror image."""
    found = geometry.determinant(geometry.gradient(positions))
    return found * found.median().sign()


def test_head_without_variation_is_the_atlas(atlas: heads.Atlas) -> None:
    shape = atlas.maps.shape[2:]
    positions = heads.sample_positions(atlas, shape, Still(0))
    lattice = atlas.step * geometry.identity_grid(positions)
    torch.testing.assert_close(positions, lattice, atol=1e-4, rtol=0)
    maps = heads.sample_head(atlas, positions, shape, Still(0))
    torch.testing.assert_close(maps, atlas.maps[0], atol=1e-3, rtol=0)  # positions are read to 1e-4 voxels


class Affine(Chance):
    """Nothing but the affine map varies, save around the ventricles."""

    def field(self, shape: Sequence[int], sigma: float, count: int = 1) -> Tensor:
        return torch.zeros(count, *shape)


def test_misalignment_scales_the_affine_map_alone(atlas: heads.Atlas) -> None:
    """A corner's way from where it lies in the atlas, or in the mirrored one."""
    shape = atlas.maps.shape[2:]

    def way(seed: int, misalignment: float) -> float:
        corner = heads.sample_positions(atlas, shape, Affine(seed), misalignment)[0, :, 0, 0, 0]
        there = shape[0] - 1.0 if corner[0] > shape[0] / 2 else 0.0
        return float((corner - torch.tensor([there, 0, 0])).norm())

    for seed in range(6):
        ways = [way(seed, misalignment) for misalignment in (0.0, 0.25, 1.0)]
        assert ways[0] < 1e-4
        assert ways[0] < ways[1] < 0.5 * ways[2]
    default = heads.sample_positions(atlas, shape, Affine(3))
    assert torch.equal(default, heads.sample_positions(atlas, shape, Affine(3), 1.0))


def test_heads_do_not_fold_even_with_wide_ventricles_and_mass_effect(
    atlas: heads.Atlas, anatomy: synthesis.Anatomy
) -> None:
    unit, mirrored = atlas.step * VOXEL_MM, set()
    for seed in range(50):
        chance = Chance(seed)
        positions = heads.sample_positions(atlas, anatomy.shape, chance)
        mirrored.add(bool(geometry.determinant(geometry.gradient(positions)).median() < 0))
        assert signed_determinant(positions).min() > 0
        tumor = lesions.sample_growth([chance.uniform(20, 70) for _ in range(3)], chance)
        push = lesions.mass_effect(tumor, positions.shape[2:], unit, positions.device)
        assert signed_determinant(geometry.warp(positions, push)).min() > 0
    assert mirrored == {False, True}
    lattice = atlas.step * geometry.identity_grid(positions)
    assert signed_determinant(heads._widened(atlas, lattice, 6.0)).min() > 0


def test_widening_makes_ventricles_larger_and_narrowing_smaller(atlas: heads.Atlas) -> None:
    like = torch.zeros(1, 3, *heads.coarse_shape(atlas.maps.shape[2:], atlas.step))
    lattice = atlas.step * geometry.identity_grid(like)
    volumes = [heads.read(atlas, heads._widened(atlas, lattice, mm))[5].sum() for mm in (-1, 0, 2, 6)]
    assert sorted(volumes) == volumes
    assert volumes[-1] > 1.5 * volumes[1]


def test_coarse_lattice_covers_the_grid_and_no_more() -> None:
    for step in (1, 2, 4):
        for size in range(1, 20):
            (nodes,) = heads.coarse_shape((size,), step)
            assert size - 1 <= step * (nodes - 1) < size - 1 + step


def test_tissues_are_shares_and_nothing_lies_beyond_the_atlas(atlas: heads.Atlas) -> None:
    for seed in range(8):
        chance = Chance(seed)
        maps = heads.sample_head(atlas, heads.sample_positions(atlas, (56,) * 3, chance), (56,) * 3, chance)
        assert maps.shape == (6, 56, 56, 56)
        assert maps[:3].min() >= 0
        assert maps[:3].sum(0).max() <= 1 + 1e-5
    far = torch.full((1, 3, 2, 2, 2), -1.0)
    assert not heads.read(atlas, far).any()


def test_sulci_give_tissue_near_the_surface_to_fluid_and_grey_matter(atlas: heads.Atlas) -> None:
    maps, opened = atlas.maps[0].clone(), []
    places = torch.stack(torch.meshgrid(*[torch.arange(side) for side in maps.shape[1:]], indexing="ij"))
    radius_mm = VOXEL_MM * (places - (SIDE - 1) / 2).square().sum(0).sqrt()
    ventricles = maps[0] * (radius_mm < 30)
    maps[0] -= ventricles
    maps[2] += ventricles
    before = maps.clone()
    for seed in range(8):
        folded = heads.with_sulci(maps, VOXEL_MM, Chance(seed))
        torch.testing.assert_close(folded[:3].sum(0), maps[:3].sum(0), atol=1e-5, rtol=0)
        assert folded[:3].min() >= -1e-6
        assert (folded[0] >= maps[0] - 1e-6).all()
        assert (folded[2] <= maps[2] + 1e-6).all()
        assert torch.equal(folded[3:], maps[3:])
        deep = radius_mm < 17
        torch.testing.assert_close(folded[:, deep], maps[:, deep], atol=5e-3, rtol=0)
        opened.append(float((folded[0] - maps[0])[(radius_mm > 30) & (radius_mm < 38)].mean()))
    assert torch.equal(maps, before)
    assert min(opened) > 0.01 and max(opened) < 0.6, opened


def test_cisterns_add_fluid_outside_the_brain_and_change_nothing_in_it(atlas: heads.Atlas) -> None:
    maps = atlas.maps[0].clone()
    maps[:, SIDE // 2 - 1 : SIDE // 2 + 1, :, : SIDE // 3] = 0  # a slit in the base
    brain = maps[:3].sum(0)
    inside, slit = brain > 0.99, torch.zeros(brain.shape, dtype=torch.bool)
    slit[SIDE // 2, SIDE // 2, SIDE // 4] = True
    for seed in range(6):
        filled = heads.with_cisterns(maps, VOXEL_MM, Chance(seed))
        torch.testing.assert_close(filled[:, inside], maps[:, inside], atol=1e-5, rtol=0)
        assert torch.equal(filled[1:5], maps[1:5])
        assert filled[:3].sum(0).max() <= 1 + 1e-5
        assert filled[0, slit] > 0.5
        assert filled[0, 0, 0, 0] < 0.01


def test_thick_cortex_takes_white_matter_beside_grey_and_keeps_the_sum(atlas: heads.Atlas) -> None:
    maps, taken = atlas.maps[0], []
    places = torch.stack(torch.meshgrid(*[torch.arange(side) for side in maps.shape[1:]], indexing="ij"))
    deep = VOXEL_MM * (places - (SIDE - 1) / 2).square().sum(0).sqrt() < 15
    for seed in range(8):
        thick = heads.with_thick_cortex(maps, VOXEL_MM, Chance(seed))
        torch.testing.assert_close(thick[:3].sum(0), maps[:3].sum(0), atol=1e-5, rtol=0)
        assert (thick[2] <= maps[2] + 1e-6).all() and thick[:3].min() >= -1e-6
        assert torch.equal(thick[3:], maps[3:]) and torch.equal(thick[0], maps[0])
        taken.append(float((maps[2] - thick[2]).sum() / maps[2].sum()))
        assert float((maps[2] - thick[2])[deep].max()) < 0.1
    assert 0 < min(taken) < max(taken) < 0.6, taken


def test_variants_move_shares_between_tissues_and_are_none_where_nothing_happens(atlas: heads.Atlas) -> None:
    maps = atlas.maps[0]
    torch.testing.assert_close(heads.with_variants(maps, VOXEL_MM, Still(0)), maps)
    varied = heads.with_variants(maps, VOXEL_MM, Chance(3))
    assert (varied[:3] - maps[:3]).abs().max() > 0.2
    inside = maps[:3].sum(0) > 0.99
    torch.testing.assert_close(varied[:3].sum(0)[inside], maps[:3].sum(0)[inside])
