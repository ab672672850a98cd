"""Strong random changes of a real example: place, size and shape in one interpolation, then each sequence's looks.

An example is kept on voxels finer than the network's, smoothed for the network's (see
:func:`~gliomorph.interfaces.networks.grid.on_network_grid`), so that reading it turned and stretched blurs little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ..synthesis.chance import Chance
from ..unet import standardize

TURN = math.radians(10)
"""Largest angle about each axis."""
SCALE = (0.88, 1.2)
STRETCH = (0.94, 1.06)
"""Further scale of each axis."""
BENT = 0.5
"""Share of the examples that are bent."""
BEND_VOXELS = 8.0
"""Width of the bends, in the network's voxels."""
BEND = 0.7
"""Standard deviation of the displacement at the most, in the network's voxels."""
GAMMA = (0.6, 1.7)
BIAS = 0.25
"""Standard deviation of the bias field's logarithm at the most."""
BIAS_VOXELS = 16.0
"""Width of its bumps."""
OFF = 0.5
"""Fine voxels that an example is read off the middle: an even ratio then meets their centres, without a blur."""
NOISE = 0.25
"""Standard deviation of the noise at the most, in those of the brain."""


def placed(
    images: Tensor, labels: Tensor, shape: Sequence[int], ratio: float, chance: Chance | None = None
) -> tuple[Tensor, Tensor]:
    """An example on the network's voxels, around its middle; turned, scaled, mirrored and bent at random.

    Parameters
    ----------
    images : Tensor
        (C, X, Y, Z), standardised, 0 outside the brain.
    labels : Tensor
        (X, Y, Z).
    shape : sequence of int
        Voxels of the result; what lies beyond is cut off, what lies beyond the example is 0.
    ratio : float
        The network's voxels over those of the example.
    chance : Chance, optional
        None leaves the example as it is.

    Returns
    -------
    images : Tensor
        (C, *shape).
    labels : Tensor
        (*shape).
    """
    axes = [ratio * (torch.arange(n) - (n - 1) / 2) + OFF for n in shape]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    if chance is not None:
        points = _moved(points, shape, ratio, chance)
    size = torch.tensor(labels.shape)
    where = (2 * points / size).flip(-1)[None]  # torch's grids go from the last axis to the first
    there = (images != 0).any(0) if len(images) else labels > 0
    read = functional.grid_sample(images[None], where, align_corners=False)[0]
    exact = torch.stack([labels.float(), there.float()])[None]
    found, inside = functional.grid_sample(exact, where, mode="nearest", align_corners=False)[0]
    return read * inside, found.long()


def restored(found: Tensor, shape: Sequence[int], ratio: float) -> Tensor:
    """What was found on the network's voxels, on those of the example: the way back of :func:`placed`.

    Parameters
    ----------
    found : Tensor
        (C, x, y, z).
    shape : sequence of int
        X, Y, Z of the example.
    ratio : float
        As there.

    Returns
    -------
    found : Tensor
        (C, X, Y, Z), interpolated linearly; 0 beyond.
    """
    axes = [((torch.arange(n) - (n - 1) / 2) - OFF) / ratio for n in shape]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    where = (2 * points / torch.tensor(found.shape[1:])).flip(-1)[None]
    return functional.grid_sample(found[None], where, align_corners=False)[0]


def _moved(points: Tensor, shape: Sequence[int], ratio: float, chance: Chance) -> Tensor:
    """Points (X, Y, Z, 3), in voxels from the middle, after a random mirroring, turn, scale, shift and bend."""
    matrix = torch.eye(3)
    for axis in range(3):
        matrix = matrix @ _turn(axis, chance.uniform(-TURN, TURN))
    scale = chance.log_uniform(*SCALE)
    matrix = matrix * torch.tensor([scale * chance.log_uniform(*STRETCH) for _ in range(3)])
    if chance.happens(0.5):
        matrix = torch.diag(torch.tensor([-1.0, 1.0, 1.0])) @ matrix
    if chance.happens(BENT):
        waves = chance.field(shape, BEND_VOXELS, 3).movedim(0, -1)
        points = points + ratio * chance.uniform(0, BEND) * waves
    shift = torch.tensor([ratio * chance.uniform(-2, 2) for _ in range(3)])
    return points @ matrix.T + shift


def _turn(axis: int, angle: float) -> Tensor:
    matrix = torch.eye(3)
    one, other = (axis + 1) % 3, (axis + 2) % 3
    matrix[one, one] = matrix[other, other] = math.cos(angle)
    matrix[one, other], matrix[other, one] = -math.sin(angle), math.sin(angle)
    return matrix


def regraded(image: Tensor, chance: Chance) -> Tensor:
    """One sequence with another gamma, bias field, resolution and noise, standardised again.

    Parameters
    ----------
    image : Tensor
        (X, Y, Z), standardised in the brain, 0 outside.
    chance : Chance

    Returns
    -------
    image : Tensor
        0 stays 0.
    """
    brain = image != 0
    if not brain.any():
        return image
    low, high = image[brain].min(), image[brain].max()
    unit = ((image - low) / (high - low).clamp_min(1e-6)).clamp(1e-3, 1.0)
    if chance.happens(0.7):
        unit = unit ** chance.log_uniform(*GAMMA)
    if chance.happens(0.4):
        unit = unit * (chance.uniform(0, BIAS) * chance.field(image.shape, BIAS_VOXELS)[0]).exp()
    changed = standardize(unit * brain)
    if chance.happens(0.35):
        changed = _coarser(changed, chance)
    if chance.happens(0.3):
        changed = changed + chance.uniform(0, NOISE) * chance.normal(image.shape)
    tilt, shift = chance.uniform(0.85, 1.15), chance.uniform(-0.15, 0.15)
    return (standardize(changed * brain) * tilt + shift) * brain


def _coarser(image: Tensor, chance: Chance) -> Tensor:
    """Thick slices along one axis, or less resolution along all."""
    thick = [1, 1, 1]
    axis = chance.integer(4)
    if axis < 3:
        thick[axis] = 2 + chance.integer(2)
        whole = functional.avg_pool3d(image[None, None], thick, ceil_mode=True)
        blurred = functional.interpolate(whole, size=image.shape, mode="trilinear", align_corners=False)[0, 0]
    else:
        blurred = functional.avg_pool3d(image[None, None], 3, stride=1, padding=1)[0, 0]
    return torch.lerp(image, blurred, chance.uniform(0.4, 1.0))
