"""The images of a pair, as the measuring processes read them: NumPy alone, that memory be the method's own."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np


@attrs.frozen(kw_only=True, eq=False)
class Images:
    """Arrays (X, Y, Z) on one grid: float32 in [0, 1], and uint8 masks.

    Attributes
    ----------
    moving, fixed : ndarray
    tumor : ndarray
        On ``moving``.
    brain : ndarray
        On ``fixed``.
    spacing_mm : tuple of float
    """

    moving: np.ndarray
    fixed: np.ndarray
    tumor: np.ndarray
    brain: np.ndarray
    spacing_mm: tuple[float, ...]

    def crop(self, side: int) -> Images:
        """The middle, at most ``side`` voxels along each axis."""
        middle = tuple(slice((n - min(n, side)) // 2, (n + min(n, side)) // 2) for n in self.fixed.shape)
        return Images(
            moving=self.moving[middle],
            fixed=self.fixed[middle],
            tumor=self.tumor[middle],
            brain=self.brain[middle],
            spacing_mm=self.spacing_mm,
        )

    def save(self, path: Path) -> None:
        """As an ``.npz`` file."""
        np.savez(path, **attrs.asdict(self))


def load(path: Path) -> Images:
    """What :meth:`Images.save` has written."""
    with np.load(path) as file:
        arrays = dict(file)
    return Images(spacing_mm=tuple(arrays.pop("spacing_mm").tolist()), **arrays)
