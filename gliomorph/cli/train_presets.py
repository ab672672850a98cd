"""Presets of ``gliomorph-train``: values of options that a command line does not give itself.

``thesis`` is Maillard 2023, §3.4 and §3.5 for networks that segment, §5.3.4 for those that register. What it leaves out
has the thesis' value anyway, or none in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

THESIS_MU = 0.1 / math.sqrt(32.0)
"""The thesis' 0.1, of images whose gradient has a gain of 32, for one of gain 1."""

_SEGMENTATION = {
    "width": 30,
    "voxel_size": 1,
    "epochs": 1000,
    "batch_size": 4,
    "learning_rate": 1e-4,
    "schedule": "plateau",
    "dice_weight": 1.0,
}
_REGISTRATION = {
    "voxel_size": 1,
    "voxel_mm": 1.0,
    "template": ["SRI24"],
    "similarity": "ssd",
    "margin_mm": 0.0,
}
_METAMORPH = {
    **_REGISTRATION,
    "steps": 15,
    "sigma_mm": 8.0,
    "mu": THESIS_MU,
    "masking": "local",
    "sees_mask": False,
    "lam": 1e-7,
}

PRESETS: dict[str, dict[str, Mapping[str, Any]]] = {
    "thesis": {
        "teacher": _SEGMENTATION,
        "student": {**_SEGMENTATION, "modality": "T1ce", "method": "kl+kd"},
        "metamorph-r": {**_METAMORPH, "width": 60},
        "metamorph-g": _METAMORPH,
        "voxelmorph": {**_REGISTRATION, "lam": 0.1},
    }
}
"""By preset and role: values by the options' destinations."""


def add_preset(add: Any, role: str) -> None:
    """The option that names one; it says what is in it."""
    names = [preset for preset, roles in PRESETS.items() if role in roles]
    add("--preset", choices=names,
        help="thesis: the settings of Maillard 2023 where the command gives none (docs/thesis.md)")  # fmt: skip
