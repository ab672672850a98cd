"""Sums of images that come out the same in whatever order they are added.

Floating-point sums depend on the order of their terms, and so would an atlas on who was added first. Values are
therefore rounded to whole multiples of 2⁻¹⁸ (4·10⁻⁶) once, each on its own; their sums and sums of squares are exact
integers: any order, any grouping, and later additions give the same bytes. With |value| ≤ 32 and at most 65 535 images,
a sum of squares stays below 65535 · 2⁴⁶ < 2⁶²: no int64 overflows. The mean is off by at most 2⁻¹⁹ (2·10⁻⁶), which is
below the noise of any image; sorting by label before summing would have given the same bytes too, but not for
participants that are added later.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

FRACTION_BITS = 18
LIMIT = 32.0
"""Largest absolute value that can be summed."""
MOST = np.iinfo(np.uint16).max
"""Largest number of participants of a sum: counts are uint16."""


@attrs.define(kw_only=True, eq=False)
class Moments:
    """Number, sum and, if asked for, sum of squares of the values at every voxel."""

    count: np.ndarray
    """(S,) uint16."""
    total: np.ndarray
    """(S,) int64, in units of 2⁻¹⁸."""
    squares: np.ndarray | None
    """(S,) int64, in units of 2⁻³⁶; None where no standard deviation is wanted."""

    @classmethod
    def empty(cls, size: int, spread: bool) -> Moments:
        """Moments of nothing yet."""
        return cls(
            count=np.zeros(size, np.uint16),
            total=np.zeros(size, np.int64),
            squares=np.zeros(size, np.int64) if spread else None,
        )

    def add(self, fixed: np.ndarray, where: np.ndarray | None) -> None:
        """Add one image.

        Parameters
        ----------
        fixed : ndarray
            (S,) int64 of :func:`to_fixed`; 0 outside ``where``.
        where : ndarray or None
            (S,) bool: voxels where the image has a value; None for all.
        """
        self.count += np.uint16(1) if where is None else where
        self.total += fixed
        if self.squares is not None:
            self.squares += fixed * fixed

    def include(self, other: Moments) -> None:
        """Add all images of another sum."""
        self.count += other.count
        self.total += other.total
        if self.squares is not None and other.squares is not None:
            self.squares += other.squares

    def mean(self) -> np.ndarray:
        """(S,) float32; NaN where there is no value."""
        with np.errstate(invalid="ignore"):
            return (self.total / (self.count * 2.0**FRACTION_BITS)).astype(np.float32)

    def deviation(self) -> np.ndarray:
        """Standard deviation with n − 1: (S,) float32; NaN where there are fewer than two values.

        Raises
        ------
        ValueError
            If squares were not summed.
        """
        if self.squares is None:
            raise ValueError("a standard deviation requires sums of squares, which were not asked for")
        n, total = self.count.astype(np.float64), self.total.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = (self.squares - total * total / n) / (n - 1)
            deviation = np.sqrt(np.maximum(variance, 0)) / 2.0**FRACTION_BITS
        return np.where(n > 1, deviation, np.nan).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """What :meth:`of_arrays` reads again."""
        found = {"count": self.count, "total": self.total}
        return found if self.squares is None else found | {"squares": self.squares}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Moments:
        """Copies of the arrays of :meth:`arrays`."""
        squares = arrays.get("squares")
        return cls(
            count=arrays["count"].copy(),
            total=arrays["total"].copy(),
            squares=None if squares is None else squares.copy(),
        )


def to_fixed(values: np.ndarray, where: np.ndarray | None, name: str) -> np.ndarray:
    """Values as multiples of 2⁻¹⁸, rounded to even.

    Parameters
    ----------
    values : ndarray
        (S,) real; NaN is taken only outside ``where``.
    where : ndarray or None
        (S,) bool: voxels with a value; None for all.
    name : str
        For the error.

    Returns
    -------
    fixed : ndarray
        (S,) int64; 0 outside ``where``.

    Raises
    ------
    ValueError
        With a value that is not finite or beyond ±32.
    """
    real = values if values.dtype == np.float32 else values.astype(np.float64)
    known = real if where is None else np.where(where, real, real.dtype.type(0))
    if not np.all(np.abs(known) <= LIMIT):
        worst = known[~(np.abs(known) <= LIMIT)][0]
        raise ValueError(f"{name} must be finite and within ±{LIMIT:g} where it counts, got {worst:g}")
    return np.rint(known * known.dtype.type(2**FRACTION_BITS)).astype(np.int64)
