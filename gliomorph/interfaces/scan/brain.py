"""Brain extraction: detected where done, taken where given, made where a tool is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import SimpleITK as sitk

from ..files.images import ImageError, to_array, voxel_volume_ml, write_image
from ..files.masks import (
    BACKGROUND,
    SIGNED,
    finite_image,
    foreground,
    read_mask,
    without_spikes,
)
from ..records import as_dict
from ..task import task
from .records import AS_THEY_STAND, BrainInfo, Reading

BRAIN_ML = (300.0, 2300.0)
"""Volumes a skull-stripped head may have; a head with its skull has more than 2500 ml."""


def brain(
    image: Path, brain_mask: Path | None = None, reading: Reading = AS_THEY_STAND
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
        No usable brain: unreadable, constant or NaN-filled image, or a head with its skull, no mask and
        no tool to make one.
    """
    picture, flags = finite_image(image, reading.orientation)
    mask, method, odd = brain_of(picture, image, brain_mask, reading=reading)
    volume = float(to_array(mask).sum()) * voxel_volume_ml(mask)
    out = write_image(mask, Path.cwd() / "brain_mask.nii.gz")
    picture, changes = without_spikes(picture, mask, image.name)
    info = BrainInfo(method=method, volume_ml=round(volume, 1), flags=[*flags, *odd, *changes])
    return out, info, write_image(picture, Path.cwd() / "image.nii.gz")


def brain_of(
    picture: sitk.Image,
    image: Path,
    brain_mask: Path | None,
    scratch: Path | None = None,
    reading: Reading = AS_THEY_STAND,
) -> tuple[sitk.Image, str, list[str]]:
    """Mask, method and what was odd in the mask's file, for a ``picture`` read from ``image``, as in :func:`brain`.

    What an external tool writes comes into ``scratch``, the current folder if not given.
    """
    flags: list[str] = []
    if brain_mask is not None:
        (mask, flags), method = read_mask(brain_mask, picture, "brain", **as_dict(reading)), "given"
    elif is_skull_stripped(picture):
        mask, method = foreground(picture), "skull-stripped input"
    else:
        mask, method = _extracted(image, picture, scratch or Path.cwd())
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


def _extracted(path: Path, image: sitk.Image, scratch: Path) -> tuple[sitk.Image, str]:
    # the tool reads the frame that was decided here, and not its own reading of the header
    head = str(write_image(image, scratch / "head.nii.gz"))
    out, mask = scratch / "stripped.nii.gz", scratch / "extracted_mask.nii.gz"
    if tool := shutil.which("mri_synthstrip") or shutil.which("synthstrip-singularity"):
        command, method = [tool, "-i", head, "-o", str(out), "-m", str(mask)], "synthstrip"
    elif tool := shutil.which("hd-bet"):
        command, method = [tool, "-i", head, "-o", str(out), "--save_bet_mask"], "hd-bet"
        mask = scratch / "stripped_bet.nii.gz"
    else:
        signed = (to_array(image) < 0).mean()
        state = (
            "has negative values and no background of one value"
            if signed > SIGNED
            else "is not skull-stripped"
        )
        raise ImageError(
            f"{path.name}: the image {state}, and no brain mask is given. Give one "
            "(…_desc-brain_mask.nii.gz in a folder named with -d; of a pair, --moving-brain and --fixed-brain), or "
            "install SynthStrip (mri_synthstrip) or HD-BET"
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not mask.exists():
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise ImageError(f"{path.name}: {Path(tool).name} failed (exit {done.returncode}): {last[0]}")
    found, _ = read_mask(mask, image, "brain")
    return found, method


Brain = task(brain, "mask", "info", "image")
