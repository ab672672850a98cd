"""Laws of painted individuals, on a head of nested balls."""

from __future__ import annotations

from functools import cache

import attrs
import numpy as np
import pytest
import torch
from label_maps import VOXEL_MM, head_labels

from gliomorph.models.synthesis import palette, people
from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.synthesis.lesions import Growth
from gliomorph.models.synthesis.structures import BY_NUMBER


@cache
def person() -> people.Individual:
    """The head; read only."""
    return people.individual_of(head_labels(), VOXEL_MM)


def draw(seed: int, with_tumor: bool = True, push: float | None = None) -> tuple[people.Portrait, Growth]:
    chance = Chance(seed)
    drawn = palette.sample_t1w(chance)
    positions, _ = people.sample_positions(person(), chance, VOXEL_MM)
    growth = people.sample_growth(person(), positions, VOXEL_MM, chance)
    growth = attrs.evolve(growth, radius=16.0, push=growth.push if push is None else push)
    positions = people.pushed(positions, growth, VOXEL_MM)
    portrait = people.paint(person(), drawn, positions, VOXEL_MM, chance, growth if with_tumor else None)
    return portrait, growth


def test_same_seed_same_portrait_other_seed_another() -> None:
    (first, _), (again, _), (other, _) = draw(3), draw(3), draw(4)
    for name in ("image", "brain", "labels", "tumor"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert first.image.shape != other.image.shape or not torch.equal(first.image, other.image)


def test_image_is_positive_in_the_brain_and_zero_outside() -> None:
    portrait, _ = draw(5)
    assert portrait.brain.dtype == torch.bool
    assert torch.equal(portrait.image > 0, portrait.brain)
    assert portrait.image.max() <= 1


def test_labels_partition_the_brain_and_are_structures_inside_the_skull() -> None:
    portrait, _ = draw(6)
    assert torch.equal(portrait.labels > 0, portrait.brain)
    assert {BY_NUMBER[label].kind for label in portrait.labels[portrait.brain].tolist()} == {
        "tissue",
        "fluid",
    }


def test_tumor_lies_in_the_brain_and_out_of_the_ventricles() -> None:
    for seed in (7, 8):
        portrait, _ = draw(seed)
        assert portrait.tumor.any()
        assert not portrait.tumor[~portrait.brain].any()
        assert set(portrait.tumor.unique().tolist()) <= {0, 1, 2, 3}
        hidden = torch.isin(portrait.labels, torch.tensor([4, 43, 24])) & (portrait.tumor > 0)
        assert hidden.sum() < 0.1 * (portrait.tumor > 0).sum()  # shares decide, the labels are the nearest


def test_without_growth_there_is_no_tumor_and_the_anatomy_stays() -> None:
    (healthy, _), (ill, _) = draw(9, with_tumor=False), draw(9)
    assert not healthy.tumor.any()
    assert torch.equal(healthy.labels, ill.labels)


def test_mass_effect_displaces_labels_near_the_tumor() -> None:
    (pushed, growth), (still, _) = draw(10, push=8.0), draw(10, push=0.0)
    changed = (pushed.labels != still.labels).float()
    index = torch.stack(torch.meshgrid(*map(torch.arange, changed.shape), indexing="ij"))
    away = (VOXEL_MM * index - torch.tensor(growth.centre).view(3, 1, 1, 1)).norm(dim=0)
    near, far = away < 2 * growth.radius, (away > 5 * growth.radius) & still.brain
    assert changed[near].mean() > 0.05
    assert changed[far].mean() < 0.01


def test_means_of_tissues_are_those_drawn() -> None:
    chance = Chance(11)
    drawn = palette.sample_any(chance)
    signal = people.tissue_signal(person(), drawn, chance)
    for label in (2, 41):
        outside = (person().labels != label).float()[None, None]
        inner = torch.nn.functional.max_pool3d(outside, 3, 1, 1)[0, 0] == 0
        assert signal[inner].mean().item() == pytest.approx(drawn.mean[label], abs=0.3 * drawn.sd[label])


def test_a_scan_lies_where_its_matrix_says() -> None:
    positions, matrix = people.sample_positions(person(), Chance(12), 5.0)
    index = np.array([3, 5, 7])
    expected = matrix[:3, :3] @ index + matrix[:3, 3] - person().first
    np.testing.assert_allclose(positions[0, :, 3, 5, 7].numpy(), expected, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(matrix[:3, :3], axis=0), 5.0 / VOXEL_MM)
    assert (people.labels_at(person(), positions) > 0).any()


def test_label_maps_that_are_no_heads_are_refused() -> None:
    with pytest.raises(ValueError, match="labels 999 are none of FreeSurfer's"):
        people.individual_of(np.where(head_labels() == 3, 999, head_labels()), VOXEL_MM)
    with pytest.raises(ValueError, match="white matter"):
        people.individual_of(np.full((8, 8, 8), 3), VOXEL_MM)
