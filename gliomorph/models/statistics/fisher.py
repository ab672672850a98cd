"""Fisher's exact test of lesion and group, at every voxel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .two_by_two import Tables, expected, hypergeometric_pmf, look_up, two_sided_z

TIE = 1e-9
"""Tables whose probabilities differ by less, relatively, are equally probable: their logarithms are rounded."""


def fisher_p(tables: Tables) -> np.ndarray:
    """Two-sided p: the probability of all tables that are not more probable than the one seen.

    Returns
    -------
    p : ndarray
        (P, U) in (0, 1]; 1 where nobody or everybody is lesioned or in the group.
    """
    return look_up(tables, fisher_p_table)


def fisher_z(tables: Tables) -> np.ndarray:
    """The normal quantile of :func:`fisher_p`, positive where the group is lesioned more often: (P, U)."""
    return look_up(tables, fisher_z_table)


@lru_cache(maxsize=256)
def fisher_p_table(total: int, group: int) -> np.ndarray:
    """Two-sided p by k and a: (total + 1, group + 1); 1 for impossible tables.

    As ``scipy.stats.fisher_exact``.
    """
    p = np.ones((total + 1, group + 1))
    for row, pmf in zip(p, hypergeometric_pmf(total, group), strict=True):
        ordered = np.sort(pmf)
        summed = np.cumsum(ordered)
        last = np.searchsorted(ordered, pmf * (1 + TIE), side="right") - 1
        row[:] = np.where(pmf > 0, np.minimum(summed[last], 1.0), 1.0)
    p.flags.writeable = False
    return p


@lru_cache(maxsize=256)
def fisher_z_table(total: int, group: int) -> np.ndarray:
    """Signed z by k and a: (total + 1, group + 1)."""
    sign = np.sign(np.arange(group + 1)[None] - expected(total, group))
    z = two_sided_z(fisher_p_table(total, group), sign)
    z.flags.writeable = False
    return z
