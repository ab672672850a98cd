"""The card of a network for any subset: Dice by subset, and nothing said of parts that nobody has outlined."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import save_file

from gliomorph.models.segmentation.subsets import UNKNOWN_PART
from gliomorph.models.unet import UNet
from gliomorph.training.any_sequence.card import measured


def test_an_outline_says_nothing_of_the_core(tmp_path: Path) -> None:
    images, labels = torch.zeros(4, 32, 32, 32), torch.zeros(32, 32, 32, dtype=torch.uint8)
    images[[0, 3], 4:28, 4:28, 4:28] = torch.randn(24, 24, 24, generator=torch.Generator().manual_seed(0))
    labels[8:14, 10:20, 10:20] = UNKNOWN_PART
    save_file({"images": images.half(), "labels": labels}, tmp_path / "scan.safetensors")
    torch.manual_seed(0)
    table = measured(UNet(4, 2).eval(), tmp_path / "scan.safetensors")
    assert list(table) == ["T1w", "FLAIR", "all"]
    assert 0 <= table["all"]["WT_dice"] <= 1
    assert math.isnan(table["all"]["TC_dice"])
