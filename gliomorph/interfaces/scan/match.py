"""Histogram matching to the template, the tumour left out."""

from __future__ import annotations

from pathlib import Path

from ...models.histograms import landmarks, mapped
from ..files.images import ImageError, from_array, read_image, to_array, write_image
from ..task import task
from .records import MatchInfo


def match(
    image: Path,
    brain_mask: Path,
    tumor: Path | None,
    fixed: Path,
    fixed_brain: Path,
    reverse: bool = False,
) -> tuple[Path, MatchInfo]:
    """The image with the template's intensity distribution.

    A monotone, piecewise linear map takes the quantiles of the brain without its tumour to those of the
    template's brain (Nyúl 2000); the tumour's voxels go through the same map.

    Parameters
    ----------
    image, brain_mask : Path
        Native, bias-corrected.
    tumor : Path, optional
        Native labels, left out of the estimate.
    fixed, fixed_brain : Path
        The template, intensities in [0, 1], and its brain mask.
    reverse : bool
        The brightest becomes the darkest, for an image that is bright where the template's is dark.

    Returns
    -------
    matched : Path
        Native grid, float32 in [0, 1], 0 outside the brain.
    info : MatchInfo
        The map.

    Raises
    ------
    ImageError
        If fewer than 1000 voxels are left to estimate it from.
    """
    picture = read_image(image)
    voxels, inside = to_array(picture), to_array(read_image(brain_mask)) > 0
    used = inside & (to_array(read_image(tumor)) == 0) if tumor else inside
    if used.sum() < 1000:
        raise ImageError(f"{image.name}: only {used.sum()} brain voxels outside the tumour to match with")
    source = landmarks(voxels[used])
    target = landmarks(to_array(read_image(fixed))[to_array(read_image(fixed_brain)) > 0])
    if reverse:
        target = target[::-1]
    out = write_image(
        from_array(mapped(voxels, inside, source, target), picture), Path.cwd() / "matched.nii.gz"
    )
    return out, MatchInfo(source=source.tolist(), target=target.tolist())


Match = task(match, "image", "info")
