"""Figures on the card of any network."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from gliomorph.interfaces.networks.files import weights_sha256
from gliomorph.training.cards import summary, write_card


def test_figures_that_are_not_defined_are_left_out_and_counted() -> None:
    table = summary(
        [
            {"dice": 0.5, "hausdorff": math.nan, "volume": math.nan},
            {"dice": 0.25, "hausdorff": 3.0, "volume": math.nan},
        ]
    )
    assert table["dice"] == {"mean": 0.375, "sd": 0.1768, "n": 2}
    assert table["hausdorff"] == {"mean": 3.0, "sd": None, "n": 1}
    assert table["volume"] == {"mean": None, "sd": None, "n": 0}


def test_figures_that_were_measured_later_stay_with_the_same_weights(tmp_path: Path) -> None:
    weights = tmp_path / "network.safetensors"
    weights.write_text("weights")
    card: dict[str, Any] = {"weights": {"sha256": weights_sha256(weights)}}
    path = write_card(card | {"measured": {"Dice": 0.5}}, weights)
    assert json.loads(write_card(card, weights).read_text())["measured"] == {"Dice": 0.5}
    weights.write_text("others")
    write_card({"weights": {"sha256": weights_sha256(weights)}}, weights)
    assert "measured" not in json.loads(path.read_text())
