"""Further modalities of a scan as a registration takes them: as the primary image, in its brain and by its affine."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

from ..task import task
from .crop import crop
from .match import match
from .n4 import n4
from .records import Channel, CoregisterInfo, Modality

LEAST_SHARE = 0.9
"""An image that shows less of the brain is left out: where it ends it would be compared with the template."""
REVERSED = ("T2w", "T1w")
"""Modalities of a patient's and a template's image of which one is bright where the other is dark."""


def channels(
    modalities: list[Modality],
    images: list[Path],
    infos: list[CoregisterInfo],
    brain_mask: Path,
    tumor: Path,
    affine: Path,
    fixed_brain: Path,
) -> list[Channel]:
    """Correct, match and crop further modalities.

    Each goes the way of the primary image: N4 inside the primary's brain mask, histogram matching to an image of the
    template, crop by the primary's affine. A T2w image that has the template's T1w alone to be compared with is matched
    to it from bright to dark, so that outlines and fluid look alike.

    Parameters
    ----------
    modalities : list of Modality
        What there is.
    images : list of Path
        Each on the primary's grid (:func:`~.coregister.coregister`).
    infos : list of CoregisterInfo
        How each came there.
    brain_mask, tumor : Path
        Of the primary image, on its grid.
    affine : Path
        ITK transform, template points to points of the primary image.
    fixed_brain : Path
        The template's brain on the working grid.

    Returns
    -------
    channels : list of Channel
        In the same order; files in folders by the modalities' names.
    """
    found = []
    for modality, image, info in zip(modalities, images, infos, strict=True):
        folder = Path.cwd() / modality.name
        folder.mkdir(exist_ok=True)
        flags, moving, reverse = list(info.flags), None, (modality.name, modality.like) == REVERSED
        if info.share_of_brain < LEAST_SHARE:
            flags.append(
                f"{modality.image.name} shows {info.share_of_brain:.0%} of the brain: {modality.name} has no part in "
                "the registration"
            )
        else:
            with chdir(folder):  # the stages write into the current one
                corrected, _ = n4(image, brain_mask)
                matched, _ = match(corrected, brain_mask, tumor, modality.fixed, fixed_brain, reverse)
                moving = crop(matched, affine, modality.fixed)
        found.append(
            Channel(
                name=modality.name,
                file=modality.image.name,
                like=modality.like,
                reversed=reverse,
                coregistration=info,
                native=image,
                moving=moving,
                fixed=modality.fixed,
                notices=_notices(modality, reverse),
                flags=flags,
            )
        )
    return found


def _notices(modality: Modality, reverse: bool) -> list[str]:
    """What the template lacks; a T1w with contrast agent counts as one without."""
    if modality.like == modality.name.replace("T1ce", "T1w"):
        return []
    text = f"the template has no {modality.name} image: {modality.name} is compared with its {modality.like}"
    return [text + ", matched from bright to dark" * reverse]


Channels = task(channels, "channels")
