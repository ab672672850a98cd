"""A label map of a head, of nested balls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

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


def write_labels(
    labels: np.ndarray, path: Path, spacing: tuple[float, ...] = (VOXEL_MM,) * 3, axes: str = "RAS"
) -> Path:
    """A label map whose voxels run to the right, front and top, stored along other axes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(labels.transpose(2, 1, 0).astype(np.int16))
    image.SetSpacing(spacing)
    image.SetDirection(sitk.DICOMOrientImageFilter.GetDirectionCosinesFromOrientation("RAS"))
    sitk.WriteImage(sitk.DICOMOrient(image, axes), str(path))
    return path
