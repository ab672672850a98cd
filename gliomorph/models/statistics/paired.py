"""Paired tests of a method against a baseline, patient by patient."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import attrs
import numpy as np

SIGNIFICANT = 0.05
"""The thesis' level (Tables 3.7, 3.8)."""


@attrs.frozen(kw_only=True)
class Comparison:
    """A method's values beside a baseline's, over the patients that have both."""

    mean: float
    sd: float
    """``mean``, ``sd``: the method's values; ``sd`` is the sample's (n − 1)."""
    difference: float
    """Mean of value minus baseline."""
    t_p: float
    """p of the paired t-test, two-sided: the thesis' test."""
    wilcoxon_p: float
    """p of Wilcoxon's signed-rank test, two-sided, patients without difference left out: it does not assume that
    differences are normal, which those of Dice are not."""
    n: int
    """Pairs compared."""
    left_out: int
    """Pairs with a value that is not finite."""

    def mark(self, higher_is_better: bool) -> str:
        """The thesis' sign by the t-test: ``*`` an improvement, ``†`` a deterioration, nothing if p ≥ 0.05 or NaN."""
        if not self.t_p < SIGNIFICANT:
            return ""
        return "*" if (self.difference > 0) == higher_is_better else "†"


def compare(values: Sequence[float], baseline: Sequence[float]) -> Comparison:
    """Paired tests of ``values`` against ``baseline``.

    Parameters
    ----------
    values, baseline : sequence of float
        One of each patient, in the same order. A pair with NaN or infinity is left out of everything.

    Returns
    -------
    comparison : Comparison
        Without any difference both p are 1. With fewer than two pairs p and ``sd`` are NaN; without any, ``mean`` and
        ``difference`` too.

    Raises
    ------
    ValueError
        If there are not as many values as baselines.
    """
    ours, theirs = np.asarray(values, float), np.asarray(baseline, float)
    if ours.ndim != 1 or ours.shape != theirs.shape:
        raise ValueError(
            f"one value and one baseline of each patient are required, got shapes {ours.shape} and {theirs.shape}"
        )
    paired = np.isfinite(ours) & np.isfinite(theirs)
    ours, theirs = ours[paired], theirs[paired]
    n, difference = len(ours), ours - theirs
    t_p, wilcoxon_p = _p_values(difference)
    return Comparison(
        mean=float(ours.mean()) if n else float("nan"),
        sd=float(ours.std(ddof=1)) if n > 1 else float("nan"),
        difference=float(difference.mean()) if n else float("nan"),
        t_p=t_p,
        wilcoxon_p=wilcoxon_p,
        n=n,
        left_out=len(paired) - n,
    )


def _p_values(difference: np.ndarray) -> tuple[float, float]:
    """The p of the t-test and of Wilcoxon's."""
    from scipy.stats import ttest_1samp, wilcoxon

    if len(difference) < 2:
        return float("nan"), float("nan")
    if not difference.any():
        return 1.0, 1.0
    with warnings.catch_warnings():
        # nearly equal differences: t is huge and inexact, p about 0 all the same
        warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
        t_p = ttest_1samp(difference, 0.0).pvalue
    return float(t_p), float(wilcoxon(difference[difference != 0]).pvalue)
