"""Local change of volume of a map x ↦ x + u(x): the determinant of its derivative, det J.

The determinant has one formula, for arrays of NumPy and tensors of torch. The derivatives are taken twice, to the same
values (central differences, one-sided at the faces): here without torch, whose import takes seconds that stages on
files and simulations save, and in :mod:`.geometry` so that torch can differentiate them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Field = TypeVar("Field", np.ndarray, "Tensor")


def determinant(rows: Sequence[Sequence[Field]]) -> Field:
    """Determinants of 2×2 or 3×3 matrices, given as rows of fields of one shape, entry by entry."""
    if len(rows) == 2:
        (a, b), (c, d) = rows
        return a * d - b * c
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) + b * (f * g - d * i) + c * (d * h - e * g)


def jacobian_determinant(displacement: np.ndarray) -> np.ndarray:
    """det J of x + u(x), (X, Y, Z), for a displacement u (3, X, Y, Z) in voxels; 0 or below where the map folds."""
    return determinant(
        [
            [np.gradient(component, axis=j) + (i == j) for j in range(3)]
            for i, component in enumerate(displacement)
        ]
    )
