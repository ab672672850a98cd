"""Figures of scans that were held out: by sequence and threshold, and nothing said of parts that nobody outlined."""

from __future__ import annotations

import math
from pathlib import Path

import attrs
import pytest
import torch
from safetensors.torch import save_file
from subset_trainings import NETWORK

from gliomorph.models.segmentation.subsets import UNKNOWN_PART
from gliomorph.models.unet import UNet
from gliomorph.training.any_sequence.held_out import as_row, found_in, measured

KEPT = attrs.evolve(NETWORK, voxel_mm=3.0, brain_ml=1500.0)


class Bright(torch.nn.Module):
    """Sees oedema where any image is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(()))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        bright = (image.amax(1) > 1.5).long()
        return 9 * torch.nn.functional.one_hot(2 * bright, 4).movedim(-1, 1).float() + self.nothing


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """T1w and FLAIR of a brain with a bright lesion, which is outlined."""
    images, labels = torch.zeros(4, 32, 32, 32), torch.zeros(32, 32, 32, dtype=torch.uint8)
    images[[0, 3], 4:28, 4:28, 4:28] = -0.1
    images[[0, 3], 8:16, 10:20, 10:20] = 3.0
    labels[8:16, 10:20, 10:20] = UNKNOWN_PART
    save_file({"images": images.half(), "labels": labels}, tmp_path / "scan.safetensors")
    return tmp_path / "scan.safetensors"


def test_every_subset_has_its_figures_and_an_outline_says_nothing_of_the_core(scan: Path) -> None:
    table = measured([(Bright(), KEPT)], scan, KEPT, [0.3, 0.5])  # type: ignore[list-item]
    assert [(one.subset, one.threshold) for one in table] == [
        (subset, threshold) for subset in ("T1w", "FLAIR", "all") for threshold in (0.3, 0.5)
    ]
    for one in table:
        assert one.figures["WT_dice"] > 0.85
        assert math.isnan(one.figures["TC_dice"])
        assert one.volume_ml == pytest.approx(8 * 10 * 10 * 1.5**3 / 1000)
    assert as_row("sub-1", table[0])["scan"] == "sub-1"


def test_a_student_is_judged_by_its_sequence_alone(scan: Path) -> None:
    student = attrs.evolve(KEPT, modalities=("FLAIR",), subsets=False)
    table = measured([(Bright(), student)], scan, KEPT, [0.5])  # type: ignore[list-item]
    assert [one.subset for one in table] == ["FLAIR"]
    assert table[0].figures["WT_dice"] > 0.85


def test_networks_of_other_voxels_and_brains_see_the_same_place(scan: Path) -> None:
    images = torch.zeros(4, 32, 32, 32)
    images[3, 4:28, 4:28, 4:28], images[3, 8:16, 10:20, 10:20] = -0.1, 3.0
    others = [attrs.evolve(KEPT, voxel_mm=2.0), attrs.evolve(KEPT, brain_ml=1883.0)]
    shares = found_in([(Bright(), each) for each in (KEPT, *others)], images, KEPT)  # type: ignore[misc]
    assert shares.shape == (4, 32, 32, 32)
    assert shares[2, 11:14, 13:17, 13:17].min() > 0.9
    assert shares[2, 18:, :, :].max() < 0.4


def test_nothing_is_found_outside_the_brain() -> None:
    torch.manual_seed(0)
    images = torch.zeros(4, 16, 16, 16)
    images[0, 4:12, 4:12, 4:12] = torch.randn(8, 8, 8)
    shares = found_in([(UNet(4, 2).eval(), KEPT)], images, KEPT)
    assert shares[1:, :4].max() == 0
    assert shares[0, :4].min() == 1
