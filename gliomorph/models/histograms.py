"""Histogram matching by quantiles."""

from __future__ import annotations

import numpy as np

QUANTILES = np.linspace(0.0, 1.0, 65)


def landmarks(values: np.ndarray) -> np.ndarray:
    """The :data:`QUANTILES` of some intensities: ends of the map's pieces."""
    return np.asarray(np.quantile(values, QUANTILES))


def mapped(voxels: np.ndarray, inside: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """An image through the map that takes ``source`` to ``target``.

    Parameters
    ----------
    voxels, inside : ndarray
        An image and its brain (boolean), of one shape.
    source, target : ndarray
        :func:`landmarks` of the image (of its brain without the tumour) and of the template. Beyond their ends the
        map is constant.

    Returns
    -------
    matched : ndarray, float32
        0 outside the brain.
    """
    return np.where(inside, np.interp(voxels, source, target), 0).astype(np.float32)
