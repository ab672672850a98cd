"""A further image of the session as the primary one is read: on its grid, in its brain, without a bias field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..files.images import ImageError, from_array, read_image, to_array, write_image
from ..files.transforms import read_transform, write_transform
from ..task import task
from .coregister import coregister
from .n4 import n4
from .records import AS_THEY_STAND, CoregisterInfo, FurtherImage, Reading

LEAST_SHARE = 0.9
"""An image that shows less of the brain is flagged."""
WORTHLESS_SHARE = 0.2
"""An image that shows less is left out: what it shows is too little to lay it on the brain by."""


def further(
    image: Path, name: str, primary: Path, brain_mask: Path, seed: int, reading: Reading = AS_THEY_STAND
) -> FurtherImage:
    """Co-register a further image of the session, correct its bias and strip it by the primary's brain mask.

    Whatever is wrong with it is a flag, and never the end of the scan.

    Parameters
    ----------
    image : Path
        As it lies in the dataset, of any contrast and grid, with or without its skull.
    name : str
        T1w, T1ce, T2w or FLAIR.
    primary, brain_mask : Path
        The primary image and its brain, on one grid.
    seed : int
        Of ANTs' sampling.
    reading : Reading
        What is trusted of the headers.

    Returns
    -------
    further : FurtherImage
        Files in the current folder; without them where the image cannot be read, lies nowhere on the primary one, or
        shows too little of the brain.
    """
    try:
        transform, moved, info = coregister(image, primary, brain_mask, seed, reading)
        if info.share_of_brain < WORTHLESS_SHARE:
            raise ImageError(f"{image.name} shows {info.share_of_brain:.0%} of the brain")
    except (ImageError, RuntimeError) as error:  # RuntimeError: ANTs', of images without an overlap
        return FurtherImage(name=name, file=image.name, flags=[f"{name} is left out: {_first_line(error)}"])
    mask, part = brain_mask, info.share_of_brain < LEAST_SHARE
    if part:
        mask = write_image(_shown(moved, brain_mask), Path.cwd() / "shown.nii.gz")
    corrected, bias = n4(moved, mask)
    flag = f"{image.name} shows {info.share_of_brain:.0%} of the brain: {name} is 0 in the rest of it"
    return FurtherImage(
        name=name,
        file=image.name,
        image=corrected,
        moved=moved,
        transform=transform,
        inverse=write_transform(read_transform(transform).GetInverse(), Path.cwd() / "inverse.h5"),
        coregistration=info,
        bias=bias,
        notices=_moved(name, info),
        flags=[*info.flags, *[flag] * part],
    )


def _shown(moved: Path, brain_mask: Path) -> sitk.Image:
    """The part of the brain that an image shows: its end would be taken for bias."""
    brain = read_image(brain_mask, sitk.sitkUInt8)
    return from_array(((to_array(brain) > 0) & (to_array(read_image(moved)) != 0)).astype(np.uint8), brain)


def _moved(name: str, info: CoregisterInfo) -> list[str]:
    """A sentence where the headers' frames were not kept."""
    text = f"{name} was moved by up to {info.moved_mm:.1f} mm to lie on the primary image"
    return [text] if info.moved_mm else []


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


Further = task(further, "further")
