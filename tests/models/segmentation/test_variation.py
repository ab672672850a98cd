"""Laws of strong augmentation: labels go along with the images, what is not brain stays 0."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gliomorph.models.segmentation.variation import placed, regraded, restored
from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.unet import standardize

SHAPE = (16, 24, 16)


@pytest.fixture
def fine() -> tuple[Tensor, Tensor]:
    """A brain on voxels of half the network's, brighter in its lesion, which lies on one side."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in (32, 48, 32)), indexing="ij")
    brain = sum(axis**2 for axis in axes) < 0.7
    lesion = (axes[0] - 0.4) ** 2 + axes[1] ** 2 + axes[2] ** 2 < 0.06
    return standardize((1.0 + 2 * lesion) * brain)[None], lesion.long()


def test_without_chance_the_example_is_read_as_it_is(fine: tuple[Tensor, Tensor]) -> None:
    images, labels = placed(*fine, SHAPE, 2)
    assert torch.equal(labels, fine[1][1::2, 1::2, 1::2])
    assert torch.allclose(images, fine[0][:, 1::2, 1::2, 1::2], atol=1e-5)


def test_what_was_found_goes_back_to_its_place(fine: tuple[Tensor, Tensor]) -> None:
    _, labels = placed(*fine, SHAPE, 2)
    back = restored(labels[None].float(), fine[1].shape, 2)[0]
    assert torch.equal(back[1::2, 1::2, 1::2], labels.float())
    assert back[fine[1] > 0].mean() > 0.7
    assert back[fine[1] == 0].mean() < 0.02


def test_labels_go_along_with_the_images(fine: tuple[Tensor, Tensor]) -> None:
    sides = set()
    for seed in range(12):
        images, labels = placed(*fine, SHAPE, 2, Chance(seed))
        assert images.shape == (1, *SHAPE)
        assert set(labels.unique().tolist()) == {0, 1}
        bright = images[0] > 1
        assert 2 * (bright & (labels > 0)).sum() / (bright.sum() + labels.sum()) > 0.8
        sides.add(bool(torch.nonzero(labels)[:, 0].float().mean() > 7.5))
    assert sides == {True, False}


def test_one_seed_makes_one_variant(fine: tuple[Tensor, Tensor]) -> None:
    one, other, third = (placed(*fine, SHAPE, 2, Chance(seed))[0] for seed in (5, 5, 6))
    assert torch.equal(one, other)
    assert not torch.equal(one, third)


def test_what_lies_beyond_the_example_is_background(fine: tuple[Tensor, Tensor]) -> None:
    images, labels = placed(*fine, (32, 32, 32), 2)
    assert not images[:, :7].any()
    assert not labels[:7].any()


def test_looks_change_and_the_background_stays(fine: tuple[Tensor, Tensor]) -> None:
    image = placed(*fine, SHAPE, 2)[0][0]
    for seed in range(12):
        changed = regraded(image, Chance(seed))
        assert not changed[image == 0].any()
        assert torch.isfinite(changed).all()
        assert not torch.equal(changed, image)
        assert 0.7 < float(changed[image != 0].std()) < 1.3


def test_an_image_without_a_brain_stays_as_it_is() -> None:
    assert not regraded(torch.zeros(8, 8, 8), Chance(0)).any()
