"""Displacement fields on regular grids, in two or three dimensions.

A displacement ``u`` is a tensor (batch, D, X, Y[, Z]) in voxels of its own grid: the map is x ↦ x + u(x), and
component ``i`` runs along array axis ``i`` (x first; the reversed order of ``grid_sample`` stays inside
:func:`warp`). Beyond the grid a field keeps its border value. Images are (batch, channels, X, Y[, Z]).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from . import jacobians, trilinear

Interpolation = Literal["linear", "nearest", "cubic"]


def identity_grid(displacement: Tensor) -> Tensor:
    """Voxel coordinates of the grid that ``displacement`` lives on.

    Returns
    -------
    grid : Tensor
        (1, D, X, Y[, Z]), same dtype and device; ``grid[0, i]`` is the index along axis ``i``.
    """
    axes = [
        torch.arange(size, dtype=displacement.dtype, device=displacement.device)
        for size in displacement.shape[2:]
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


def warp(image: Tensor, displacement: Tensor, interpolation: Interpolation = "linear") -> Tensor:
    """``image`` resampled by the map x ↦ x + u(x): the result at x is the image at x + u(x).

    Parameters
    ----------
    image : Tensor
        (batch, channels, X, Y[, Z]); beyond its grid it keeps its border value. Its grid may be larger than
        that of ``displacement``: both share the origin and the voxel size.
    displacement : Tensor
        (batch, D, …) in voxels.
    interpolation : {"linear", "nearest", "cubic"}
        Nearest is for labels (not differentiable); cubic is sharper and may leave the range of the image.

    Returns
    -------
    warped : Tensor
        (batch, channels, …) on the grid of ``displacement``.
    """
    dimension = displacement.shape[1]
    positions = [displacement[:, axis] + _axis(displacement, axis) for axis in range(dimension)]
    return sample(image, positions, interpolation)


def sample(image: Tensor, positions: list[Tensor], interpolation: Interpolation = "linear") -> Tensor:
    """``image`` (batch, channels, …) at ``positions``: one tensor (batch, …) of voxel coordinates an axis."""
    if interpolation == "cubic":
        return _sample_cubic(image, positions)
    if interpolation == "linear" and trilinear.serves(image, positions):
        return trilinear.read(image, positions)
    scaled = [
        position * (2.0 / max(size - 1, 1)) - 1.0
        for position, size in zip(positions, image.shape[2:], strict=True)
    ]
    mode = "nearest" if interpolation == "nearest" else "bilinear"
    return _grid_sample(image, torch.stack(scaled[::-1], dim=-1), mode)


WORTH_SHARING = 1 << 15
"""Points from which on threads gain more than they cost."""

MOST_SLABS = 8
"""The backward pass holds one gradient of the image for each."""


def _grid_sample(image: Tensor, grid: Tensor, mode: str) -> Tensor:
    """torch's ``grid_sample``, whose threads on CPU share batches only: one pair is made a batch of slabs."""
    shape, count = grid.shape[1:-1], grid[0, ..., 0].numel()
    threads = min(torch.get_num_threads(), MOST_SLABS)
    read = partial(functional.grid_sample, mode=mode, padding_mode="border", align_corners=True)
    if image.is_cuda or len(image) * len(grid) > 1 or threads == 1 or count < WORTH_SHARING:
        return read(image, grid)
    points = functional.pad(grid.reshape(count, -1), (0, 0, 0, -count % threads))
    slabs = points.view(threads, *[1] * (len(shape) - 1), -1, len(shape))
    sampled = read(image.expand(threads, *image.shape[1:]), slabs)
    return sampled.movedim(0, 1).reshape(1, image.shape[1], -1)[..., :count].view(1, -1, *shape)


def _sample_cubic(image: Tensor, positions: list[Tensor]) -> Tensor:
    """Cubic convolution (Keys 1981, a = −½: exact for quadratics); torch has it for two dimensions only."""
    sizes = image.shape[2:]
    lower = [position.floor() for position in positions]
    weights = [_keys_weights(p - low) for p, low in zip(positions, lower, strict=True)]
    flat = image.flatten(2)
    total = image.new_zeros(*image.shape[:2], *positions[0].shape[1:])
    for taps in product(range(4), repeat=len(sizes)):
        index, weight = torch.zeros_like(lower[0], dtype=torch.long), torch.ones_like(lower[0])
        for tap, low, size, axis_weights in zip(taps, lower, sizes, weights, strict=True):
            index = index * size + (low + (tap - 1)).clamp(0, size - 1).long()
            weight = weight * axis_weights[tap]
        chosen = index.flatten(1)[:, None].expand(-1, image.shape[1], -1)
        total = total + weight[:, None] * flat.gather(2, chosen).view_as(total)
    return total


def _keys_weights(t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights of the voxels at −1, 0, 1, 2 from the lower neighbour, ``t`` in [0, 1) beyond it."""
    return (
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


def _axis(field: Tensor, axis: int) -> Tensor:
    """Indices along spatial ``axis``, shaped to broadcast over (batch, X, Y[, Z])."""
    size = field.shape[axis + 2]
    shape = [1] * (field.dim() - 1)
    shape[axis + 1] = size
    return torch.arange(size, dtype=field.dtype, device=field.device).view(shape)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """Displacement of the map x ↦ outer(inner(x)): ``inner + outer∘(Id + inner)``.

    Both are (batch, D, …) in voxels of one grid.
    """
    return inner + warp(outer, inner)


def exponential(velocity: Tensor, squarings: int) -> Tensor:
    """Displacement of the flow of a stationary velocity at time 1: (Id + v / 2^n) composed 2^n times.

    Parameters
    ----------
    velocity : Tensor
        (batch, D, …) in voxels per unit time.
    squarings : int
        n.
    """
    displacement = velocity / 2**squarings
    for _ in range(squarings):
        displacement = compose(displacement, displacement)
    return displacement


def invert(displacement: Tensor, start: Tensor | None = None, iterations: int = 10) -> Tensor:
    """Displacement of the inverse map, by the fixed point w ← −u∘(Id + w).

    It converges where u is a contraction; the means of successive iterates are taken (w ← ½(w − u∘(Id + w))),
    which also converges for steeper diffeomorphisms.

    Parameters
    ----------
    displacement : Tensor
        (batch, D, …) in voxels.
    start : Tensor, optional
        First guess; −u where not given.
    iterations : int
        Number of warps.

    Returns
    -------
    inverse : Tensor
        (batch, D, …) in voxels of the same grid.
    """
    inverse = -displacement if start is None else start
    for _ in range(iterations):
        inverse = 0.5 * (inverse - warp(displacement, inverse))
    return inverse


def returning(inverse: Tensor, displacement: Tensor) -> Tensor:
    """An inverse that brings the points of a displacement's grid back, where it is read linearly between its voxels.

    :func:`invert` answers for the inverse's own voxels; the places to which a map takes the voxels of its grid lie
    between them, where linear interpolation errs. What such points miss their beginnings by is taken off once.

    Parameters
    ----------
    inverse, displacement : Tensor
        (batch, D, …) in voxels of one grid; ``inverse`` as :func:`invert` finds it.
    """
    missed = compose(inverse, displacement)
    return inverse - warp(missed, inverse)


def columns(values: Sequence[float], like: Tensor) -> Tensor:
    """One value a component, shaped (1, D, 1, …): it broadcasts over a vector field (batch, D, X, Y[, Z])."""
    column = torch.tensor(values, dtype=like.dtype, device=like.device)
    return column.view(1, -1, *[1] * len(values))


def gradient(image: Tensor, spacing_mm: Sequence[float] | None = None) -> Tensor:
    """Central differences (one-sided at the border).

    Parameters
    ----------
    image : Tensor
        (batch, channels, X, Y[, Z]).
    spacing_mm : sequence of float, optional
        Voxel size along each axis: differences per mm; per voxel without it.

    Returns
    -------
    gradient : Tensor
        (batch, channels, D, X, Y[, Z]); an axis of length one has gradient 0.
    """
    per_voxel = torch.stack([_difference(image, axis) for axis in range(2, image.dim())], dim=2)
    return per_voxel if spacing_mm is None else per_voxel / columns(spacing_mm, image)


def _difference(image: Tensor, axis: int) -> Tensor:
    size = image.shape[axis]
    if size == 1:
        return torch.zeros_like(image)
    first = image.narrow(axis, 1, 1) - image.narrow(axis, 0, 1)
    last = image.narrow(axis, size - 1, 1) - image.narrow(axis, size - 2, 1)
    inner = 0.5 * (image.narrow(axis, 2, size - 2) - image.narrow(axis, 0, size - 2))
    return torch.cat([first, inner, last], dim=axis)


def divergence(field: Tensor, spacing_mm: Sequence[float] | None = None) -> Tensor:
    """Σ_i ∂_i f_i, (batch, 1, …), of a vector field (batch, D, …).

    With ``spacing_mm`` the field is in mm (and so is the derivative); without, both are in voxels.
    """
    parts = torch.cat([_difference(field[:, axis : axis + 1], axis + 2) for axis in range(field.shape[1])], 1)
    return (parts if spacing_mm is None else parts / columns(spacing_mm, field)).sum(1, keepdim=True)


def jacobian(displacement: Tensor) -> Tensor:
    """Derivative of x ↦ x + u(x).

    Returns
    -------
    jacobian : Tensor
        (batch, D, D, …): entry ``[:, i, j]`` is ∂_j (x_i + u_i); the identity gives the unit matrix exactly.
    """
    derivative = gradient(displacement)
    unit = torch.eye(displacement.shape[1], dtype=derivative.dtype, device=derivative.device)
    return derivative + unit.view(*unit.shape, *[1] * (displacement.dim() - 2))


def determinant(matrix: Tensor) -> Tensor:
    """Determinants (batch, 1, …) of 2×2 or 3×3 matrices (batch, D, D, …), entry by entry."""
    return jacobians.determinant([row.unbind(1) for row in matrix.unbind(1)])[:, None]


def resize(displacement: Tensor, shape: Sequence[int]) -> Tensor:
    """The map on another grid over the same box, linearly and in that grid's voxels.

    Parameters
    ----------
    displacement : Tensor
        (batch, D, …) in voxels of its own grid.
    shape : sequence of int
        Grid wanted; the outer faces of its voxels lie on those of the first.
    """
    before = displacement.shape[2:]
    if tuple(before) == tuple(shape):
        return displacement
    resized = stretch(displacement, shape)
    return resized * columns([new / old for new, old in zip(shape, before, strict=True)], displacement)


def stretch(image: Tensor, shape: Sequence[int]) -> Tensor:
    """``image`` (batch, channels, …) read linearly on a grid of ``shape`` over the same box."""
    mode = "trilinear" if image.dim() == 5 else "bilinear"
    return functional.interpolate(image, size=tuple(shape), mode=mode, align_corners=False)


def dilate(mask: Tensor, margin_mm: float, spacing_mm: Sequence[float]) -> Tensor:
    """The greatest value of ``mask`` (batch, channels, …) in a box of ±``margin_mm`` around each voxel."""
    pool = functional.max_pool3d if mask.dim() == 5 else functional.max_pool2d
    reach = [round(margin_mm / mm) for mm in spacing_mm]
    for axis, voxels in enumerate(reach):
        only = [voxels if other == axis else 0 for other in range(len(reach))]
        mask = pool(mask, [2 * count + 1 for count in only], stride=1, padding=only)
    return mask


def jacobian_determinant(displacement: Tensor) -> Tensor:
    """det D(Id + u), shape (batch, 1, …): local change of volume; not positive where the map folds."""
    return determinant(jacobian(displacement))
