"""What every registration of a pair takes and gives: checked input, one kind of result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

Progress = Callable[[dict[str, Any]], None]
"""Called with each new entry of the energy's history."""


@attrs.frozen(kw_only=True)
class Registration:
    """The outcome of a registration; float32, displacements in voxels of the working grid.

    Attributes
    ----------
    displacement : ndarray
        (3, X, Y, Z), forward: the fixed point x corresponds to x + u(x) in the moving image. It resamples
        the moving image onto the fixed one.
    inverse_displacement : ndarray
        (3, X, Y, Z), from moving points to fixed ones: inverse of the former.
    appearance : ndarray
        (X, Y, Z) in the fixed frame, to add to the warped moving image; 0 where the tumour mask, warped
        linearly, is below ½.
    energy : list of dict
        One an iteration: ``level`` (0 is the coarsest), ``stage`` (shape or appearance), ``iteration``,
        ``similarity``, ``regularisation``.
    """

    displacement: np.ndarray = attrs.field(repr=False)
    inverse_displacement: np.ndarray = attrs.field(repr=False)
    appearance: np.ndarray = attrs.field(repr=False)
    energy: list[dict[str, Any]] = attrs.field(repr=False)


def checked(
    moving: np.ndarray,
    fixed: np.ndarray,
    tumor_mask: np.ndarray,
    brain_mask: np.ndarray,
    spacing_mm: Sequence[float],
) -> tuple[float, ...]:
    """The spacing as a tuple, once the input is seen to be usable.

    Raises
    ------
    ValueError
        Naming what was required and what arrived.
    """
    for name, array in (("fixed", fixed), ("tumor_mask", tumor_mask), ("brain_mask", brain_mask)):
        if array.shape != moving.shape:
            raise ValueError(
                f"moving and {name} have to share one grid: "
                f"moving has shape {moving.shape}, {name} {array.shape}"
            )
    for name, array in (("moving", moving), ("fixed", fixed)):
        if unusable := int(np.count_nonzero(~np.isfinite(array))):
            raise ValueError(f"{name} has to be finite: {unusable} of {array.size} voxels are not")
    for name, array in (("tumor_mask", tumor_mask), ("brain_mask", brain_mask)):
        if not np.isin(array, (0, 1)).all():
            raise ValueError(f"{name} has to hold 0 and 1 only, found {np.unique(array)[:6].tolist()}")
    spacing = tuple(float(size) for size in spacing_mm)
    if len(spacing) != moving.ndim or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise ValueError(f"spacing_mm has to give {moving.ndim} positive sizes in mm, got {spacing}")
    return spacing
