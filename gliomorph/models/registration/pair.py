"""What every registration of a pair takes and gives: checked input, one kind of result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from .. import geometry
from ..kernels import in_voxels, overlaps, separable
from .shooting import Path

Progress = Callable[[dict[str, Any]], None]
"""Called with each new entry of the energy's history."""


@attrs.frozen(kw_only=True)
class Registration:
    """The outcome of a registration; float32, displacements in voxels of the working grid (D axes)."""

    displacement: np.ndarray = attrs.field(repr=False)
    """(D, X, Y[, Z]), forward: the fixed point x corresponds to x + u(x) in the moving image. It resamples the moving
    image onto the fixed one."""
    inverse_displacement: np.ndarray = attrs.field(repr=False)
    """(D, X, Y[, Z]), from moving points to fixed ones: inverse of the former."""
    appearance: np.ndarray = attrs.field(repr=False)
    """Shape of the moving image, in the fixed frame, to add to the warped moving image; 0 where the tumour mask,
    warped linearly, is below ½."""
    energy: list[dict[str, Any]] = attrs.field(repr=False)
    """One an iteration: ``level`` (0 is the coarsest), ``stage`` (shape or appearance), ``iteration``,
    ``similarity``, ``regularisation``. Of a network: its path's energy."""
    momentum: np.ndarray | None = attrs.field(default=None, repr=False)
    """z_0 where the method is a shooting, (C, X, Y[, Z]) on its finest level: a start for another one."""


@attrs.frozen(kw_only=True, eq=False)
class Pair:
    """Images to register, a batch of them on one grid and one device."""

    moving: Tensor
    fixed: Tensor
    """``moving``, ``fixed``: (batch, C, X, Y[, Z]), C modalities, intensities in [0, 1]."""
    mask: Tensor
    """(batch, 1, X, Y[, Z]), the tumour in the moving frame, in [0, 1]."""
    brain: Tensor
    """(batch, 1, X, Y[, Z]), where images are compared, in the fixed frame, in [0, 1]."""
    spacing_mm: tuple[float, ...]
    """Voxel size along each axis."""
    has_channels: bool = True
    """Whether the images came with an axis of channels, which the result's appearance then has too."""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.moving.shape[2:])

    def to(self, device: torch.device) -> Pair:
        """The pair on another device."""
        return self._with(lambda image: image.to(device))

    def at(self, shape: Sequence[int]) -> Pair:
        """The pair on another grid over the same box, by mean values over its voxels."""
        if tuple(shape) == self.shape:
            return self
        spacing = tuple(mm * n / m for mm, n, m in zip(self.spacing_mm, self.shape, shape, strict=True))

        def resize(image: Tensor) -> Tensor:
            sizes = zip(self.shape, shape, strict=True)
            return separable([overlaps(before, after).to(image) for before, after in sizes], image)

        return attrs.evolve(self._with(resize), spacing_mm=spacing)

    def _with(self, change: Callable[[Tensor], Tensor]) -> Pair:
        return attrs.evolve(
            self,
            moving=change(self.moving),
            fixed=change(self.fixed),
            mask=change(self.mask),
            brain=change(self.brain),
        )


def pair_of(
    moving: np.ndarray,
    fixed: np.ndarray,
    tumor_mask: np.ndarray | None,
    spacing_mm: Sequence[float],
    brain_mask: np.ndarray | None = None,
    device: str | torch.device = "cpu",
) -> Pair:
    """Arrays as a checked :class:`Pair` of batch one.

    Parameters
    ----------
    moving, fixed : ndarray
        (X, Y[, Z]) or (C, X, Y[, Z]) for C modalities, intensities in [0, 1], affinely aligned on one grid and
        histogram-matched.
    tumor_mask : ndarray or None
        (X, Y[, Z]), values {0, 1}, on ``moving``; none is an empty one.
    spacing_mm : sequence of float
        Voxel size along each axis; their number tells a channel axis from a spatial one.
    brain_mask : ndarray, optional
        (X, Y[, Z]), values {0, 1}, on ``fixed``: where the images are compared; everywhere without it.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    pair : Pair

    Raises
    ------
    ValueError
        Shapes or channels that differ, values that are not finite, a mask with other values than 0 and 1.
    """
    spacing = _checked_spacing(spacing_mm, moving.ndim)
    if fixed.shape != moving.shape:
        raise ValueError(
            "moving and fixed have to share one grid and their channels: "
            f"moving has shape {moving.shape}, fixed {fixed.shape}"
        )
    grid = moving.shape[-len(spacing) :]
    mask = np.zeros(grid) if tumor_mask is None else tumor_mask
    brain = np.ones(grid) if brain_mask is None else brain_mask
    for name, array in (("moving", moving), ("fixed", fixed)):
        if unusable := int(np.count_nonzero(~np.isfinite(array))):
            raise ValueError(f"{name} has to be finite: {unusable} of {array.size} voxels are not")
    for name, array in (("tumor_mask", mask), ("brain_mask", brain)):
        if array.shape != grid:
            raise ValueError(
                f"moving and {name} have to share one grid: moving has {grid}, {name} {array.shape}"
            )
        if not np.isin(array, (0, 1)).all():
            raise ValueError(f"{name} has to hold 0 and 1 only, found {np.unique(array)[:6].tolist()}")

    def tensor(array: np.ndarray) -> Tensor:
        voxels = torch.as_tensor(np.ascontiguousarray(array, dtype=np.float32), device=device)
        return voxels.reshape(1, -1, *grid)

    return Pair(
        moving=tensor(moving),
        fixed=tensor(fixed),
        mask=tensor(mask),
        brain=tensor(brain),
        spacing_mm=spacing,
        has_channels=moving.ndim > len(grid),
    )


def _checked_spacing(spacing_mm: Sequence[float], axes: int) -> tuple[float, ...]:
    spacing = tuple(float(size) for size in spacing_mm)
    if len(spacing) not in (2, 3) or axes - len(spacing) not in (0, 1):
        raise ValueError(
            "spacing_mm has to give 2 or 3 sizes, and images that many axes (or one more, for channels): "
            f"got {len(spacing)} sizes and {axes} axes"
        )
    if not all(np.isfinite(size) and size > 0 for size in spacing):
        raise ValueError(f"spacing_mm has to give positive sizes in mm, got {spacing}")
    return spacing


@torch.no_grad()
def finished(
    path: Path,
    pair: Pair,
    where: Tensor,
    energy: list[dict[str, Any]],
    momentum: Tensor | None = None,
    inverting: int = 10,
) -> Registration:
    """The result of a path at the full resolution of ``pair`` (batch one).

    Parameters
    ----------
    path : Path
        Its maps on any grid over the pair's box, its change on any too.
    pair : Pair
        At full resolution.
    where : Tensor
        m_0 at full resolution, (1, 1, …).
    energy : list of dict
        As in :class:`Registration`.
    momentum : Tensor, optional
        z_0.
    inverting : int
        Iterations that make the path's forward map the inverse of its backward one.
    """
    displacement = in_voxels(path.backward, pair.shape)
    inverse = geometry.invert(displacement, in_voxels(path.forward, pair.shape), inverting)
    appearance = torch.zeros_like(pair.moving)
    if path.change is not None:
        change = where * geometry.stretch(path.change, pair.shape)
        channels = change.shape[1]
        warped, inside = geometry.warp(torch.cat([change, where], 1), displacement).split([channels, 1], 1)
        appearance = warped * (inside >= 0.5)
    return Registration(
        displacement=displacement[0].cpu().numpy(),
        inverse_displacement=inverse[0].cpu().numpy(),
        appearance=appearance[0, slice(None) if pair.has_channels else 0].cpu().numpy(),
        energy=energy,
        momentum=None if momentum is None else momentum[0].cpu().numpy(),
    )
