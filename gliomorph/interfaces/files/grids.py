"""Grids on which images meet: isotropic, around a brain; and images brought onto them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .images import to_array

MARGIN_MM = 8.0
MULTIPLE = 16
"""Sides of a grid around a brain are a multiple of this: four halvings by a U-Net."""


def around(brain: sitk.Image, voxel_mm: float) -> sitk.Image:
    """The grid of a brain mask cropped to the brain plus a margin, every side a multiple of 16.

    The margin is :data:`MARGIN_MM` on each side, half of it where that keeps to the mask's own grid; else
    the grid reaches beyond the mask's.

    Parameters
    ----------
    brain : SimpleITK.Image
        Brain mask, isotropic.
    voxel_mm : float
        Size of its voxels.

    Returns
    -------
    grid : SimpleITK.Image
        An empty image that carries the frame; its voxels lie on the mask's voxels.
    """
    occupied = to_array(brain) > 0
    margin = int(np.ceil(MARGIN_MM / voxel_mm))
    start, size = [], []
    for axis in range(3):
        where = np.flatnonzero(occupied.any(axis=tuple(a for a in range(3) if a != axis)))
        first, last = int(where[0]), int(where[-1])
        full = occupied.shape[axis]
        side = _round_up(last - first + 1 + 2 * margin)
        shorter = full // MULTIPLE * MULTIPLE
        if side > full and shorter - (last - first + 1) >= margin:
            side = shorter
        begin = (first + last + 1 - side) // 2
        start.append(begin if side > full else min(max(begin, 0), full - side))
        size.append(side)
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(brain.GetSpacing())
    grid.SetDirection(brain.GetDirection())
    grid.SetOrigin(brain.TransformContinuousIndexToPhysicalPoint([float(s) for s in start]))
    return grid


def _round_up(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE


def isotropic(image: sitk.Image, voxel_mm: float) -> sitk.Image:
    """The field of view of ``image`` with isotropic voxels; ``image`` itself where it has them already."""
    spacing = np.array(image.GetSpacing())
    if np.allclose(spacing, voxel_mm, atol=1e-3):
        return image
    size = np.maximum(1, np.round(np.array(image.GetSize()) * spacing / voxel_mm)).astype(int)
    grid = sitk.Image(size.tolist(), sitk.sitkUInt8)
    grid.SetSpacing([float(voxel_mm)] * 3)
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(((voxel_mm / spacing - 1) / 2).tolist()))
    return grid


def onto(image: sitk.Image, grid: sitk.Image, interpolator: int = sitk.sitkLinear) -> sitk.Image:
    """Resampled by world coordinates, smoothed first where the grid is coarser."""
    if interpolator == sitk.sitkLinear and min(grid.GetSpacing()) > 1.5 * min(image.GetSpacing()):
        sigma = 0.425 * min(grid.GetSpacing())
        image = sitk.SmoothingRecursiveGaussian(image, sigma)
    return sitk.Resample(image, grid, sitk.Transform(), interpolator, 0.0, image.GetPixelID())


def mask_onto(mask: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """A mask on another grid, likewise: where it fills half of a voxel at least (uint8)."""
    return sitk.Cast(onto(sitk.Cast(mask > 0, sitk.sitkFloat32), grid) >= 0.5, sitk.sitkUInt8)
