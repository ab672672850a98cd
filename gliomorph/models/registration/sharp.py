"""Appearance at full resolution, from a network whose path was found on coarser voxels.

The kernel discards what coarse voxels lose of the shape, but appearance is added to the image as it is. Inside the
box that the tumour sweeps, the residual blocks are therefore run once more on full-resolution voxels, along the
path that is known already.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from .. import geometry
from ..kernels import in_voxels
from .pair import Pair

MARGIN = 4
"""Voxels around the tumour's sweep: the receptive field of a block, and one."""

Box = tuple[slice, ...]


def sharp_change(
    blocks: nn.ModuleList,
    start: Tensor,
    pair: Pair,
    states: Sequence[tuple[Tensor, Tensor]],
    rate: float,
    checkpointed: bool,
) -> Tensor:
    """A_1 on the grid of ``pair``, 0 outside the box.

    Parameters
    ----------
    blocks : ModuleList
        f_θt.
    start : Tensor
        z_0 on any grid over the box of the images, (1, C, …).
    pair : Pair
        At full resolution.
    states : sequence of (Tensor, Tensor)
        ψ_t − Id and φ_t − Id at each step, on any grid, in its voxels.
    rate : float
        Intensity per unit of z and time: μ² times the unit of z.
    checkpointed : bool
        Compute each step again in the backward pass.
    """
    box = swept(pair, [backward for backward, _ in states])
    inside: tuple[Any, ...] = (..., *box)
    corner = geometry.columns([float(part.start) for part in box], pair.moving)
    own = geometry.identity_grid(pair.moving[inside]) + corner
    mask, fixed = pair.mask[inside], pair.fixed[inside]
    z = geometry.stretch(start, pair.shape)[inside].expand_as(fixed)
    change = torch.zeros_like(fixed)
    source = torch.cat([pair.moving, pair.mask], 1)

    def advance(
        block: nn.Module, z: Tensor, change: Tensor, backward: Tensor, forward: Tensor
    ) -> tuple[Tensor, Tensor]:
        there = own + in_voxels(backward, pair.shape)[inside]
        image, moved = geometry.sample(source, _axes(there)).split([fixed.shape[1], 1], 1)
        image = image + geometry.sample(mask * change, _axes(there - corner))
        z = z - block(z, image, fixed, moved) / len(blocks)
        after = own + in_voxels(forward, pair.shape)[inside] - corner
        return z, change + (rate / len(blocks)) * geometry.sample(z, _axes(after))

    for block, maps in zip(blocks, states, strict=True):
        state = (block, z, change, *maps)
        z, change = checkpoint(advance, *state, use_reentrant=False) if checkpointed else advance(*state)
    whole = torch.zeros_like(pair.moving)
    whole[inside] = change
    return whole


def swept(pair: Pair, backward: Sequence[Tensor]) -> Box:
    """The smallest box, in voxels of ``pair``, that holds every moved mask of the batch and a margin.

    A batch without any tumour has a box of one voxel and its margin.
    """
    coarse = functional.adaptive_max_pool3d if pair.moving.dim() == 5 else functional.adaptive_max_pool2d
    nodes = backward[0].shape[2:]
    small = coarse(pair.mask, tuple(nodes))
    covered = torch.stack([geometry.warp(small, u).amax(dim=(0, 1)) > 0 for u in backward]).any(0)
    box = []
    for axis, (size, count) in enumerate(zip(pair.shape, nodes, strict=True)):
        found = covered.movedim(axis, 0).flatten(1).any(1).nonzero().flatten()
        first, last = (int(found[0]), int(found[-1])) if len(found) else (0, 0)
        low = max(0, math.floor(first * size / count) - MARGIN)
        high = min(size, math.ceil((last + 1) * size / count) + MARGIN)
        box.append(slice(low, high))
    return tuple(box)


def _axes(positions: Tensor) -> list[Tensor]:
    return list(positions.unbind(1))
