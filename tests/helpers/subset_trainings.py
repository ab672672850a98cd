"""Options of trainings for any subset of the sequences that take seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import trainings

from gliomorph.models.segmentation.training import Optimisation
from gliomorph.training.any_sequence.options import SubsetOptions

NETWORK = attrs.evolve(trainings.TEACHER, subsets=True)


def options_of(**changed: Any) -> SubsetOptions:
    known: dict[str, Any] = {
        "network": NETWORK,
        "optimisation": Optimisation(epochs=1),
        "bids_dirs": (Path("/data/bids"),),
        "box": (16, 16, 16),
    }
    return SubsetOptions(**{**known, **changed})
