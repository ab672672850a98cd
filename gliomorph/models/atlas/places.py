"""Where in a parcellation a tumour lies, and tumours put on top of one another."""

from __future__ import annotations

import attrs
import numpy as np

from .records import Grid

LEFT, RIGHT = 1, 2


@attrs.frozen(kw_only=True)
class Place:
    """Where a tumour lies among the labels 1 to n."""

    region: int
    """The label that it belongs to; 0 for none."""
    size: int
    """Its voxels."""
    voxels: tuple[int, ...]
    """How many of them are in each label."""


def place_of(tumor: np.ndarray, parcels: np.ndarray, count: int) -> Place:
    """The label of the voxel that is next to a tumour's centre of mass, and the tumour's overlap with every label.

    Where that voxel has no label, as in the middle of a hollow tumour, the label that holds most of the tumour; of
    several that hold as much, the first. A tumour that touches no label and is centred in none belongs to none.

    Parameters
    ----------
    tumor : ndarray
        (X, Y, Z); what is not 0.
    parcels : ndarray
        (X, Y, Z) integers: 0 outside of all labels, 1 to ``count`` inside.
    count : int
        Labels.

    Returns
    -------
    place : Place

    Raises
    ------
    ValueError
        With another shape.

    Examples
    --------
    >>> place_of(np.array([[[1, 1, 1, 0]]]), np.array([[[1, 2, 2, 2]]]), 2)
    Place(region=2, size=3, voxels=(1, 2))
    """
    if tumor.shape != parcels.shape:
        raise ValueError(f"the tumour must have the parcellation's shape {parcels.shape}, got {tumor.shape}")
    voxels = np.argwhere(tumor)
    if not len(voxels):
        return Place(region=0, size=0, voxels=(0,) * count)
    labels = parcels[tuple(voxels.T)]
    shares = np.bincount(labels, minlength=count + 1)[1:]
    region = int(parcels[tuple(nearest(voxels.mean(axis=0)))])
    if not region and shares.any():
        region = int(shares.argmax()) + 1
    return Place(region=region, size=len(voxels), voxels=tuple(shares.tolist()))


def hemispheres(brain: np.ndarray, grid: Grid, midline_mm: float) -> np.ndarray:
    """The brain on either side of the plane x = ``midline_mm`` (RAS): voxels on it are on neither side.

    Returns
    -------
    sides : ndarray
        (X, Y, Z) uint16: :data:`LEFT`, :data:`RIGHT`, and 0 elsewhere.
    """
    x, y, z = (
        grid.affine[0, axis] * np.arange(side).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, side in enumerate(grid.shape)
    )
    beside = x + y + z + (grid.affine[0, 3] - midline_mm)
    sides = np.where(beside < -1e-6, LEFT, np.where(beside > 1e-6, RIGHT, 0))
    return np.where(brain, sides, 0).astype(np.uint16)


def recentred(flat: np.ndarray, centroid: np.ndarray, grid: Grid) -> np.ndarray:
    """A tumour's flat voxels with its centroid in the :func:`middle` of the grid, as :func:`moved` does it."""
    return moved(flat, middle(grid) - nearest(centroid), grid)


def moved(flat: np.ndarray, shift: np.ndarray, grid: Grid) -> np.ndarray:
    """Flat voxels moved by whole voxels; those that leave the grid are dropped.

    Parameters
    ----------
    flat : ndarray
        (n,) flat voxels.
    shift : ndarray
        (3,) integers, voxels along x, y and z.
    grid : Grid

    Returns
    -------
    moved : ndarray
        (m,) flat voxels, m ≤ n.
    """
    voxels = np.array(np.unravel_index(flat, grid.shape, order="F")) + shift[:, None]
    inside = ((voxels >= 0) & (voxels < np.array(grid.shape)[:, None])).all(axis=0)
    return np.ravel_multi_index(tuple(voxels[:, inside]), grid.shape, order="F")


def nearest(point: np.ndarray) -> np.ndarray:
    """(3,) integers: the voxel next to a point, in voxel indices.

    Halves go up: to even, as ``numpy.rint`` has it, a tumour would be moved by other amounts elsewhere.
    """
    return np.floor(point + 0.5).astype(int)


def middle(grid: Grid) -> np.ndarray:
    """(3,) integers: the grid's middle voxel."""
    return np.array(grid.shape) // 2
