"""Brain extraction: detected where done, taken where given, else made."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from ..files.checksums import sha256_of
from ..files.images import ImageError, to_array, voxel_volume_ml, write_image
from ..files.masks import BACKGROUND, finite_image, foreground, read_mask, without_spikes
from ..records import as_dict
from ..task import task
from .extraction import extracted, method_of
from .records import AS_THEY_STAND, EXTRACTIONS, WHERE_NONE_IS_GIVEN, BrainInfo, Extraction, Reading

BRAIN_ML = (300.0, 2300.0)
"""Volumes a skull-stripped head may have; a head with its skull has more than 2500 ml."""


def brain(
    image: Path,
    brain_mask: Path | None = None,
    reading: Reading = AS_THEY_STAND,
    extraction: Extraction = WHERE_NONE_IS_GIVEN,
) -> tuple[Path, BrainInfo, Path]:
    """The brain mask of an image, in the image's own grid, and the image as all later stages read it.

    Parameters
    ----------
    image : Path
        T1w (or another modality), skull-stripped or not. Voxels that are not finite count as background; a background
        of one value becomes 0, and what is darker than it in the brain is raised above 0.
    brain_mask : Path, optional
        A given mask; resampled by world coordinates where its grid differs.
    reading : Reading
        What is trusted of the headers.
    extraction : Extraction
        What makes the mask of a head, and whether a given one goes before it.

    Returns
    -------
    mask : Path
        uint8, written in the current folder.
    info : BrainInfo
        How it was made.
    picture : Path
        float32: the image in the frame that was decided, all voxels finite, above 0 in the brain and without spikes.

    Raises
    ------
    ImageError
        No usable brain: unreadable, constant or NaN-filled image, or a head with its skull in which none is found, or
        whose tool is not installed.
    """
    picture, flags = finite_image(image, reading.orientation)
    mask, method, odd = brain_of(picture, image, brain_mask, reading=reading, extraction=extraction)
    volume = float(to_array(mask).sum()) * voxel_volume_ml(mask)
    out = write_image(mask, Path.cwd() / "brain_mask.nii.gz")
    picture, changes = without_spikes(picture, mask, image.name)
    weights = extraction.weights if method == "shipped" else None
    by = f"the networks that come with gliomorph ({weights.name})" if weights else method
    info = BrainInfo(
        method=method,
        volume_ml=round(volume, 1),
        notices=[f"the brain was extracted by {by}: look at its contour"] * (method in EXTRACTIONS),
        weights=weights.name if weights else None,
        weights_sha256=sha256_of(weights) if weights else None,
        flags=[*flags, *odd, *changes],
    )
    return out, info, write_image(picture, Path.cwd() / "image.nii.gz")


def brain_of(
    picture: sitk.Image,
    image: Path,
    brain_mask: Path | None,
    scratch: Path | None = None,
    reading: Reading = AS_THEY_STAND,
    extraction: Extraction = WHERE_NONE_IS_GIVEN,
) -> tuple[sitk.Image, str, list[str]]:
    """Mask, method and what is odd in it or its file, for a ``picture`` read from ``image``, as in :func:`brain`.

    What an external tool writes comes into ``scratch``, the current folder if not given.
    """
    flags: list[str] = []
    if brain_mask is not None and (extraction.tool == "auto" or is_skull_stripped(picture)):
        (mask, flags), method = read_mask(brain_mask, picture, "brain", **as_dict(reading)), "given"
    elif is_skull_stripped(picture):
        mask, method = foreground(picture), "skull-stripped input"
    else:
        method = method_of(extraction)
        mask, flags = extracted(picture, extraction, scratch or Path.cwd(), image.name)
    volume = float(to_array(mask).sum()) * voxel_volume_ml(mask)
    if not BRAIN_ML[0] <= volume <= BRAIN_ML[1]:
        raise ImageError(
            f"{image.name}: a brain of {BRAIN_ML[0]:.0f} to {BRAIN_ML[1]:.0f} ml is required, the mask "
            f"({method}) has {volume:.0f} ml"
        )
    return mask, method, flags


def is_skull_stripped(image: sitk.Image) -> bool:
    """Whether background is mostly exact zero and what is left has a brain's volume."""
    voxels = to_array(image)
    if (voxels == 0).mean() < BACKGROUND:
        return False
    volume = float(to_array(foreground(image)).sum()) * voxel_volume_ml(image)
    return volume <= BRAIN_ML[1]


Brain = task(brain, "mask", "info", "image")
