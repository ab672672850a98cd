"""Liebermeister's quasi-exact test of lesion and a binary symptom, at every voxel.

The posterior probability, under uniform priors, that lesions are not more frequent with the symptom. It equals
Fisher's one-sided p of the table with one more subject in either cell that speaks for the association, and is less
conservative (Seneta & Phipps, Biometrical J 43:23-43, 2001; in lesion mapping Rorden, Karnath & Bonilha, J Cogn
Neurosci 19:1081-1088, 2007).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import ndtri

from .two_by_two import Tables, hypergeometric_pmf, look_up

Alternative = Literal["two-sided", "greater", "less"]


def liebermeister_p(tables: Tables, alternative: Alternative = "two-sided") -> np.ndarray:
    """p of the measure.

    Parameters
    ----------
    tables : Tables
        The group are the subjects with the symptom.
    alternative : {"two-sided", "greater", "less"}
        ``greater``: lesions are more frequent with the symptom. Two-sided is twice the smaller side, at most 1.

    Returns
    -------
    p : ndarray
        (P, U) in (0, 1).

    Raises
    ------
    ValueError
        With another alternative.
    """
    if alternative not in ("two-sided", "greater", "less"):
        raise ValueError(f"alternative must be two-sided, greater or less, got {alternative!r}")
    if alternative != "two-sided":
        side = 0 if alternative == "greater" else 1
        return look_up(tables, lambda total, group: liebermeister_tables(total, group)[side])
    # both sides are ½ but for rounding where nothing speaks for either
    return look_up(
        tables, lambda total, group: np.minimum(2 * np.minimum(*liebermeister_tables(total, group)), 1.0)
    )


def liebermeister_z(tables: Tables) -> np.ndarray:
    """The normal quantile of the one-sided p, positive where lesions are more frequent with the symptom: (P, U)."""
    return look_up(tables, _z_table)


@lru_cache(maxsize=256)
def liebermeister_tables(total: int, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Both one-sided p by k and a.

    Returns
    -------
    greater, less : ndarray
        (total + 1, group + 1); they sum to 1 at every possible table. ½ for impossible ones.
    """
    pmf = hypergeometric_pmf(total + 2, group + 1)[1:-1]
    below = np.cumsum(pmf, axis=1)[:, :-1]
    above = np.cumsum(pmf[:, ::-1], axis=1)[:, -2::-1]
    k, a = np.arange(total + 1)[:, None], np.arange(group + 1)[None]
    possible = (a <= k) & (k - a <= total - group)
    greater, less = (np.where(possible, np.clip(side, 0.0, 1.0), 0.5) for side in (above, below))
    greater.flags.writeable = less.flags.writeable = False
    return greater, less


@lru_cache(maxsize=256)
def _z_table(total: int, group: int) -> np.ndarray:
    greater, less = liebermeister_tables(total, group)
    # the quantile is exact only from the smaller tail
    z = np.where(greater < less, -ndtri(np.maximum(greater, 1e-300)), ndtri(np.maximum(less, 1e-300)))
    z.flags.writeable = False
    return z
