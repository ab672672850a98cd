"""Further modalities of a scan as a registration takes them: as the primary image, in its brain and by its affine."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

from ..task import task
from .crop import crop
from .further import LEAST_SHARE
from .match import match
from .records import Channel, FurtherImage, Modality

REVERSED = ("T2w", "T1w")
"""Modalities of a patient's and a template's image of which one is bright where the other is dark."""


def channels(
    modalities: list[Modality],
    further: list[FurtherImage],
    brain_mask: Path,
    tumor: Path,
    affine: Path,
    fixed_brain: Path,
) -> list[Channel]:
    """Match and crop further modalities.

    Each goes the way of the primary image: histogram matching to an image of the template, crop by the primary's
    affine. A T2w image that has the template's T1w alone to be compared with is matched to it from bright to dark, so
    that outlines and fluid look alike.

    Parameters
    ----------
    modalities : list of Modality
        What is compared.
    further : list of FurtherImage
        The session's further images, those among them, by :func:`~.further.further`.
    brain_mask, tumor : Path
        Of the primary image, on its grid.
    affine : Path
        ITK transform, template points to points of the primary image.
    fixed_brain : Path
        The template's brain on the working grid.

    Returns
    -------
    channels : list of Channel
        In the order of ``modalities``; files in folders by their names. An image that shows less than
        :data:`~.further.LEAST_SHARE` of the brain is left out: where it ends it would be compared with the template.
    """
    found, images = [], {each.name: each for each in further}
    for modality in modalities:
        own, moving, reverse = images[modality.name], None, (modality.name, modality.like) == REVERSED
        flags = list(own.flags)
        folder = Path.cwd() / modality.name
        folder.mkdir(exist_ok=True)
        if own.image is None or own.coregistration is None:
            flags.append(f"{modality.name} has no part in the registration")
        elif own.coregistration.share_of_brain < LEAST_SHARE:
            flags.append(
                f"{modality.image.name} shows {own.coregistration.share_of_brain:.0%} of the brain: {modality.name} "
                "has no part in the registration"
            )
        else:
            with chdir(folder):  # the stages write into the current one
                matched, _ = match(own.image, brain_mask, tumor, modality.fixed, fixed_brain, reverse)
                moving = crop(matched, affine, modality.fixed)
        found.append(
            Channel(
                name=modality.name,
                file=modality.image.name,
                like=modality.like,
                reversed=reverse,
                coregistration=own.coregistration,
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
