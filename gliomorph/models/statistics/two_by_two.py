"""2 × 2 tables of lesion and group, and tests that are looked up.

With n subjects of whom g are in the group, a voxel's table is fixed by k, the lesioned, and a, the lesioned of the
group. There are few such (k, a) beside voxels × permutations, so that a test is computed once for each.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
from scipy.special import gammaln, ndtri

from .patterns import Patterns

Lookup = Callable[[int, int], np.ndarray]
"""(n, g) → scores (n + 1, g + 1), indexed by k and a."""


@attrs.frozen(kw_only=True)
class Tables:
    """Counts at every pattern, for each of P permutations: (P, U) int."""

    total: np.ndarray
    """n: covered subjects."""
    group: np.ndarray
    """g: those in the group."""
    lesions: np.ndarray
    """k: those lesioned."""
    both: np.ndarray
    """a: those lesioned and in the group."""


def count_tables(patterns: Patterns, groups: np.ndarray) -> Tables:
    """Tables of groups (P, N) bool at every pattern."""
    members = np.asarray(groups, float).T
    both = np.rint(patterns.sums(members).T).astype(np.int32)
    group = np.rint(patterns.covered_sums(members).T).astype(np.int32)
    total, lesions = (
        np.broadcast_to(row.astype(np.int32), both.shape) for row in (patterns.totals, patterns.lesions)
    )
    return Tables(total=total, group=group, lesions=lesions, both=both)


def look_up(tables: Tables, scores: Lookup) -> np.ndarray:
    """Scores of all tables: (P, U) float64."""
    width = int(tables.total.max()) + 1
    kinds = tables.total.astype(np.int64) * width + tables.group
    if (kinds == kinds.flat[0]).all():
        return scores(*divmod(int(kinds.flat[0]), width))[tables.lesions, tables.both]
    # fields of view differ: the tables of all (n, g) behind one another
    occurs = np.zeros(width**2, bool)
    occurs[kinds] = True
    known = [scores(*divmod(int(kind), width)) for kind in np.flatnonzero(occurs)]
    start = np.zeros(width**2, np.int64)
    start[occurs] = np.cumsum([0] + [table.size for table in known[:-1]])
    place = start[kinds] + tables.lesions * (tables.group + 1) + tables.both
    return np.concatenate([table.ravel() for table in known])[place]


def hypergeometric_pmf(total: int, group: int) -> np.ndarray:
    """P(a | k) when k of ``total`` subjects are drawn, ``group`` of whom count.

    Returns
    -------
    pmf : ndarray
        (total + 1, group + 1), rows k and columns a; 0 where a table is impossible.
    """
    k, a = np.arange(total + 1)[:, None], np.arange(group + 1)[None]
    possible = (a <= k) & (k - a <= total - group)
    b = np.where(possible, k - a, 0)
    log = _log_choose(group, a) + _log_choose(total - group, b) - _log_choose(total, k)
    return np.where(possible, np.exp(log), 0.0)


def _log_choose(n: int, k: np.ndarray) -> np.ndarray:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def two_sided_z(p: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """The normal quantile whose two-sided p is ``p``, with a sign."""
    # p = 1 is z = 0, and a p that has underflowed is as far as floats go
    return sign * -ndtri(np.clip(p, 1e-300, 1.0) / 2)


def expected(total: int, group: int) -> np.ndarray:
    """The mean of a at each k: (total + 1, 1)."""
    return np.arange(total + 1)[:, None] * (group / max(total, 1))
