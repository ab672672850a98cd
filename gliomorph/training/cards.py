"""Model cards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..interfaces.files.images import write_text
from ..interfaces.networks.files import card_of

LIMITS = "A tool for research, not for diagnosis. Look at every mask before it is used."


def summary(figures: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float | int | None]]:
    """Mean, standard deviation and number of the finite values of every figure."""
    table: dict[str, dict[str, float | int | None]] = {}
    for name in figures[0]:
        values = np.array([figure[name] for figure in figures])
        values = values[np.isfinite(values)]
        table[name] = {
            "mean": round(float(values.mean()), 4) if len(values) else None,
            "sd": round(float(values.std(ddof=1)), 4) if len(values) > 1 else None,
            "n": len(values),
        }
    return table


def write_card(card: dict[str, Any], weights: Path) -> Path:
    """A model card beside its weights; figures that were ``measured`` later on the same weights are kept."""
    if measured := (card_of(weights) or {}).get("measured"):
        card = card | {"measured": measured}
    return write_text(json.dumps(card, indent=1) + "\n", weights.with_suffix(".json"))
