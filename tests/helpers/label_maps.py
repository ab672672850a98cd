"""A label map of a head, of nested balls."""

from __future__ import annotations

import numpy as np

VOXEL_MM = 4.0


def head_labels(side: int = 44) -> np.ndarray:
    """Ventricle, white matter, cortex, fluid, bone and skin around each other, left and right apart."""
    offset = np.indices((side,) * 3) - (side - 1) / 2
    radius = np.linalg.norm(offset, axis=0) * VOXEL_MM
    left, right = ((4, 2, 3, 24, 515, 511), (43, 41, 42, 24, 515, 511))
    labels = np.zeros(radius.shape, np.int64)
    for reach, *both in zip((80, 72, 66, 60, 50, 14), left[::-1], right[::-1], strict=True):
        labels[radius < reach] = np.where(offset[0] < 0, *both)[radius < reach]
    return labels
