"""Threshold-free cluster enhancement: voxels with high neighbours gain, at no chosen threshold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy import ndimage

from .patterns import Patterns


def tfce(
    values: np.ndarray,
    *,
    connectivity: Literal[6, 26] = 26,
    extent_power: float = 0.5,
    height_power: float = 2.0,
    steps: int = 100,
) -> np.ndarray:
    """∫ e(h)^E h^H dh up to each voxel's own height, e the extent of its cluster above h.

    Smith & Nichols, NeuroImage 44:83-98, 2009: E = 0.5, H = 2. Negative values are enhanced as the positive ones of the
    negated map. A brain at 2 mm takes about 2 s with 100 steps.

    Parameters
    ----------
    values : ndarray
        (X, Y, Z); zero outside the mask.
    connectivity : {6, 26}
        Neighbours share a face, or a corner at least.
    extent_power, height_power : float
        E and H.
    steps : int
        Thresholds, from max / steps to the maximum of each side.

    Returns
    -------
    enhanced : ndarray
        (X, Y, Z) float64 with the signs of ``values``; extents are counted in voxels.

    Raises
    ------
    ValueError
        If the map is not finite or not in three dimensions, with another connectivity, or without steps.
    """
    found = np.asarray(values, float)
    if found.ndim != 3 or not np.isfinite(found).all():
        raise ValueError(
            f"a finite map in three dimensions is required, got shape {found.shape}, or NaN in it"
        )
    if connectivity not in (6, 26):
        raise ValueError(f"connectivity must be 6 or 26, got {connectivity}")
    if steps < 1:
        raise ValueError(f"at least one step is required, got {steps}")
    structure = ndimage.generate_binary_structure(3, 1 if connectivity == 6 else 3)
    result = np.zeros(found.shape)
    for sign in (1, -1):
        result += sign * _positive_side(sign * found, structure, extent_power, height_power, steps)
    return result


def tfce_of_patterns(
    patterns: Patterns, mask: np.ndarray, connectivity: Literal[6, 26] = 26, steps: int = 100
) -> Callable[[np.ndarray], np.ndarray]:
    """TFCE as the ``enhance`` of :func:`permutation_test`: (U,) values of patterns → (V,) of voxels.

    Parameters
    ----------
    patterns : Patterns
        Of the V voxels of the mask, in its C order.
    mask : ndarray
        (X, Y, Z) bool.
    connectivity, steps
        As for :func:`tfce`.

    Returns
    -------
    enhance : callable

    Raises
    ------
    ValueError
        If the mask has not V voxels.
    """
    inside = np.asarray(mask, bool)
    if inside.ndim != 3 or inside.sum() != len(patterns.inverse):
        raise ValueError(
            f"the mask must have the {len(patterns.inverse)} voxels of the patterns, got {int(inside.sum())} "
            f"in shape {inside.shape}"
        )

    def enhance(values: np.ndarray) -> np.ndarray:
        image = np.zeros(inside.shape)
        image[inside] = patterns.expand(values)
        return tfce(image, connectivity=connectivity, steps=steps)[inside]

    return enhance


def _positive_side(
    values: np.ndarray, structure: np.ndarray, extent_power: float, height_power: float, steps: int
) -> np.ndarray:
    result = np.zeros(values.shape)
    box = _bounding_box(values > 0)
    if box is None:
        return result
    inner, enhanced = values[box], result[box]
    step = inner.max() / steps
    for height in step * np.arange(1, steps + 1):
        # the last height is the maximum itself, which rounding may put above it
        labels, _ = ndimage.label(inner >= height * (1 - 1e-12), structure)
        gain = np.bincount(labels.ravel()).astype(float) ** extent_power * height**height_power * step
        gain[0] = 0.0
        enhanced += gain[labels]
    return result


def _bounding_box(inside: np.ndarray) -> tuple[slice, ...] | None:
    found: list[tuple[slice, ...]] = ndimage.find_objects(inside.astype(np.uint8))
    return found[0] if found else None
