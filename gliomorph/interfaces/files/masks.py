"""Masks of the brain, and what lies inside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .frames import affine_of, described, farthest_mm
from .images import ImageError, from_array, image_and_notices, to_array
from .labels import inside_of_mask

BACKGROUND = 0.3
"""Share of an image that is background where it is skull-stripped."""
SIGNED = 0.1
"""Share of negative voxels in a brain of standardised intensities; interpolation makes fewer."""
INVERTED = 0.95
"""Share of negative voxels in a brain above which they are no standardised intensities."""
SPIKE = 3
"""Times the 99th percentile of a brain: 2.4 was the most in 27 images with and without contrast agent."""
BRIGHT = 3
"""Times its median that this percentile may be; more where what is too bright fills a hundredth of the brain."""
GIVE_ONE_FRAME = (
    "give the mask the image's header if its voxels are the image's (as after a program that lost the header), or "
    "resample it onto the image's grid if its header is right"
)
TRUST_VOXELS = f"{GIVE_ONE_FRAME}; --trust-voxels takes every such mask voxel by voxel"


def in_one_frame(mask: sitk.Image, image: sitk.Image, name: str, of: str) -> tuple[sitk.Image, str]:
    """A mask in the frame of an image with as many voxels, and why it is not there.

    The same number of voxels along every axis is hardly chance: such a mask was drawn on the image's voxels, and lies
    on them where the headers differ by rounding, half a voxel at most anywhere. Where they differ by more, nobody but
    the user knows which of both is right. A mask on another grid goes by its own header, unless that is what programs
    write that have none: voxels of 1 mm, the first of them at the origin.

    Parameters
    ----------
    mask, image : SimpleITK.Image
    name, of : str
        What the reason calls them.

    Returns
    -------
    mask : SimpleITK.Image
    reason : str
        Empty where mask and image agree, or have different grids.
    """
    if mask.GetSize() != image.GetSize():
        lost = np.allclose(np.abs(affine_of(mask)), np.eye(4)) and any(image.GetOrigin())
        return (
            mask,
            f"{name} has a header without a place and another grid than {of}: {described(affine_of(mask))}"
            * lost,
        )
    frames = affine_of(mask), affine_of(image)
    apart = farthest_mm(*frames, image.GetSize())
    if apart <= min(image.GetSpacing()) / 2:
        placed = sitk.Image(mask)
        placed.CopyInformation(image)
        return placed, ""
    own, other = map(described, frames)
    return mask, (
        f"{name} has as many voxels as {of}, but a header that puts them elsewhere, up to {apart:.3g} mm away: {own}; "
        f"{of} has {other}"
    )


def read_mask(
    path: Path, image: sitk.Image, what: str, *, orientation: str = "", trust_voxels: bool = False
) -> tuple[sitk.Image, list[str]]:
    """A mask that was given for an image, on the image's grid (uint8), and what was odd in its file.

    Parameters
    ----------
    path : Path
    image : SimpleITK.Image
    what : str
        What it is a mask of, for errors: ``brain``.
    orientation : str
        As in :func:`~.images.read_image`.
    trust_voxels : bool
        One with as many voxels as the image lies on them, whatever its header says.

    Raises
    ------
    ImageError
        A mask in another frame, without a voxel above 0, or outside the image.
    """
    given, odd = image_and_notices(path, orientation=orientation, like=image if trust_voxels else None)
    given, differing = in_one_frame(given, image, path.name, "the image")
    if differing:
        raise ImageError(f"{differing}: {TRUST_VOXELS}")
    inside, shades = inside_of_mask(np.nan_to_num(to_array(given)), path.name)
    mask = sitk.Resample(
        from_array(inside.astype(np.uint8), given), image, sitk.Transform(), sitk.sitkNearestNeighbor
    )
    if not inside.any():
        raise ImageError(f"{path.name}: the {what} mask is empty (no voxel above 0)")
    if not to_array(mask).any():
        raise ImageError(f"{path.name}: the {what} mask does not overlap the image (world coordinates)")
    return mask, [*(f"{path.name}: {text}" for text in odd), *shades]


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
    values, changes = _on_zero(values, Path(path).name)
    return from_array(values, image), [*notices, *changes]


def _on_zero(voxels: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """Voxels with a head above a background of 0, where the background has one value; what was changed."""
    faces = np.concatenate([voxels.take(end, axis).ravel() for axis in range(3) for end in (0, -1)])
    values, counts = np.unique(faces, return_counts=True)
    background, head = values[counts.argmax()], voxels != values[counts.argmax()]
    if counts.max() < 0.5 * len(faces) or not 0 < head.mean() <= 1 - BACKGROUND:
        return voxels, []
    voxels, flags = _positive(voxels - background, head, name)
    if background:
        flags.append(f"the background is {background:g} and not 0: it was set to 0")
    return voxels, flags


def _positive(voxels: np.ndarray, inside: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """Voxels that are above 0 inside and 0 elsewhere, where many inside are below it; what was changed."""
    below = float((voxels[inside] < 0).mean())
    if below <= SIGNED:
        return voxels, []
    if below > INVERTED:
        raise ImageError(
            f"{name}: {below:.0%} of the brain is darker than the background, of z-scores about half: is the image "
            "inverted? Give one with a background of 0 and a brain that is brighter"
        )
    low, high = np.percentile(voxels[inside], (0.1, 99.9))
    # above the darkest voxels is some room, for N4 takes logarithms
    raised = np.where(inside, np.maximum(voxels - low, 0) + 0.02 * (high - low), 0)
    return raised.astype(np.float32), [
        f"{below:.0%} of the brain's voxels are negative, as in z-scores: all were raised above 0"
    ]


def without_spikes(image: sitk.Image, brain: sitk.Image, name: str) -> tuple[sitk.Image, list[str]]:
    """An image that is positive in the brain and has no voxels far brighter than it, and what was changed for that.

    A clip or a fault of a coil decides ranges, standard deviations and histograms; vessels and tumours that take up
    contrast agent are not as bright.
    """
    voxels, inside = to_array(image), to_array(brain) > 0
    voxels, flags = _positive(voxels, inside, name)
    median = float(np.median(voxels[inside & (voxels > 0)])) if (voxels[inside] > 0).any() else 0.0
    limit = SPIKE * min(float(np.percentile(voxels[inside], 99)), BRIGHT * median)
    if spikes := int((voxels[inside] > limit).sum()):
        brightest = float(voxels[inside].max()) / limit * SPIKE
        flags.append(
            f"{spikes} voxels of the brain are up to {brightest:.3g} times as bright as its bright parts: they were "
            f"cut at {SPIKE} times"
        )
    return from_array(np.minimum(voxels, limit).astype(np.float32), image), flags


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
