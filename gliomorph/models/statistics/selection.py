"""Which voxels have enough subjects to be tested."""

from __future__ import annotations

import numpy as np


def select_voxels(
    lesions: np.ndarray,
    coverage: np.ndarray | None = None,
    *,
    min_coverage: int = 1,
    min_lesions: int = 1,
    min_spared: int = 1,
) -> np.ndarray:
    """Voxels where enough subjects are covered, lesioned and spared.

    Fewer voxels make a milder correction; voxels with very few lesions can never be significant (Sperber & Karnath,
    Hum Brain Mapp 38:1692-1701, 2017).

    Parameters
    ----------
    lesions : ndarray
        (N, V) bool.
    coverage : ndarray, optional
        (N, V) bool; None means that everyone is covered everywhere. A lesion counts only where its subject is covered.
    min_coverage, min_lesions, min_spared : int
        Subjects, ≥ 0, all inclusive; spared means covered and not lesioned.

    Returns
    -------
    selected : ndarray
        (V,) bool.

    Raises
    ------
    ValueError
        If a minimum is negative or the shapes differ.
    """
    inside = np.asarray(lesions, bool)
    if min(min_coverage, min_lesions, min_spared) < 0:
        raise ValueError(f"minimal counts must be ≥ 0, got {(min_coverage, min_lesions, min_spared)}")
    if coverage is not None and np.shape(coverage) != inside.shape:
        raise ValueError(f"coverage must have the shape of lesions, {inside.shape}, got {np.shape(coverage)}")
    seen = (
        np.full(inside.shape[1], len(inside)) if coverage is None else np.asarray(coverage, bool).sum(axis=0)
    )
    count = (inside if coverage is None else inside & np.asarray(coverage, bool)).sum(axis=0)
    selected: np.ndarray = (seen >= min_coverage) & (count >= min_lesions) & (seen - count >= min_spared)
    return selected
