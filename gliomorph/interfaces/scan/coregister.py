"""Another image of the session on the primary image's grid, by a rigid map (ANTs, mutual information)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..files.grids import around, isotropic, mask_onto, onto
from ..files.images import ImageError, read_image, to_array, write_image
from ..files.masks import brain_with_rim, finite_image, without_spikes
from ..files.transforms import apply_to_points, compose, write_transform
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
LEAST = 0.12
"""Agreement (:class:`~.records.CoregisterInfo`) from which an answer is right. On real heads and brains right ones, of
T1w with T1ce, T2w and FLAIR, have 0.14 to 0.58, answers that were 29 mm off and more 0.016 to 0.074.
"""
LEAST_PEAK, BESIDE_MM, PEAK = 0.05, 8.0, 1.2
"""Agreement from which an answer is right, too, if it is higher by this factor than 8 mm beside it: a coil's bias may
leave less than :data:`LEAST` to agree. Right answers had 1.4 and more, wrong ones 0.79 to 0.97.
"""
COARSE_MM = 8.0
STEPS_MM = (24.0, 8.0)
"""``COARSE_MM``, ``STEPS_MM``: Voxels and steps of the search for a head that lies elsewhere, unturned."""


def coregister(
    image: Path, primary: Path, brain_mask: Path, seed: int, reading: Reading = AS_THEY_STAND
) -> tuple[Path, Path, CoregisterInfo]:
    """Bring another image of the session to the primary one.

    The headers' frames are kept, and no voxel interpolated where both images have one grid, unless a rigid map
    explains more of the brain, by mutual information, and moves it by more than :data:`LEAST_MM`. It begins where the
    headers put the head; where its answer is not sure, it begins once more at the place, anywhere in the image's field
    of view, at which both images agree most.

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
        An image that cannot be read, or is constant, or agrees with the primary nowhere.
    """
    other, flags = finite_image(image, reading.orientation)
    target, brain = read_image(primary), read_image(brain_mask, sitk.sitkUInt8)
    grid = around(mask_onto(brain, isotropic(brain, GRID_MM)), GRID_MM)
    fixed, compared = onto(target, grid), brain_with_rim(mask_onto(brain, grid))
    stay = sitk.AffineTransform(3)
    shown = _share(sitk.Resample(other, target, stay, sitk.sitkLinear), brain)
    # by the centres of mass where the headers have nothing in common
    rigid = _registered(fixed, other, compared, seed, "identity" if shown > 0.5 else None)
    # interpolation, which smooths too, then wins nothing
    smooth = sitk.SmoothingRecursiveGaussian(other, GRID_MM / 2)
    (before, kept), (after, agreement) = (_likeness(fixed, smooth, compared, each) for each in (stay, rigid))
    moves = after > before and _farthest_mm(rigid, stay, brain) > LEAST_MM
    best, information, agreement = (rigid, after, agreement) if moves else (stay, before, kept)
    if not _is_right(fixed, smooth, compared, best, agreement):
        again = _registered_elsewhere(fixed, other, compared, seed)
        found, its = _likeness(fixed, smooth, compared, again)
        if found > information:
            best, information, agreement = again, found, its
        if not _is_right(fixed, smooth, compared, best, agreement):
            raise ImageError(
                f"{image.name} could not be laid on the primary image: at the best place both agree by "
                f"{agreement:.3f}, {LEAST} are required; is it an image of this head?"
            )
    there = sitk.Resample(other, target, best, sitk.sitkLinear)
    share = _share(there, brain)
    there, changes = without_spikes(there, brain, image.name)
    info = CoregisterInfo(
        moved_mm=0.0 if best is stay else round(_farthest_mm(best, stay, brain), 3),
        information_before=round(before, 4),
        information=round(information, 4),
        agreement=round(agreement, 4),
        share_of_brain=round(share, 4),
        flags=[f"{image.name}: {text}" for text in (*flags, *changes)],
    )
    return (
        write_transform(best, Path.cwd() / "coregistration.h5"),
        write_image(there, Path.cwd() / "coregistered.nii.gz"),
        info,
    )


def _registered(
    fixed: sitk.Image, other: sitk.Image, compared: sitk.Image, seed: int, start: str | None
) -> sitk.Transform:
    files = register_ants(
        fixed, other, "Rigid", seed=seed, initial_transform=start, fixed_mask=compared, **OPTIONS
    )
    return sitk.ReadTransform(files["fwdtransforms"][0])


def _registered_elsewhere(
    fixed: sitk.Image, other: sitk.Image, compared: sitk.Image, seed: int
) -> sitk.Transform:
    """The rigid map that begins where a coarse search finds the head in the other image's field of view."""
    grid = isotropic(compared, COARSE_MM)
    head, inside = onto(fixed, grid), mask_onto(compared, grid)
    moving = sitk.SmoothingRecursiveGaussian(other, COARSE_MM / 2)
    centre = _at(fixed, (0.5, 0.5, 0.5))
    ends = np.array([_at(other, share) for share in np.ndindex(2, 2, 2)])
    low, high = ends.min(axis=0) - centre, ends.max(axis=0) - centre
    middle, reach = (low + high) / 2, (high - low) / 2
    best = middle
    for step in STEPS_MM:
        counts = np.floor(reach / step).astype(int)
        places = best + step * (np.array([*np.ndindex(*(2 * counts + 1))]) - counts)
        likeness = [
            _likeness(head, moving, inside, sitk.TranslationTransform(3, place)) for place in places.tolist()
        ]
        best, reach = places[int(np.argmax([information for information, _ in likeness]))], np.full(3, step)
    shifted = sitk.Image(other)
    shifted.SetOrigin((np.array(other.GetOrigin()) - best).tolist())
    found = sitk.AffineTransform(_registered(fixed, shifted, compared, seed, "identity"))
    found.SetTranslation((np.array(found.GetTranslation()) + best).tolist())
    return found


def _at(image: sitk.Image, share: tuple[float, ...]) -> np.ndarray:
    """The point (LPS, mm) at a share of an image's sides."""
    index = np.multiply(share, np.array(image.GetSize()) - 1).tolist()
    return np.array(image.TransformContinuousIndexToPhysicalPoint(index))


def _is_right(
    fixed: sitk.Image, moving: sitk.Image, where: sitk.Image, transform: sitk.Transform, agreement: float
) -> bool:
    """Whether an answer is one, by its agreement and by that of places beside it."""
    if not LEAST_PEAK <= agreement < LEAST:
        return agreement >= LEAST
    steps = BESIDE_MM * np.array([*np.eye(3), *-np.eye(3)])
    beside = [compose(transform, sitk.TranslationTransform(3, step)) for step in steps.tolist()]
    return agreement > PEAK * max(_likeness(fixed, moving, where, each)[1] for each in beside)


def _share(image: sitk.Image, brain: sitk.Image) -> float:
    """Part of a brain, on one grid with the image, where the image is not 0."""
    return float((to_array(image)[to_array(brain) > 0] != 0).mean())


def _likeness(
    fixed: sitk.Image, moving: sitk.Image, where: sitk.Image, transform: sitk.Transform
) -> tuple[float, float]:
    """Mutual information in a mask around the brain, and its share of the smaller entropy; in the brain alone it grows
    where an outline is moved inside."""
    # take a second to import, and every run imports this module
    from scipy.stats import entropy
    from sklearn.metrics import mutual_info_score

    moved = sitk.Resample(moving, fixed, transform, sitk.sitkLinear)
    one, other = (_clipped(to_array(image)[to_array(where) > 0]) for image in (fixed, moved))
    joint, _, _ = np.histogram2d(one, other, bins=BINS)
    information = float(mutual_info_score(None, None, contingency=joint))
    least = min(float(entropy(joint.sum(axis=axis))) for axis in (0, 1))
    return information, information / least if least > 0 else 0.0


def _clipped(values: np.ndarray) -> np.ndarray:
    """Values without ends: a few bright voxels would leave the others in one bin."""
    low, high = np.percentile(values, (0.5, 99.5))
    return np.clip(values, low, high)


def _farthest_mm(one: sitk.Transform, other: sitk.Transform, brain: sitk.Image) -> float:
    """How far apart two transforms take a point of a brain at most, by one of 500 of its voxels."""
    places = np.argwhere(to_array(brain) > 0)[::500]
    points = np.array([brain.TransformIndexToPhysicalPoint(place) for place in places.tolist()])
    apart = apply_to_points(one, points) - apply_to_points(other, points)
    return float(np.linalg.norm(apart, axis=1).max())


Coregister = task(coregister, "transform", "image", "info")
