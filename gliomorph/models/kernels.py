"""Gaussian reproducing kernels whose velocity lives on a coarse grid.

A Gaussian is a low-pass: what it lets through fits on a grid of half its width. A field is therefore taken
to the coarse grid (:meth:`Kernel.restrict`), smoothed there, and brought back (:meth:`Kernel.prolong`), all
three as one small matrix per axis in the cosine basis (DCT-II: the field is reflected at the border).
Both grids cover the same box, cell by cell, so that any pair of shapes goes together.

The kernel is U G Uᵀ with a G that is diagonal and positive in that basis: the norm it defines is positive by
construction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from .geometry import columns

NODES_PER_SIGMA = 2.0
"""Coarse nodes in one standard deviation. At their Nyquist frequency the spectrum is exp(−½(2π)²) = 3e-9; the
linear interpolation of the maps is what asks for so many (measured: off by 1.5 %, with 1.5 nodes 2.5 %)."""


class Kernel:
    """Sum of Gaussians, each normalised to sum 1, with equal weights that add up to 1.

    Parameters
    ----------
    shape : sequence of int
        Fine grid.
    spacing_mm : sequence of float
        Its voxels, one size an axis.
    sigma_mm : sequence of float
        Standard deviations in mm.
    nodes_per_sigma : float
        Density of the coarse grid; the narrowest Gaussian counts. It is never finer than the fine grid.
    like : Tensor, optional
        Gives dtype and device (float32 on the CPU where not given).
    """

    def __init__(
        self,
        shape: Sequence[int],
        spacing_mm: Sequence[float],
        sigma_mm: Sequence[float],
        nodes_per_sigma: float = NODES_PER_SIGMA,
        like: Tensor | None = None,
    ) -> None:
        self.fine_shape = tuple(shape)
        sides = [size * spacing for size, spacing in zip(shape, spacing_mm, strict=True)]
        self.coarse_shape = tuple(
            min(size, math.ceil(side * nodes_per_sigma / min(sigma_mm)))
            for size, side in zip(shape, sides, strict=True)
        )
        self.coarse_mm = tuple(side / size for side, size in zip(sides, self.coarse_shape, strict=True))
        self.voxels_per_node = math.prod(self.fine_shape) / math.prod(self.coarse_shape)
        self._like = torch.empty(0) if like is None else like
        self._cosines = [self._matrix(cosines(size, size)) for size in self.coarse_shape]
        self.transfer = self._transfer(sides, sigma_mm)

    def _matrix(self, matrix: Tensor) -> Tensor:
        return matrix.to(dtype=self._like.dtype, device=self._like.device)

    def _transfer(self, sides: Sequence[float], sigma_mm: Sequence[float]) -> Tensor:
        """Mean over the widths σ of exp(−½ σ² |ω|²), ω_k = πk / side: (X, Y[, Z]), in (0, 1]."""
        axes = [
            torch.arange(count, dtype=torch.float64) * (math.pi / side)
            for count, side in zip(self.coarse_shape, sides, strict=True)
        ]
        squared = sum(omega**2 for omega in torch.meshgrid(*axes, indexing="ij"))
        assert isinstance(squared, Tensor)
        return self._matrix(torch.stack([torch.exp(-0.5 * s**2 * squared) for s in sigma_mm]).mean(0))

    def restrict(self, fine: Tensor) -> Tensor:
        """Fine (batch, channels, …) to the coarse grid: band-limited, and a constant stays what it is."""
        return resample(fine, self.coarse_shape)

    def prolong(self, coarse: Tensor, shape: Sequence[int] | None = None) -> Tensor:
        """Coarse (batch, channels, …) to the fine grid, or to any other over the same box."""
        return resample(coarse, self.fine_shape if shape is None else shape)

    def smooth(self, coarse: Tensor) -> Tensor:
        """The kernel applied on the coarse grid."""
        coefficients = separable([matrix.T for matrix in self._cosines], coarse)
        return separable(self._cosines, coefficients * self.transfer)

    def __call__(self, fine: Tensor) -> Tensor:
        """The kernel applied to a fine field: U G Uᵀ."""
        return self.prolong(self.smooth(self.restrict(fine)))


def resample(field: Tensor, shape: Sequence[int]) -> Tensor:
    """``field`` (batch, channels, …) on a grid of ``shape`` over the same box: band-limited, keeps constants."""
    if tuple(field.shape[2:]) == tuple(shape):
        return field
    pairs = zip(field.shape[2:], shape, strict=True)
    matrices = [_resampling_like(before, after, field.dtype, field.device) for before, after in pairs]
    return separable(matrices, field)


def in_voxels(displacement: Tensor, shape: Sequence[int]) -> Tensor:
    """A displacement (batch, D, …) in voxels of its grid, on a grid of ``shape`` and in that one's voxels."""
    scale = [new / old for new, old in zip(shape, displacement.shape[2:], strict=True)]
    return resample(displacement * columns(scale, displacement), shape)


# What is cached has to serve training too: torch.inference_mode around the first call must not mark it.
@lru_cache(maxsize=64)
@torch.inference_mode(False)
def cosines(size: int, count: int) -> Tensor:
    """First ``count`` orthonormal DCT-II vectors over ``size`` cells, as columns (size, count), float64."""
    cells = torch.arange(size, dtype=torch.float64)[:, None] + 0.5
    basis = torch.cos(cells * torch.arange(count, dtype=torch.float64) * (math.pi / size))
    basis *= math.sqrt(2.0 / size)
    basis[:, 0] /= math.sqrt(2.0)
    return basis


@lru_cache(maxsize=256)
@torch.inference_mode(False)
def resampling(size_in: int, size_out: int) -> Tensor:
    """Band-limited resampling (size_out, size_in) between two divisions of one side into cells.

    Down it is, up to a factor, the transpose of up; constants are kept.
    """
    count = min(size_in, size_out)
    matrix = cosines(size_out, count) @ cosines(size_in, count).T
    return matrix * math.sqrt(size_out / size_in)


@lru_cache(maxsize=256)
@torch.inference_mode(False)
def overlaps(size_in: int, size_out: int) -> Tensor:
    """Means over the cells of one division of a side of those of another, (size_out, size_in), float64."""
    edges = torch.arange(size_out + 1, dtype=torch.float64) * (size_in / size_out)
    cells = torch.arange(size_in, dtype=torch.float64)
    low, high = torch.maximum(edges[:-1, None], cells), torch.minimum(edges[1:, None], cells + 1)
    return (high - low).clamp_min(0) * (size_out / size_in)


@lru_cache(maxsize=256)
@torch.inference_mode(False)
def _resampling_like(size_in: int, size_out: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return resampling(size_in, size_out).to(dtype=dtype, device=device)


def separable(matrices: Sequence[Tensor], field: Tensor) -> Tensor:
    """``matrices[i]`` (out, in) applied along spatial axis ``i`` of ``field`` (batch, channels, …)."""
    for axis, matrix in enumerate(matrices, start=2):
        if axis == field.dim() - 1:
            field = field @ matrix.T
        else:
            after = field.shape[axis + 1 :]
            field = (matrix @ field.flatten(axis + 1)).unflatten(-1, after)
    return field
