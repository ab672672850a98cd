"""Native images into a box of the template's frame: the crop around its brain, or its whole grid."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from ..files.images import ImageError, read_image, to_array, write_image
from ..files.labels import resample_labels
from ..files.transforms import read_transform
from ..task import task


def crop(image: Path, affine: Path, grid: Path) -> Path:
    """The part of an image that a grid holds: moved by the affine and cropped in one linear interpolation.

    Parameters
    ----------
    image : Path
        Native.
    affine : Path
        ITK transform, template points to native points.
    grid : Path
        An image that carries the wanted grid: the working grid, which is the template's brain plus a margin
        (:func:`~gliomorph.interfaces.datasets.templates.working_grid`), or the template's full one.

    Returns
    -------
    cropped : Path
        float32, 0 outside the field of view.
    """
    moved = sitk.Resample(read_image(image), read_image(grid), read_transform(affine), sitk.sitkLinear)
    return write_image(moved, Path.cwd() / "cropped.nii.gz")


def crop_mask(labels: Path, affine: Path, grid: Path) -> Path:
    """The whole lesion (every label above 0) on such a grid, as a uint8 mask: what registrations leave out.

    A resection cavity is part of it: the template has no counterpart, so that it must not be compared. Without a
    lesion the mask is empty.

    Raises
    ------
    ImageError
        If nothing of a lesion is left: smaller than a voxel, or outside the template's field of view.
    """
    lesion = read_image(labels, sitk.sitkUInt8) > 0
    moved = resample_labels(lesion, read_image(grid), read_transform(affine))
    if to_array(lesion).any() and not to_array(moved).any():
        raise ImageError("the tumour mask has no voxel left on the template's grid: too small, or misaligned")
    return write_image(moved, Path.cwd() / "mask.nii.gz")


Crop = task(crop, "image")
CropMask = task(crop_mask, "image")
