"""Further files of the moving side, carried to the fixed one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..files.images import read_image, to_array
from ..files.labels import MOST_LABELS
from ..files.landmarks import landmark_text, read_landmarks, require_inside
from ..files.transforms import apply_to_points


def carried_landmarks(path: Path, image: Path, inverse: sitk.Transform, coordinates: str) -> str:
    """A file of landmarks of the moving side, as the text of one of the fixed side.

    Parameters
    ----------
    path : Path
        As :func:`~..files.landmarks.read_landmarks` reads it.
    image : Path
        The moving image, in or near which they have to lie.
    inverse : SimpleITK.Transform
        Moving points to fixed points.
    coordinates : str
        ``RAS`` or ``LPS``, of both files.
    """
    landmarks = read_landmarks(path, coordinates)
    require_inside(landmarks, image, f"{coordinates} mm of the moving image are required (--coordinates)")
    return landmark_text(landmarks.names, apply_to_points(inverse, landmarks.points), coordinates)


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
