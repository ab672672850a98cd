"""Random numbers and smooth random fields in torch: everything of one patient follows from one seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

NEGLIGIBLE = 1e-8
"""Of a Gaussian's weights: its tails would be denormal numbers, on which processors are ten times slower."""
ANOTHER = 0x5DEECE66D
"""Changes a seed into that of the tensors."""


class Chance:
    """A source of random numbers.

    Parameters
    ----------
    seed : int
        The same seed gives the same numbers on the same kind of device.
    device : str or torch.device
        Where tensors are made; single numbers come from the CPU, so that a GPU need not be waited for.
    """

    def __init__(self, seed: int, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self._numbers = torch.Generator().manual_seed(seed)
        # another seed: on the CPU the same one would give tensors and numbers the same random bits
        self._tensors = torch.Generator(self.device).manual_seed(seed ^ ANOTHER)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * torch.rand((), generator=self._numbers).item()

    def log_uniform(self, low: float, high: float) -> float:
        """Its logarithm is uniform."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def happens(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform() < probability

    def integer(self, below: int) -> int:
        """0 … below − 1, uniform."""
        return int(torch.randint(below, (), generator=self._numbers))

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers on the device."""
        return torch.randn(tuple(shape), generator=self._tensors, device=self.device)

    def field(self, shape: Sequence[int], sigma: float, count: int = 1) -> Tensor:
        """Gaussian random fields, smooth over ``sigma`` voxels.

        White noise on a lattice of that spacing, read through Gaussians along each axis: three small matrix
        products, whatever the width.

        Parameters
        ----------
        shape : sequence of int
            (X, Y, Z).
        sigma : float
            In voxels, at least 1.
        count : int
            C, independent fields.

        Returns
        -------
        fields : Tensor
            (C, X, Y, Z), float32, mean 0, variance 1 at every voxel.
        """
        readers = [_reader(size, max(1.0, sigma), self.device) for size in shape]
        x, y, z = readers
        noise = self.normal((count, *(reader.shape[1] for reader in readers)))
        noise = noise @ z.T
        noise = torch.einsum("jb,cabz->cajz", y, noise)
        return torch.einsum("ia,cajz->cijz", x, noise)


def _reader(size: int, sigma: float, device: torch.device) -> Tensor:
    """Gaussian weights (size, nodes) of lattice nodes ``sigma`` apart; every row has unit norm."""
    nodes = torch.arange(-3, math.ceil(size / sigma) + 4, device=device) * sigma
    offset = torch.arange(size, device=device)[:, None] - nodes
    weights = torch.exp(-0.5 * (offset / sigma) ** 2)
    weights = weights.masked_fill_(weights < NEGLIGIBLE, 0.0)
    return weights / weights.norm(dim=1, keepdim=True)
