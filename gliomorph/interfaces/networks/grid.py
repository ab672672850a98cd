"""An image as a segmentation network reads it: RAS axes, isotropic voxels, the brain's box, standardised."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from ..files.images import ImageError, from_array, to_array, voxel_volume_ml

MARGIN_MM = 4.0
MULTIPLE = 8
"""Sides are a multiple of this: three halvings."""
LEAST = 16
"""Voxels of a side: two are left at the bottom."""


def network_grid(brain_mask: sitk.Image, voxel_mm: float) -> sitk.Image:
    """The grid on which a network reads a head.

    Parameters
    ----------
    brain_mask : SimpleITK.Image
        Above 0 in the brain; any orientation and voxel size.
    voxel_mm : float
        Of the network.

    Returns
    -------
    grid : SimpleITK.Image
        Empty; axes of the mask in the order right, anterior, superior, around the brain's box.

    Raises
    ------
    ImageError
        Empty mask.
    """
    mask = sitk.DICOMOrient(brain_mask, "RAS")
    inside = np.argwhere(to_array(mask) > 0)
    if not len(inside):
        raise ImageError("a brain mask is required, this one is empty")
    spacing = np.array(mask.GetSpacing())
    first, last = inside.min(axis=0) - 0.5, inside.max(axis=0) + 0.5
    sides = (last - first) * spacing + 2 * MARGIN_MM
    size = [max(LEAST, MULTIPLE * math.ceil(side / voxel_mm / MULTIPLE)) for side in sides]
    start = (first + last) / 2 - (np.array(size) - 1) / 2 * voxel_mm / spacing
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing([voxel_mm] * 3)
    grid.SetDirection(mask.GetDirection())
    grid.SetOrigin(mask.TransformContinuousIndexToPhysicalPoint(start.tolist()))
    return grid


def brain_scale(brain: sitk.Image, brain_ml: float) -> float:
    """Side of a brain over that of the brains that a network knows: templates and people differ in volume.

    Bounded, for an incomplete head is no small one. 1 where the network takes brains as they come (0 ml).
    """
    if not brain_ml:
        return 1.0
    volume_ml = float((to_array(brain) > 0).sum()) * voxel_volume_ml(brain)
    return min(1.1, max(0.88, (volume_ml / brain_ml) ** (1 / 3)))


def on_network_grid(
    image: sitk.Image,
    brain_mask: sitk.Image,
    grid: sitk.Image,
    transform: sitk.Transform | None = None,
    resolution_mm: float | None = None,
) -> np.ndarray:
    """An image's brain on a network's grid, standardised there.

    Where the grid's voxels are the larger ones, the brain is smoothed first (a Gaussian whose width makes up the
    difference, over the brain only), so that nothing is sampled past.

    Parameters
    ----------
    image, brain_mask : SimpleITK.Image
        On one grid.
    grid : SimpleITK.Image
        From :func:`network_grid`.
    transform : SimpleITK.Transform, optional
        Points of ``grid`` to points of ``image`` (LPS, mm); identity if not given.
    resolution_mm : float, optional
        Voxels for which it is smoothed; the grid's if not given.

    Returns
    -------
    voxels : ndarray, float32
        (X, Y, Z): mean 0 and variance 1 over the brain, 0 outside.

    Raises
    ------
    ImageError
        No brain within the grid, or a constant one.
    """
    transform = transform or sitk.Transform()
    mask = sitk.Cast(brain_mask > 0, sitk.sitkFloat32)
    voxel_mm = resolution_mm or min(grid.GetSpacing())
    widths = [0.4 * math.sqrt(max(0.0, voxel_mm**2 - mm**2)) for mm in image.GetSpacing()]
    brain = sitk.Cast(image, sitk.sitkFloat32) * mask
    share, weight, sums = (
        to_array(sitk.Resample(part, grid, transform, sitk.sitkLinear))
        for part in (mask, _smoothed(mask, widths), _smoothed(brain, widths))
    )
    inside = share >= 0.5
    values = sums / np.maximum(weight, 1e-3)  # means over the brain's part of a voxel: its edge stays bright
    if not inside.any():
        raise ImageError("the image has no brain where the network's grid lies")
    deviation = float(values[inside].std())
    if not deviation > 1e-6 * float(np.abs(values[inside]).max()):
        raise ImageError(f"the image is constant in the brain ({float(values[inside].mean()):g})")
    standard = (values - values[inside].mean()) / deviation
    return np.where(inside, standard, 0).astype(np.float32)


def from_network_grid(
    classes: np.ndarray, grid: sitk.Image, target: sitk.Image, transform: sitk.Transform | None = None
) -> np.ndarray:
    """Probabilities on another grid, each interpolated linearly.

    Parameters
    ----------
    classes : ndarray
        (C, X, Y, Z) on ``grid``, background first; beyond it everything is background.
    grid, target : SimpleITK.Image
    transform : SimpleITK.Transform, optional
        Points of ``target`` to points of ``grid`` (LPS, mm); identity if not given.

    Returns
    -------
    probabilities : ndarray, float32
        (C, X, Y, Z) on ``target``; they sum to 1.
    """
    transform = transform or sitk.Transform()
    parts = [
        to_array(sitk.Resample(from_array(part.astype(np.float32), grid), target, transform, sitk.sitkLinear))
        for part in classes[1:]
    ]
    return np.stack([1 - np.sum(parts, axis=0), *parts]).astype(np.float32)


def _smoothed(image: sitk.Image, widths_mm: list[float]) -> sitk.Image:
    if not any(widths_mm):
        return image
    return sitk.DiscreteGaussian(image, [width**2 for width in widths_mm], maximumKernelWidth=64)
