"""What one tumour is like: its side, and in how many pieces it is."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .records import Grid


def laterality_index(tumor: np.ndarray, grid: Grid, midline_mm: float) -> float:
    """(right − left) / (right + left) of a tumour's voxels: 1 wholly on the right, −1 on the left.

    Parameters
    ----------
    tumor : ndarray
        (X, Y, Z); what is not 0.
    grid : Grid
    midline_mm : float
        The plane x = ``midline_mm`` in RAS; voxels on it are on neither side.

    Returns
    -------
    index : float
        In [−1, 1]; NaN without a voxel on either side.
    """
    x = np.argwhere(tumor) @ grid.affine[0, :3] + grid.affine[0, 3] - midline_mm
    right, left = int((x > 1e-6).sum()), int((x < -1e-6).sum())
    return (right - left) / (right + left) if right + left else float("nan")


def count_components(tumor: np.ndarray, grid: Grid, smallest_ml: float) -> int:
    """Pieces of a tumour of at least a volume; voxels that touch by a corner are of one piece."""
    if not tumor.any():
        return 0
    box = ndimage.find_objects((tumor != 0).astype(np.uint8))[0]
    pieces, _ = ndimage.label(tumor[box] != 0, np.ones((3, 3, 3)))
    voxel_ml = abs(np.linalg.det(grid.affine[:3, :3])) / 1000
    # half a voxel's tolerance: 100 voxels of 0.001 ml are 0.1 ml whatever rounding says
    return int((np.bincount(pieces.ravel())[1:] * voxel_ml >= smallest_ml - 0.5 * voxel_ml).sum())
