"""Confidence intervals of a frequency, at every voxel at once.

Brown, Cai & DasGupta, Interval estimation for a binomial proportion, Stat Sci 16:101-133, 2001, recommend Wilson's
and Jeffreys' intervals; Clopper and Pearson's never covers less than it says, and is wide.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import betaincinv, ndtri

Method = Literal["wilson", "jeffreys", "clopper-pearson"]


def binomial_interval(
    count: np.ndarray, total: np.ndarray, confidence: float = 0.95, method: Method = "wilson"
) -> tuple[np.ndarray, np.ndarray]:
    """Limits of the probability behind ``count`` of ``total``.

    Parameters
    ----------
    count, total : ndarray
        Subjects with tumour in the voxel, and covered by their field of view; broadcast to one shape.
    confidence : float
        Coverage of the two-sided interval, in (0, 1).
    method : {"wilson", "jeffreys", "clopper-pearson"}
        Score interval; equal-tailed posterior interval under Beta(½, ½); exact interval.

    Returns
    -------
    low, high : ndarray
        In [0, 1]; (0, 1) where nobody is covered. With ``count`` 0 the lower limit is 0, with ``count`` = ``total``
        the upper one is 1.

    Raises
    ------
    ValueError
        Unless 0 ≤ count ≤ total and 0 < confidence < 1, or with an unknown method.
    """
    k, n = np.broadcast_arrays(np.asarray(count, float), np.asarray(total, float))
    if not ((k >= 0) & (k <= n) & np.isfinite(n)).all():
        raise ValueError("0 ≤ count ≤ total is required in every voxel, got counts or totals out of range")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    if method == "wilson":
        low, high = _wilson(k, n, confidence)
    elif method in ("jeffreys", "clopper-pearson"):
        extra = 0.5 if method == "jeffreys" else 0.0
        low, high = _beta(k, n, confidence, extra)
    else:
        raise ValueError(f"method must be wilson, jeffreys or clopper-pearson, got {method!r}")
    return np.where(k == 0, 0.0, low), np.where(k == n, 1.0, high)


def _wilson(k: np.ndarray, n: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson, J Am Stat Assoc 22:209-212, 1927: p with |k/n − p| = z √(p(1−p)/n)."""
    z2 = ndtri((1 + confidence) / 2) ** 2
    center = (k + z2 / 2) / (n + z2)
    share = np.divide(k, n, out=np.zeros(n.shape), where=n > 0)
    half = np.sqrt(z2 * (n * share * (1 - share) + z2 / 4)) / (n + z2)
    return center - half, center + half


def _beta(k: np.ndarray, n: np.ndarray, confidence: float, extra: float) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of Beta(k + extra, n − k + 1 − extra) and Beta(k + 1 − extra, n − k + extra)."""
    tail = (1 - confidence) / 2
    # the limits replaced by 0 and 1 would have a parameter 0
    a, b = np.maximum(k + extra, 1e-9), np.maximum(n - k + extra, 1e-9)
    low = betaincinv(a, n - k + 1 - extra, tail)
    high = betaincinv(k + 1 - extra, b, 1 - tail)
    return low, high
