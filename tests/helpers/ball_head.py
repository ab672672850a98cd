"""A small artificial head for the data engine: a ball with slit ventricles, the same left and right."""

from __future__ import annotations

from functools import cache

import numpy as np
from torch import Tensor

from gliomorph.models import synthesis
from gliomorph.models.synthesis import heads
from gliomorph.models.synthesis.chance import Chance

SIDE, VOXEL_MM = 48, 2.0
RADIUS_MM = 42
"""Radius of the brain."""


@cache
def ball_anatomy() -> synthesis.Anatomy:
    """The head as a template's anatomy; read only."""
    x, y, z = places = (np.indices((SIDE,) * 3) - (SIDE - 1) / 2) * VOXEL_MM
    radius = np.linalg.norm(places, axis=0)
    brain = radius < RADIUS_MM
    ventricles = ((np.abs(x) - 10) / 4) ** 2 + (y / 20) ** 2 + (z / 14) ** 2 < 1
    parts = [ventricles | (radius >= 39), (radius >= 33) & (radius < 39), (radius < 33) & ~ventricles]
    tissues = np.stack(parts).astype(np.float32) * brain
    t1w = np.tensordot([0.3, 0.7, 1.0], tissues, axes=1) * (1 + 0.05 * np.sin(y / 5))
    return synthesis.prepare_anatomy(t1w, brain, tissues, np.diag([-VOXEL_MM, -VOXEL_MM, VOXEL_MM, 1.0]))


@cache
def ball_atlas() -> heads.Atlas:
    """The atlas of :func:`ball_anatomy`; read only."""
    return heads.atlas_of(ball_anatomy())


class Still(Chance):
    """Nothing varies: ranges give 0, or 1 where that is out of range; nothing happens; fields are 0."""

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return 0.0 if low <= 0 <= high else 1.0

    def happens(self, probability: float) -> bool:
        return False

    def normal(self, shape: object) -> Tensor:
        return super().normal(shape) * 0  # type: ignore[arg-type]
