"""The card of a network for any subset: what it reads, and its figures by sequence."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from subset_trainings import options_of

from gliomorph.models.segmentation.subsets import UNKNOWN_PART
from gliomorph.training.any_sequence.card import subset_card


def test_figures_are_by_sequence_and_leave_out_what_nobody_outlined(tmp_path: Path) -> None:
    images, labels = torch.zeros(4, 32, 32, 32), torch.zeros(32, 32, 32, dtype=torch.uint8)
    images[[0, 3], 4:28, 4:28, 4:28] = torch.randn(24, 24, 24, generator=torch.Generator().manual_seed(0))
    labels[8:14, 10:20, 10:20] = UNKNOWN_PART
    save_file({"images": images.half(), "labels": labels}, tmp_path / "scan.safetensors")
    weights = tmp_path / "any.safetensors"
    weights.write_bytes(b"weights")
    options = options_of()
    torch.manual_seed(0)
    card = subset_card(
        options.network.build().eval(),
        options,
        {"train": (), "test": (tmp_path / "scan.safetensors",)},
        weights,
    )
    assert list(card["metrics"]) == ["T1w", "FLAIR", "all"]
    assert card["metrics"]["all"]["WT_dice"]["n"] == 1
    assert card["metrics"]["all"]["TC_dice"] == {"mean": None, "sd": None, "n": 0}
    assert card["training_data"] == {"source": ["bids"], "examples": {"train": 0, "test": 1}}
    assert "0 throughout" in card["input"]["missing"]
