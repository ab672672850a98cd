"""What scanners and skull-stripping do to an image: blur, thick slices, bias, ghosts, noise, gamma, edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .chance import Chance

THICKEST_MM = 6.5
CORRECTED = 0.6
"""Share of the images whose bias field was corrected."""
LATTICE_MM = 8.0
"""Of the field that a correction takes away."""
CORRECTION_MM = 40.0
"""Box over which a correction takes the mean, twice: about what the finest splines of N4 follow."""


def sample_mask(brain: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """What a skull-stripping left of the head, bool (X, Y, Z): too much here, too little there, cut at an end.

    Parameters
    ----------
    brain : Tensor
        (X, Y, Z), share of brain in every voxel.
    voxel_mm : float
    chance : Chance
    """
    reach = max(1, round(4.0 / voxel_mm))
    smooth = box_mean(brain, reach)
    wander = 0.1 * chance.uniform(0.0, 1.5) * chance.field(brain.shape, 12.0 / voxel_mm)[0]
    stripped = smooth > 0.5 + chance.uniform(-0.12, 0.12) + wander
    mask = stripped & (brain > 0.3) if chance.happens(0.7) else (brain > 0.5)
    if chance.happens(0.15):
        margin = round(chance.uniform(4.0, 16.0) / voxel_mm)
        filled = torch.nonzero(mask.flatten(0, 1).any(0))[:, 0]
        if len(filled):
            cut = int(filled[0]) + margin if chance.happens(0.7) else int(filled[-1]) - margin
            mask[..., :cut] &= cut > brain.shape[2] // 2
            mask[..., cut:] &= cut <= brain.shape[2] // 2
    return mask


def corrupt(signal: Tensor, mask: Tensor, voxel_mm: float, chance: Chance, good_scan: bool = False) -> Tensor:
    """The image of a signal: (X, Y, Z), 0 outside ``mask``, positive inside.

    Parameters
    ----------
    signal : Tensor
        (X, Y, Z), of the order of 1.
    mask : Tensor
        Bool, (X, Y, Z).
    voxel_mm : float
    chance : Chance
    good_scan : bool
        Bias and a little noise alone.
    """
    image = signal if good_scan else _distorted(signal, mask, voxel_mm, chance)
    image = image * torch.exp(chance.uniform(0.0, 0.08) * chance.field(image.shape, 40.0 / voxel_mm)[0])
    noise = chance.log_uniform(0.003, 0.02 if good_scan else 0.04)
    image = torch.hypot(image + noise * chance.normal(image.shape), noise * chance.normal(image.shape))
    if chance.happens(CORRECTED):
        image = bias_corrected(image, mask, voxel_mm, chance.uniform(0.0, 1.0))
    top = image[mask].max() if mask.any() else image.max()
    image = (image / top.clamp_min(1e-6)).clamp(1e-4, 1.0)
    return (image if good_scan else image ** chance.log_uniform(0.8, 1.25)) * mask


def _distorted(image: Tensor, mask: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """Thick slices, blur, a bright edge, ghosts: each now and then."""
    if chance.happens(0.3):
        image = thick_slices(image, chance.integer(3), chance.uniform(2.0, THICKEST_MM) / voxel_mm)
    if chance.happens(0.5):
        image = functional.avg_pool3d(image[None, None], 3, 1, 1, count_include_pad=False)[0, 0].lerp(
            image, chance.uniform(0.2, 1.0)
        )
    if chance.happens(0.3):
        image = image * (1 + chance.uniform(0.0, 1.0) * bright_rim(mask, chance, voxel_mm))
    if chance.happens(0.1):
        axis, shift = chance.integer(3), chance.integer(image.shape[0] // 2)
        image = image + chance.uniform(0.0, 0.05) * (image.roll(shift, axis) + image.roll(-shift, axis))
    return image


def bias_corrected(image: Tensor, mask: Tensor, voxel_mm: float, strength: float) -> Tensor:
    """``image`` without ``strength`` of its slow changes: a correction takes some of the anatomy's for bias, too.

    White matter in the middle of the brain becomes darker, cortex brighter (as by N4).

    Parameters
    ----------
    image : Tensor
        (X, Y, Z), at least 0.
    mask : Tensor
        Bool, (X, Y, Z).
    voxel_mm : float
    strength : float
        In [0, 1].
    """
    step = max(1, round(LATTICE_MM / voxel_mm))
    inside = mask.float()
    parts = torch.stack([image.clamp_min(0.02).log() * inside, inside])[:, None]
    coarse = functional.avg_pool3d(parts, step, ceil_mode=True)[:, 0]
    reach = min(round(0.5 * CORRECTION_MM / (step * voxel_mm)), (min(coarse.shape[1:]) - 1) // 2)
    sums, weight = (box_mean(box_mean(part, reach), reach) for part in coarse)
    slow = sums / weight.clamp_min(1e-3)
    level = (slow * weight).sum() / weight.sum().clamp_min(1e-3)
    gain = torch.exp(strength * (level - slow))[None, None]
    return image * functional.interpolate(gain, size=image.shape, mode="trilinear", align_corners=False)[0, 0]


def thick_slices(image: Tensor, axis: int, thickness: float) -> Tensor:
    """``image`` averaged over slices of ``thickness`` voxels along ``axis`` and interpolated back."""
    size = list(image.shape)
    size[axis] = max(2, round(size[axis] / max(1.0, thickness)))
    thick = functional.adaptive_avg_pool3d(image[None, None], (size[0], size[1], size[2]))
    return functional.interpolate(thick, size=image.shape, mode="trilinear", align_corners=False)[0, 0]


def bright_rim(mask: Tensor, chance: Chance, voxel_mm: float) -> Tensor:
    """Near 1 on stretches of the mask's edge, one voxel deep; 0 elsewhere."""
    inner = -functional.max_pool3d(-mask[None, None].float(), 3, 1, 1)[0, 0]
    stretches = torch.sigmoid(3 * chance.field(mask.shape, 15.0 / voxel_mm)[0])
    return (mask.float() - inner).clamp_min(0) * stretches


def box_mean(image: Tensor, reach: int) -> Tensor:
    """Mean over ``reach`` voxels to each side, one axis after the other; 0 lies beyond the grid."""
    mean = image[None, None]
    for axis in range(3):
        sides, margins = [1, 1, 1], [0, 0, 0]
        sides[axis], margins[axis] = 2 * reach + 1, reach
        mean = functional.avg_pool3d(mean, sides, 1, margins)
    return mean[0, 0]
