"""Wilson's confidence interval of a frequency, at every voxel at once.

Brown, Cai & DasGupta, Interval estimation for a binomial proportion, Stat Sci 16:101-133, 2001, recommend it.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri


def binomial_interval(
    count: np.ndarray, total: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Limits of the probability behind ``count`` of ``total``.

    These are the p with |k/n − p| = z √(p(1−p)/n) (Wilson, J Am Stat Assoc 22:209-212, 1927).

    Parameters
    ----------
    count, total : ndarray
        Subjects with tumour in the voxel, and covered by their field of view; broadcast to one shape.
    confidence : float
        Coverage of the two-sided interval, in (0, 1).

    Returns
    -------
    low, high : ndarray
        In [0, 1]; (0, 1) where nobody is covered. With ``count`` 0 the lower limit is 0, with ``count`` = ``total``
        the upper one is 1.

    Raises
    ------
    ValueError
        Unless 0 ≤ count ≤ total and 0 < confidence < 1.
    """
    k, n = np.broadcast_arrays(np.asarray(count, float), np.asarray(total, float))
    if not ((k >= 0) & (k <= n) & np.isfinite(n)).all():
        raise ValueError("0 ≤ count ≤ total is required in every voxel, got counts or totals out of range")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    z2 = ndtri((1 + confidence) / 2) ** 2
    center = (k + z2 / 2) / (n + z2)
    share = np.divide(k, n, out=np.zeros(n.shape), where=n > 0)
    half = np.sqrt(z2 * (n * share * (1 - share) + z2 / 4)) / (n + z2)
    return np.where(k == 0, 0.0, center - half), np.where(k == n, 1.0, center + half)
