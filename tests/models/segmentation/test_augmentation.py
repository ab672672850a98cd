"""Laws of augmentation: the truth goes along, what is not brain stays 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gliomorph.models.segmentation.augmentation import GAMMA, SHIFT, augment, crop
from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.unet import standardize


@pytest.fixture
def example() -> tuple[Tensor, Tensor]:
    """Two modalities whose signal rises with the label, in an off-centre brain."""
    labels = torch.zeros(12, 10, 8, dtype=torch.int64)
    labels[3:7, 4:9, 2:6], labels[4:6, 5:8, 3:5], labels[5, 6, 4] = 2, 1, 3
    brain = torch.zeros(labels.shape)
    brain[1:9, 2:10, 1:7] = 1
    image = standardize((1.0 + labels) * brain)
    return torch.stack([image, 2 * image]), labels


def test_labels_go_along_with_the_images(example: tuple[Tensor, Tensor]) -> None:
    flips = set()
    for seed in range(30):
        images, labels = augment(*example, Chance(seed))
        assert images.shape == example[0].shape
        means = []
        for label in range(4):
            values = images[:, (labels == label) & (images[0] != 0)]
            assert (values - values[:, :1]).abs().max() == 0
            means.append(values[:, 0])
        assert (torch.stack(means).diff(dim=0) > 0).all()
        flips.add(tuple(torch.nonzero(labels == 3)[0].tolist()))
    assert len(flips) == 8  # every axis, both ways


def test_zero_stays_zero_and_the_brain_keeps_its_size(example: tuple[Tensor, Tensor]) -> None:
    for seed in range(10):
        images, labels = augment(*example, Chance(seed))
        assert torch.equal(images[0] == 0, images[1] == 0)
        assert (images != 0).sum() == (example[0] != 0).sum()
        assert torch.equal(labels.flatten().bincount(), example[1].flatten().bincount())


def test_modalities_are_standardised_and_shifted_each_by_itself(example: tuple[Tensor, Tensor]) -> None:
    shifts = []
    for seed in range(20):
        images, _ = augment(*example, Chance(seed))
        first, second = (image[image != 0] for image in images)
        for values in (first, second):
            assert float(values.std(correction=0)) == pytest.approx(1, abs=1e-4)
        assert not torch.allclose(first, second)  # they were equal but for their unit
        shifts += [float(first.mean()), float(second.mean())]
    assert max(map(abs, shifts)) <= SHIFT + 1e-5
    assert np.ptp(shifts) > SHIFT


def test_gamma_is_over_the_range_of_the_image(example: tuple[Tensor, Tensor]) -> None:
    # between darkest and brightest, x ↦ x^γ: the exponent found from one value explains the others
    for seed in range(5):
        images, labels = augment(*example, Chance(seed))
        image, brain = images[0], images[0] != 0
        graded = torch.stack([image[brain & (labels == label)][0] for label in range(4)])
        middle = ((graded - graded[0]) / (graded[3] - graded[0]))[1:3]
        gammas = middle.log() / torch.tensor([1 / 3, 2 / 3]).log()
        assert float(gammas[0]) == pytest.approx(float(gammas[1]), rel=1e-2)  # black is 1e-4 of white
        assert GAMMA[0] - 0.01 <= gammas[0] <= GAMMA[1] + 0.01


def test_the_same_seed_is_the_same_variant(example: tuple[Tensor, Tensor]) -> None:
    first, second, other = (augment(*example, Chance(seed)) for seed in (4, 4, 5))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


def test_an_empty_modality_stays_empty_and_a_constant_one_finite() -> None:
    images = torch.stack([torch.zeros(8, 8, 8), torch.ones(8, 8, 8)])
    empty, constant = augment(images, torch.zeros(8, 8, 8, dtype=torch.int64), Chance(0))[0]
    assert not empty.any()
    assert constant.isfinite().all()


def numbered(*shape: int) -> Tensor:
    """Every voxel has a number of its own, from 1."""
    return torch.arange(1.0, 1 + np.prod(shape)).view(shape)


def test_crop_is_a_box_of_the_example_padded_evenly() -> None:
    image = numbered(10, 6, 9)
    for seed in range(20):
        images, labels = crop(image[None], image.long(), (4, 9, 9), Chance(seed))
        assert images.shape == (1, 4, 9, 9)
        assert torch.equal(images[0].long(), labels)
        assert not labels[:, [0, 7, 8]].any()  # 3 voxels are missing: 1 before, 2 behind
        box = labels[:, 1:7]
        start = int(box[0, 0, 0] - 1) // (6 * 9)
        assert torch.equal(box, image.long()[start : start + 4])


def test_crop_holds_the_tumor_three_times_of_four_and_reaches_every_place() -> None:
    labels = torch.zeros(24, 24, 24, dtype=torch.int64)
    labels[2, 20, 11] = 3
    image = numbered(24, 24, 24)
    found, starts = [], set()
    for seed in range(400):
        images, cut = crop(image[None], labels, (6, 6, 6), Chance(seed))
        found.append(bool(cut.any()))
        starts.add(int(images[0, 0, 0, 0] - 1) // 24**2)
    assert np.mean(found) == pytest.approx(0.75, abs=0.075)  # 3 deviations and the lucky 1 %
    assert {0, 1, 2} <= starts
    assert max(starts) == 18


def test_crop_without_tumor_and_of_the_whole_is_the_example() -> None:
    image = numbered(5, 6, 7)
    images, labels = crop(image[None], torch.zeros(5, 6, 7).long(), (5, 6, 7), Chance(0))
    assert torch.equal(images[0], image)
    assert not labels.any()
