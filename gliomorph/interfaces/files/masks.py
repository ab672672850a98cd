"""Masks of the brain, and what lies inside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .images import ImageError, from_array, image_and_notices, to_array


def brain_with_rim(brain: sitk.Image) -> sitk.Image:
    """Where a linear registration compares: the template's brain and three voxels around, for its outline."""
    return sitk.BinaryDilate(sitk.Cast(brain > 0.5, sitk.sitkUInt8), [3, 3, 3])


def overlap(moving: sitk.Image, fixed: sitk.Image, transform: sitk.Transform) -> float:
    """Dice of two masks on the grid of ``fixed``; ``transform`` maps fixed points to moving points."""
    a = to_array(sitk.Resample(sitk.Cast(moving, sitk.sitkFloat32), fixed, transform, sitk.sitkLinear)) > 0.5
    b = to_array(fixed) > 0.5
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def finite_image(path: Path, orientation: str = "") -> tuple[sitk.Image, list[str]]:
    """The image with voxels that are not finite set to 0, and what was odd in its voxels and its header."""
    image, notices = image_and_notices(path, orientation=orientation)
    voxels = to_array(image)
    bad = ~np.isfinite(voxels)
    if bad.all():
        raise ImageError(f"{Path(path).name}: every voxel is NaN or infinite")
    if not bad.any():
        values = voxels
    else:
        values = np.where(bad, 0, voxels).astype(np.float32)
        notices.append(f"{bad.mean():.1%} of the voxels are NaN or infinite and count as background")
    if values.max() <= values.min():
        raise ImageError(f"{Path(path).name}: the image is constant ({values.max():g})")
    return from_array(values, image), notices


def foreground(image: sitk.Image) -> sitk.Image:
    """Largest connected region above 1 % of the 99th percentile, holes filled."""
    voxels = to_array(image)
    level = 0.01 * float(np.percentile(voxels[voxels > 0], 99)) if (voxels > 0).any() else 0.0
    mask = sitk.BinaryMorphologicalOpening(image > level, [1, 1, 1])
    largest = sitk.RelabelComponent(sitk.ConnectedComponent(mask), sortByObjectSize=True) == 1
    return sitk.Cast(sitk.BinaryFillhole(largest), sitk.sitkUInt8)


def dilated(tumor: sitk.Image) -> sitk.Image:
    """The mask and two voxels more: interpolation and smoothing carry the rim that far."""
    return sitk.BinaryDilate(tumor, [2, 2, 2])


def filled(image: sitk.Image, mask: sitk.Image) -> sitk.Image:
    """The image with the mean of what is above 0 outside a mask in the mask's place: its content has no influence."""
    voxels, inside = to_array(image).copy(), to_array(mask) > 0
    rest = voxels[(voxels > 0) & ~inside]
    voxels[inside] = rest.mean() if rest.size else 0
    return from_array(voxels.astype(np.float32), image)
