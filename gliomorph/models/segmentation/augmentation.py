"""Random changes of a training example that leave its truth known: mirror, shift of intensities, gamma (§3.5.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..synthesis.chance import Chance
from ..unet import standardize

SHIFT = 0.1
"""Largest shift of the intensities, in standard deviations of the brain."""
GAMMA = (0.7, 1.5)


def augment(images: Tensor, labels: Tensor, chance: Chance) -> tuple[Tensor, Tensor]:
    """A random variant of one example.

    Parameters
    ----------
    images : Tensor
        (C, X, Y, Z), standardised in the brain, 0 outside.
    labels : Tensor
        (X, Y, Z).
    chance : Chance

    Returns
    -------
    images : Tensor
        Gamma for each modality (over its own range, standardised again), then a shift; 0 stays 0.
    labels : Tensor
    """
    axes = [axis for axis in range(3) if chance.happens(0.5)]
    images, labels = images.flip([axis + 1 for axis in axes]), labels.flip(axes)
    return torch.stack([_regraded(image, chance) for image in images]), labels


def _regraded(image: Tensor, chance: Chance) -> Tensor:
    brain = image != 0
    if not brain.any():
        return image
    low, high = image[brain].min(), image[brain].max()
    unit = ((image - low) / (high - low).clamp_min(1e-6)).clamp(1e-4, 1.0)
    graded = standardize(unit ** chance.log_uniform(*GAMMA) * brain)
    return (graded + chance.uniform(-SHIFT, SHIFT)) * brain


def crop(images: Tensor, labels: Tensor, shape: tuple[int, ...], chance: Chance) -> tuple[Tensor, Tensor]:
    """A random box of ``shape`` voxels out of an example, padded with 0 where the example is smaller.

    Three boxes of four hold a voxel of the tumour, where there is one.
    """
    places = torch.nonzero(labels)
    wanted = places[chance.integer(len(places))] if len(places) and chance.happens(0.75) else None
    for axis, side in enumerate(shape):
        size = labels.shape[axis]
        low, high = 0, max(0, size - side)
        if wanted is not None:
            low, high = max(low, int(wanted[axis]) - side + 1), min(high, int(wanted[axis]))
        start = low + chance.integer(high - low + 1)
        images = images.narrow(axis + 1, start, min(side, size))
        labels = labels.narrow(axis, start, min(side, size))
    missing = [side - size for side, size in zip(shape, labels.shape, strict=True)]
    margins = [n for lack in reversed(missing) for n in (lack // 2, lack - lack // 2)]
    return torch.nn.functional.pad(images, margins), torch.nn.functional.pad(labels, margins)
