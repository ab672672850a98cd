"""Control of the false discovery rate."""

from __future__ import annotations

import attrs
import numpy as np

SMALL_SAMPLE = 60
"""Subjects up to which lesion maps had more false discoveries than the rate says."""


@attrs.frozen(kw_only=True, eq=False)
class FalseDiscovery:
    """Adjusted p and what to think of them."""

    q: np.ndarray
    """(V,) the smallest rate at which the voxel is a discovery, in [0, 1]."""
    warning: str
    """Empty, or why the rate may be higher than it says."""


def false_discovery_rate(p: np.ndarray, subjects: int) -> FalseDiscovery:
    """Benjamini and Hochberg's adjusted p (J R Stat Soc B 57:289-300, 1995).

    ``scipy.stats.false_discovery_control`` rounds otherwise (p (N / rank) in place of p N / rank), in the last bit.

    For lesions it is anti-conservative in small samples (Mirman et al., Neuropsychologia 115:112-123, 2018): prefer
    the permutation test's ``p_fwer``.

    Parameters
    ----------
    p : ndarray
        (V,) in [0, 1], of every tested voxel: not of patterns.
    subjects : int
        N: up to 60 the result carries a warning.

    Returns
    -------
    result : FalseDiscovery

    Raises
    ------
    ValueError
        If a p is missing or out of range.
    """
    found = np.asarray(p, float)
    if found.ndim != 1 or not ((found >= 0) & (found <= 1)).all():
        raise ValueError(
            f"p in [0, 1] of every voxel are required, got shape {found.shape} or values out of range"
        )
    order = np.argsort(found)[::-1]
    scaled = found[order] * len(found) / np.arange(len(found), 0, -1)
    q = np.empty(len(found))
    q[order] = np.minimum.accumulate(scaled)
    warning = (
        f"{subjects} subjects are few: below about {SMALL_SAMPLE} the false discovery rate of lesion maps is higher "
        "than it says; use p corrected by permutations"
        if subjects <= SMALL_SAMPLE
        else ""
    )
    return FalseDiscovery(q=np.minimum(q, 1.0), warning=warning)
