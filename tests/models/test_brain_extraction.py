"""The numbers around the networks of brain extraction, and the networks' shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gliomorph.models.brain_extraction import (
    LEAST,
    MEAN,
    SPREAD,
    BrainSettings,
    LinkNet,
    box_of,
    largest_piece,
    pieces,
    standardised,
)


def test_network_gives_a_probability_for_every_voxel() -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        found = LinkNet().eval()(torch.rand(1, 1, LEAST, LEAST, LEAST))
    assert found.shape == (1, 1, LEAST, LEAST, LEAST)
    assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("changed", [{"finder_voxels": 32}, {"outliner_voxels": 512}, {"margin": -0.1}])
def test_settings_that_a_network_cannot_have_are_refused(changed: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        BrainSettings(**changed)


def test_what_networks_read_does_not_depend_on_the_scanner_s_units() -> None:
    voxels = np.random.default_rng(0).uniform(0, 1, (5, 6, 7)).astype(np.float32)
    batch = standardised(voxels, 0.1, 0.9)
    assert batch.shape == (1, 1, 5, 6, 7)
    assert float(batch.mean()) == pytest.approx(MEAN, abs=1e-5)
    assert float(batch.std()) == pytest.approx(SPREAD, rel=1e-5)
    assert torch.allclose(standardised(800 * voxels - 3, 77, 717), batch, atol=1e-5)


def test_a_constant_image_is_no_division_by_zero() -> None:
    assert torch.isfinite(standardised(np.ones((4, 4, 4), np.float32), 1.0, 1.0)).all()


@pytest.fixture
def parts() -> np.ndarray:
    """A hollow cube of 5 voxels a side, and a loose voxel at its corner."""
    mask = np.zeros((9, 9, 9), bool)
    mask[1:6, 1:6, 1:6] = True
    mask[3, 3, 3] = False
    mask[6, 6, 6] = True  # touches it by a corner, by no face
    return mask


def test_largest_piece_is_kept_without_holes(parts: np.ndarray) -> None:
    assert pieces(parts) == [124, 1]
    kept = largest_piece(parts)
    assert kept.sum() == 125
    assert kept[3, 3, 3] and not kept[6, 6, 6]


def test_of_nothing_nothing_is_kept() -> None:
    nothing = np.zeros((3, 3, 3), bool)
    assert pieces(nothing) == []
    assert not largest_piece(nothing).any()


def test_box_leaves_out_planes_with_next_to_nothing(parts: np.ndarray) -> None:
    start, end = box_of(parts)
    assert start.tolist() == [1, 1, 1] and end.tolist() == [6, 6, 6]


def test_box_of_a_single_voxel_is_that_voxel() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[3, 4, 5] = True
    start, end = box_of(mask)
    assert start.tolist() == [3, 4, 5] and end.tolist() == [4, 5, 6]
