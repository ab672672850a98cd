"""Laws of what a scanner and a brain extraction do to an image."""

from __future__ import annotations

import pytest
import torch
from ball_head import VOXEL_MM, ball_atlas

from gliomorph.models.synthesis import artefacts, heads
from gliomorph.models.synthesis.chance import Chance


@pytest.fixture(scope="module")
def atlas() -> heads.Atlas:
    return ball_atlas()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_thick_slices_blur_one_axis_and_keep_the_mean(axis: int) -> None:
    image = Chance(0).normal((12, 12, 12))
    thick = artefacts.thick_slices(image, axis, 3.0)
    torch.testing.assert_close(thick.mean(axis), image.mean(axis))
    assert thick.var(axis).mean() < 0.5 * image.var(axis).mean()
    along_another = image.mean(axis, keepdim=True).expand(12, 12, 12)
    torch.testing.assert_close(artefacts.thick_slices(along_another, axis, 4.2), along_another)
    torch.testing.assert_close(artefacts.thick_slices(image, axis, 0.5), image)


def test_images_are_finite_positive_in_the_mask_and_zero_outside() -> None:
    mask = torch.zeros(16, 16, 16, dtype=torch.bool)
    mask[3:12, 2:14, 4:13] = True
    for seed in range(12):
        for level in (0.0, 1.0):
            image = artefacts.corrupt(torch.full(mask.shape, level), mask, VOXEL_MM, Chance(seed))
            assert image[mask].min() > 0
            assert image.max() <= 1
            assert not image[~mask].any()
    nowhere = artefacts.corrupt(torch.ones(mask.shape), mask & ~mask, VOXEL_MM, Chance(0))
    assert not nowhere.any()


def test_a_good_scan_has_bias_and_a_little_noise_alone(atlas: heads.Atlas) -> None:
    signal = atlas.maps[0, 1] + 2 * atlas.maps[0, 2]
    mask = atlas.maps[0, :3].sum(0) > 0.5

    def kept(good: bool, seed: int) -> float:
        image = artefacts.corrupt(signal, mask, VOXEL_MM, Chance(seed), good)
        return float(torch.corrcoef(torch.stack([image[mask], signal[mask]]))[0, 1])

    good, others = ([kept(kind, seed) for seed in range(20)] for kind in (True, False))
    assert min(others) < 0.95 < min(good)


def test_a_whole_bias_correction_undoes_a_slow_field(atlas: heads.Atlas) -> None:
    mask = atlas.maps[0, :3].sum(0) > 0.5
    x = torch.linspace(-0.5, 0.5, mask.shape[0])[:, None, None].expand(mask.shape)
    shaded = torch.exp(0.6 * x) * mask
    spread = [
        float(artefacts.bias_corrected(shaded, mask, VOXEL_MM, strength)[mask].log().std())
        for strength in (0.0, 0.5, 1.0)
    ]
    assert spread[0] == pytest.approx(float(shaded[mask].log().std()), rel=1e-4)
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 0.6 * spread[0]  # near the edge a mean over 40 mm lies inwards


def test_a_bias_correction_leaves_an_even_image_and_its_unit(atlas: heads.Atlas) -> None:
    mask = atlas.maps[0, :3].sum(0) > 0.5
    for level in (0.2, 1.0):
        even = level * mask.float()
        torch.testing.assert_close(artefacts.bias_corrected(even, mask, VOXEL_MM, 1.0)[mask], even[mask])


def test_a_bias_correction_darkens_white_matter_in_the_middle(atlas: heads.Atlas) -> None:
    grey, white = atlas.maps[0, 1] > 0.9, atlas.maps[0, 2] > 0.9
    mask = atlas.maps[0, :3].sum(0) > 0.5
    image = (0.7 * atlas.maps[0, 1] + atlas.maps[0, 2]).clamp_min(0.1) * mask
    corrected = artefacts.bias_corrected(image, mask, VOXEL_MM, 1.0)
    before, after = (float(i[grey].mean() / i[white].mean()) for i in (image, corrected))
    assert before < after < 1


def test_masks_are_near_the_brain_and_vary(atlas: heads.Atlas) -> None:
    brain = atlas.maps[0, :3].sum(0)
    inside = brain > 0.5
    masks = [artefacts.sample_mask(brain, VOXEL_MM, Chance(seed)) for seed in range(60)]
    overlaps = [float(2 * (mask & inside).sum() / (mask.sum() + inside.sum())) for mask in masks]
    assert min(overlaps) > 0.8
    assert not any((mask & (brain == 0)).any() for mask in masks)
    assert len({int(mask.sum()) for mask in masks}) > 30
    heights = {int(mask.any(0).any(0).sum()) for mask in masks}
    assert max(heights) - min(heights) >= 4.0 / VOXEL_MM  # now and then a slab is missing


def test_bright_rim_is_on_the_edge_only() -> None:
    mask = torch.zeros(12, 12, 12, dtype=torch.bool)
    mask[2:10, 2:10, 2:10] = True
    rim = artefacts.bright_rim(mask, Chance(0), VOXEL_MM)
    edge = mask.clone()
    edge[3:9, 3:9, 3:9] = False
    assert not rim[~edge].any()
    assert 0 < rim[edge].min() < rim.max() <= 1
