"""Options of a training for any subset: what contradicts itself is refused, and what is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trainings
from subset_trainings import options_of


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"network": trainings.STUDENT}, "a network that reads any subset of T1w, T1ce, T2w, FLAIR"),
        ({"folds": 3, "fold": 3}, r"--fold: one of 0 to 2 is required \(--folds 3\), got 3"),
        (
            {"box": (16, 16, 20)},
            "--box: three sides of at least 16 voxels, divisible by 8, are required, got 16 16 20",
        ),
        ({"bids_dirs": ()}, "bids_dirs"),
    ],
)
def test_options_that_cannot_be_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        options_of(**changed)


def test_what_is_public_names_no_folder_but_the_last(tmp_path: Path) -> None:
    weights = trainings.write_network(tmp_path / "first.safetensors")
    options = options_of(start=weights)
    assert options.record()["bids_dirs"] == ["/data/bids"]
    assert options.public_record()["bids_dirs"] == ["bids"]
    assert options.public_record()["start"] == "first.safetensors"
    assert len(options.record()["start_sha256"]) == 64
