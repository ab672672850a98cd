"""Laws of tumours with the shapes of real ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.synthesis.population import shapes


def tumor(side: int = 20) -> np.ndarray:
    """A ball of oedema with a core of necrosis in a rim, in a corner."""
    radius = np.linalg.norm(np.indices((side,) * 3) - 8.0, axis=0)
    labels = np.zeros(radius.shape, np.uint8)
    for reach, label in ((7, 2), (5, 3), (3, 1)):
        labels[radius < reach] = label
    return labels


def test_a_shape_keeps_its_regions_volumes_on_other_voxels() -> None:
    given = tumor()
    shape = shapes.shape_of(given, (1.0, 1.0, 1.0), 2.0)
    for index, part in enumerate(shape, start=1):
        assert float(part.sum()) * 8 == pytest.approx(float((given == index).sum()), rel=0.2)
    assert not shape[:, 0].any()


def test_a_label_map_without_tumor_is_refused() -> None:
    with pytest.raises(ValueError, match="a label map with a tumour is required"):
        shapes.shape_of(np.zeros((4, 4, 4), np.uint8), (1.0, 1.0, 1.0), 1.0)


def test_a_placed_shape_has_about_its_volume_where_there_is_room_and_repeats_itself() -> None:
    shape = shapes.shape_of(tumor(), (2.0, 2.0, 2.0), 2.0)
    possible = torch.zeros(20, 20, 20, dtype=torch.bool)
    possible[8:12, 8:12, 8:12] = True
    for seed in range(4):
        first, again = (placed(shape, possible, torch.ones(40, 40, 40), seed) for _ in range(2))
        assert torch.equal(first, again)
        assert first.min() >= 0
        assert first.sum(0).max() <= 1 + 1e-5
        assert 0.45 < float(first.sum() / shape.sum()) < 2.2  # each side is scaled by up to a quarter


def test_there_is_no_tumor_where_there_is_no_room() -> None:
    shape = shapes.shape_of(tumor(), (2.0, 2.0, 2.0), 2.0)
    room = torch.ones(40, 40, 40)
    room[:20] = 0
    found = placed(shape, torch.ones(20, 20, 20, dtype=torch.bool), room, 1)
    assert not found[:, :20].any()


def placed(shape: torch.Tensor, possible: torch.Tensor, room: torch.Tensor, seed: int) -> torch.Tensor:
    chance = Chance(seed)
    placement = shapes.sample_placement(shape, possible, 4.0, 2.0, chance)
    mass = shapes.pushing(placement, 2.0, 0.3)
    assert mass.push == pytest.approx(0.3 * mass.radius)
    return shapes.place(placement, room, 2.0, chance)
