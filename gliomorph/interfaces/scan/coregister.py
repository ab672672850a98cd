"""Another image of the session on the primary image's grid, by a rigid map (ANTs, mutual information)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..files.grids import around, isotropic, mask_onto, onto
from ..files.images import read_image, to_array, write_image
from ..files.masks import brain_with_rim, finite_image, without_spikes
from ..files.transforms import apply_to_points, write_transform
from ..registration.ants import register_ants
from ..task import task
from .records import AS_THEY_STAND, CoregisterInfo, Reading

GRID_MM = 3.0
"""Voxels on which the images are compared, the brain and three of them around."""
LEAST_MM = 1.0
"""A map that moves no point of the brain farther is within its own error, up to 0.8 mm on real T2w: headers stay."""
OPTIONS: dict[str, Any] = {
    "aff_metric": "mattes",
    "aff_iterations": (500, 250, 50),
    "aff_shrink_factors": (4, 2, 1),
    "aff_smoothing_sigmas": (2, 1, 0),
}
"""Down to the grid's own voxels: maps of the 4 mm that suffice for a template were 1 mm off on T2w of thick slices."""
BINS = 32


def coregister(
    image: Path, primary: Path, brain_mask: Path, seed: int, reading: Reading = AS_THEY_STAND
) -> tuple[Path, Path, CoregisterInfo]:
    """Bring another image of the session to the primary one.

    The headers' frames are kept, and no voxel interpolated where both images have one grid, unless a rigid map
    explains more of the brain, by mutual information, and moves it by more than :data:`LEAST_MM`.

    Parameters
    ----------
    image : Path
        As it lies in the dataset, of any contrast and grid, with or without its skull.
    primary, brain_mask : Path
        The primary image and its brain, on one grid.
    seed : int
        Of ANTs' sampling.
    reading : Reading
        What is trusted of the headers.

    Returns
    -------
    transform : Path
        ITK transform (``.h5``), points of the primary image to points of the other (LPS, mm).
    moved : Path
        The image on the primary's grid, float32, 0 outside its field of view, skull and all; finite, above 0 in the
        brain and without spikes.
    info : CoregisterInfo
        How it went.

    Raises
    ------
    ImageError
        An image that cannot be read, or is constant.
    """
    other, flags = finite_image(image, reading.orientation)
    target, brain = read_image(primary), read_image(brain_mask, sitk.sitkUInt8)
    grid = around(mask_onto(brain, isotropic(brain, GRID_MM)), GRID_MM)
    fixed, compared = onto(target, grid), brain_with_rim(mask_onto(brain, grid))
    stay = sitk.Transform(3, sitk.sitkAffine)
    shown = _share(sitk.Resample(other, target, stay, sitk.sitkLinear), brain)
    files = register_ants(
        fixed,
        other,
        "Rigid",
        seed=seed,
        # by the centres of mass where the headers have nothing in common
        initial_transform="identity" if shown > 0.5 else None,
        fixed_mask=compared,
        **OPTIONS,
    )
    rigid = sitk.ReadTransform(files["fwdtransforms"][0])
    # interpolation, which smooths too, then wins nothing
    smooth = sitk.SmoothingRecursiveGaussian(other, GRID_MM / 2)
    before, after = (_information(fixed, smooth, compared, each) for each in (stay, rigid))
    distance = _farthest_mm(rigid, brain)
    moves = after > before and distance > LEAST_MM
    best = rigid if moves else stay
    there = sitk.Resample(other, target, best, sitk.sitkLinear)
    share = _share(there, brain)
    there, changes = without_spikes(there, brain, image.name)
    info = CoregisterInfo(
        moved_mm=round(distance, 3) if moves else 0.0,
        information_before=round(before, 4),
        information=round(after if moves else before, 4),
        share_of_brain=round(share, 4),
        flags=[f"{image.name}: {text}" for text in (*flags, *changes)],
    )
    return (
        write_transform(best, Path.cwd() / "coregistration.h5"),
        write_image(there, Path.cwd() / "coregistered.nii.gz"),
        info,
    )


def _share(image: sitk.Image, brain: sitk.Image) -> float:
    """Part of a brain, on one grid with the image, where the image is not 0."""
    return float((to_array(image)[to_array(brain) > 0] != 0).mean())


def _information(
    fixed: sitk.Image, moving: sitk.Image, where: sitk.Image, transform: sitk.Transform
) -> float:
    """Mutual information in a mask around the brain; in the brain alone it grows where an outline is moved inside."""
    # takes a second to import, and every run imports this module
    from sklearn.metrics import mutual_info_score

    moved = sitk.Resample(moving, fixed, transform, sitk.sitkLinear)
    one, other = (_clipped(to_array(image)[to_array(where) > 0]) for image in (fixed, moved))
    joint, _, _ = np.histogram2d(one, other, bins=BINS)
    return float(mutual_info_score(None, None, contingency=joint))


def _clipped(values: np.ndarray) -> np.ndarray:
    """Values without ends: a few bright voxels would leave the others in one bin."""
    low, high = np.percentile(values, (0.5, 99.5))
    return np.clip(values, low, high)


def _farthest_mm(transform: sitk.Transform, brain: sitk.Image) -> float:
    """How far a transform moves a point of a brain at most, by one of 500 of its voxels."""
    places = np.argwhere(to_array(brain) > 0)[::500]
    points = np.array([brain.TransformIndexToPhysicalPoint(place) for place in places.tolist()])
    return float(np.linalg.norm(apply_to_points(transform, points) - points, axis=1).max())


Coregister = task(coregister, "transform", "image", "info")
