"""Permutation tests with control of the family-wise error by the largest statistic.

Under the null hypothesis subjects' variables are exchangeable over their lesions. The share of permutations whose
largest statistic anywhere reaches that of a voxel is the voxel's corrected p (Westfall & Young 1993; Nichols & Holmes,
Hum Brain Mapp 15:1-25, 2002). The observed order counts as one of the permutations, so that p is never 0 (Phipson &
Smyth, Stat Appl Genet Mol Biol 9:39, 2010).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

import attrs
import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]
"""Permutations (P, N) int → values (P, U). Subject i gets the variables of subject ``permutation[i]``."""

Enhance = Callable[[np.ndarray], np.ndarray]
"""A map (U,) → another (W,), for instance TFCE."""

Alternative = Literal["two-sided", "greater", "less"]

ROUNDING = 1e-9
"""Values that are relatively closer are equal: other orders of the same sum."""


@attrs.frozen(kw_only=True, eq=False)
class PermutationTest:
    """The outcome of a permutation test of W patterns or voxels."""

    observed: np.ndarray
    """(W,) the statistic, with its sign."""
    p: np.ndarray
    """(W,) uncorrected, in [1 / (n + 1), 1]."""
    p_fwer: np.ndarray
    """(W,) corrected for all W."""
    largest: np.ndarray
    """(n,) the largest value of each permutation."""


def permutation_test(
    statistic: Statistic,
    subjects: int,
    *,
    permutations: int,
    seed: int = 0,
    alternative: Alternative = "two-sided",
    enhance: Enhance | None = None,
    memory_mb: float = 256,
    workers: int = 1,
) -> PermutationTest:
    """Uncorrected and FWER-corrected p of a statistic map.

    Parameters
    ----------
    statistic : callable
        Values of all patterns for several permutations at once.
    subjects : int
        N.
    permutations : int
        n ≥ 1 random orders, drawn independently.
    seed : int
        Of the orders. The same seed gives the same result, whatever ``memory_mb`` and ``workers``.
    alternative : {"two-sided", "greater", "less"}
        Two-sided compares absolute values.
    enhance : callable, optional
        Applied to each map before it is compared.
    memory_mb : float
        Bounds the values of one call of ``statistic`` (a statistic needs a few times as much).
    workers : int
        Threads.

    Returns
    -------
    test : PermutationTest

    Raises
    ------
    ValueError
        If a number is not positive, the alternative is unknown or the statistic is not finite somewhere.
    """
    if min(permutations, workers) < 1 or memory_mb <= 0:
        raise ValueError(
            f"permutations, workers and memory must be positive, got {(permutations, workers, memory_mb)}"
        )
    if alternative not in ("two-sided", "greater", "less"):
        raise ValueError(f"alternative must be two-sided, greater or less, got {alternative!r}")
    raw = _finite(statistic(np.arange(subjects)[None]))
    observed = _enhanced(raw, enhance)[0]
    compared = _oriented(observed, alternative)
    threshold = compared - ROUNDING * np.abs(compared)
    count, largest = np.zeros(len(observed), np.int64), []
    work = partial(_chunk, statistic, threshold=threshold, enhance=enhance, alternative=alternative)
    rows = max(1, int(memory_mb * 2**20 / (8 * max(raw.shape[1], len(observed)))))
    orders = draw_permutations(subjects, permutations, seed)
    chunks = [orders[start : start + rows] for start in range(0, permutations, rows)]
    for reached, maxima in _run(work, chunks, workers):
        count += reached
        largest.append(maxima)
    maxima = np.concatenate(largest)
    above = permutations - np.searchsorted(np.sort(maxima), threshold, side="left")
    return PermutationTest(
        observed=observed,
        p=(1 + count) / (1 + permutations),
        p_fwer=(1 + above) / (1 + permutations),
        largest=maxima,
    )


def draw_permutations(subjects: int, permutations: int, seed: int) -> np.ndarray:
    """Random orders: (n, N) int32; the first of n + 1 are those of n."""
    numbers = np.random.default_rng(seed)
    return np.stack([numbers.permutation(subjects).astype(np.int32) for _ in range(permutations)])


def _run(
    work: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], chunks: list[np.ndarray], workers: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """In the order of the chunks."""
    if workers == 1:
        yield from map(work, chunks)
        return
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(chunks), workers):
            yield from pool.map(work, chunks[start : start + workers])


def _chunk(
    statistic: Statistic,
    orders: np.ndarray,
    *,
    threshold: np.ndarray,
    enhance: Enhance | None,
    alternative: Alternative,
) -> tuple[np.ndarray, np.ndarray]:
    """How many permutations reach each threshold, and each one's largest value: (W,), (P,)."""
    values = _oriented(_enhanced(_finite(statistic(orders)), enhance), alternative)
    return (values >= threshold).sum(axis=0), values.max(axis=1)


def _enhanced(values: np.ndarray, enhance: Enhance | None) -> np.ndarray:
    return values if enhance is None else np.stack([enhance(row) for row in values])


def _oriented(values: np.ndarray, alternative: Alternative) -> np.ndarray:
    """Large where it speaks for the alternative."""
    if alternative == "two-sided":
        return np.abs(values)
    return values if alternative == "greater" else -values


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        wrong = int((~np.isfinite(values)).any(axis=0).sum())
        raise ValueError(
            f"the statistic must be finite, got NaN or infinity in {wrong} of {values.shape[1]} patterns"
        )
    return values
