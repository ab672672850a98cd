"""Further files of the moving side, carried to the fixed one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..files.images import read_image, to_array
from ..files.labels import MOST_LABELS


def carried(path: Path, grid: sitk.Image, forward: sitk.Transform) -> sitk.Image:
    """An image, a mask or a label map on another grid, by a transform from its points to the file's.

    Whole numbers, :data:`~..files.labels.MOST_LABELS` of them at most, are labels, of which the heaviest counts in each
    voxel (uint8); all else is interpolated (linear, float32).
    """
    image = read_image(path)
    values = np.unique(to_array(image))
    if (
        len(values) > MOST_LABELS
        or (values != np.rint(values)).any()
        or not 0 <= values.min() <= values.max() < 256
    ):
        return sitk.Resample(image, grid, forward, sitk.sitkLinear)
    return sitk.Resample(sitk.Cast(image, sitk.sitkUInt8), grid, forward, sitk.sitkLabelLinear)
