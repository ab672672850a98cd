"""Native images into the working grid: once, through the affine transform."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from ..files.images import ImageError, read_image, to_array, write_image
from ..files.labels import resample_labels
from ..files.transforms import read_transform
from ..task import task


def resample(image: Path, affine: Path, grid: Path) -> Path:
    """The image on another grid, linearly interpolated.

    Parameters
    ----------
    image : Path
        Native.
    affine : Path
        ITK transform, template points to native points.
    grid : Path
        An image that carries the wanted grid (the working grid, or the template's full one).

    Returns
    -------
    resampled : Path
        float32, 0 outside the field of view.
    """
    moved = sitk.Resample(read_image(image), read_image(grid), read_transform(affine), sitk.sitkLinear)
    return write_image(moved, Path.cwd() / "resampled.nii.gz")


def resample_mask(labels: Path, affine: Path, grid: Path) -> Path:
    """The whole tumour (every label above 0) on another grid, as a uint8 mask.

    Raises
    ------
    ImageError
        If nothing of it is left: smaller than a voxel, or outside the template's field of view.
    """
    moved = resample_labels(read_image(labels, sitk.sitkUInt8) > 0, read_image(grid), read_transform(affine))
    if not to_array(moved).any():
        raise ImageError("the tumour mask has no voxel left on the template's grid: too small, or misaligned")
    return write_image(moved, Path.cwd() / "mask.nii.gz")


Resample = task(resample, "image")
ResampleMask = task(resample_mask, "image")
