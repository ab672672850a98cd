"""From a network's scores to tumour labels: probabilities of a whole head, and how they are decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..unet import CLASSES, UNet

NCR, ED, ET = range(1, CLASSES)
"""Class indices; 0 is background."""
SMALL_ET_MM3 = 20
"""Less enhancing tumour than this is read as necrosis: 20 voxels of 1 mm (§3.5.2)."""
SURE = 0.7
"""Probability of all tumour classes together from which there is no doubt."""
LEAST_WEIGHT = 1e-3
"""What a voxel in a window's corner counts at least, against 1 in its middle."""


@torch.inference_mode()
def probabilities(
    network: UNet,
    images: Tensor,
    window: Sequence[int] | None = None,
    mirrored: bool = False,
    mixed_precision: bool = True,
    batch: int = 1,
) -> Tensor:
    """Probabilities of the classes, on the network's device.

    Parameters
    ----------
    network : UNet
        In evaluation mode.
    images : Tensor
        (C, X, Y, Z), standardised, sides divisible by 8.
    window : sequence of int, optional
        Compute in overlapping windows of this many voxels, blended with Gaussian weights, where memory is short;
        the whole head in one pass if not given.
    mirrored : bool
        The mean of the head's and its mirror image's (first axis): twice the time.
    mixed_precision : bool
        On a GPU, half precision where it is safe.
    batch : int
        Heads, or windows, that the network sees in one pass: with 2 or more the head and its mirror image.

    Returns
    -------
    probabilities : Tensor
        (4, X, Y, Z), float32; they sum to 1.
    """
    device = next(network.parameters()).device
    head = images[None].to(device)

    def softmax(part: Tensor) -> Tensor:
        with torch.autocast(device.type, enabled=mixed_precision and device.type == "cuda"):
            scores = network(part)
        return scores.float().softmax(1)

    def whole(part: Tensor) -> Tensor:
        if window is None or all(side <= most for side, most in zip(part.shape[2:], window, strict=True)):
            return softmax(part)
        return _blended(softmax, part, window, batch)

    if not mirrored:
        return whole(head)[0]
    if batch > 1:
        straight, other = whole(torch.cat([head, head.flip(2)]))
    else:
        straight, other = whole(head)[0], whole(head.flip(2))[0]
    return 0.5 * (straight + other.flip(1))


def _blended(softmax: Callable[[Tensor], Tensor], heads: Tensor, window: Sequence[int], batch: int) -> Tensor:
    """Probabilities from windows that overlap by half, with Gaussian weights; a shorter head has zeros around it."""
    lacks = [max(size - side, 0) for side, size in zip(heads.shape[2:], window, strict=True)]
    padded = functional.pad(heads, [n for lack in reversed(lacks) for n in (lack // 2, lack - lack // 2)])
    weight = padded.new_ones(())
    along: list[list[slice]] = []
    for side, size in zip(padded.shape[2:], window, strict=True):
        distance = torch.arange(size, device=padded.device) - (size - 1) / 2
        weight = weight[..., None] * torch.exp(distance**2 / (-2 * (size / 8) ** 2))
        last = side - size
        along.append([slice(start, start + size) for start in (*range(0, last, max(size // 2, 1)), last)])
    weight = weight.clamp(min=LEAST_WEIGHT)
    places = [(slice(n, n + 1), slice(None), *box) for n in range(len(heads)) for box in product(*along)]
    total = padded.new_zeros(len(heads), CLASSES, *padded.shape[2:])
    weights = torch.zeros_like(total[:, :1])
    for first in range(0, len(places), batch):
        group = places[first : first + batch]
        for place, part in zip(group, softmax(torch.cat([padded[place] for place in group])), strict=True):
            total[place] += part * weight
            weights[place] += weight
    inner = (slice(lack // 2, lack // 2 + side) for lack, side in zip(lacks, heads.shape[2:], strict=True))
    blended = (total / weights)[:, :, *inner]
    return blended / blended.sum(1, keepdim=True)


def decide(probabilities: np.ndarray, voxel_mm3: float = 1.0, threshold: float = 0.5) -> np.ndarray:
    """Class indices, from the whole to its parts.

    Tumour where its classes together reach a threshold; within it core (NCR and ET) where that outweighs oedema;
    within the core the heavier of both. Less than :data:`SMALL_ET_MM3` of enhancing tumour becomes necrosis.

    Parameters
    ----------
    probabilities : ndarray
        (4, X, Y, Z).
    voxel_mm3 : float
        Volume of a voxel.
    threshold : float

    Returns
    -------
    classes : ndarray
        (X, Y, Z), uint8.
    """
    _, ncr, ed, et = probabilities
    core = np.where(et > ncr, ET, NCR)
    classes = np.where(ncr + ed + et >= threshold, np.where(ed > ncr + et, ED, core), 0).astype(np.uint8)
    enhancing = classes == ET
    if np.count_nonzero(enhancing) * voxel_mm3 < SMALL_ET_MM3:
        classes[enhancing] = NCR
    return classes


def sure_ml(probabilities: np.ndarray, voxel_mm3: float) -> float:
    """Volume in ml that is tumour beyond doubt, of probabilities (4, X, Y, Z)."""
    return float(np.count_nonzero(probabilities[1:].sum(axis=0) >= SURE)) * voxel_mm3 / 1000


def region_probabilities(probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Probabilities of the nested regions WT, TC and ET, (X, Y, Z) each, from those of the classes."""
    _, ncr, ed, et = probabilities
    return {"WT": ncr + ed + et, "TC": ncr + et, "ET": et}
