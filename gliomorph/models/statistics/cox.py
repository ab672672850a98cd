"""Hazard ratios of lesions, adjusted for covariates, by lifelines (``pip install gliomorph[survival]``)."""

from __future__ import annotations

import warnings
from typing import Any

import attrs
import numpy as np
import pandas as pd

from .checks import design, survival
from .patterns import Patterns, require_full_coverage, require_testable


@attrs.frozen(kw_only=True, eq=False)
class HazardRatios:
    """Cox models of U patterns; NaN where the fit did not converge."""

    log_hazard_ratio: np.ndarray
    standard_error: np.ndarray
    """``log_hazard_ratio``, ``standard_error``: (U,) of the lesioned against the spared, natural logarithm; positive
    for shorter survival."""
    p: np.ndarray
    """(U,) Wald's test, two-sided, uncorrected."""
    converged: np.ndarray
    """(U,) bool."""


def adjusted_cox(
    patterns: Patterns, times: np.ndarray, events: np.ndarray, covariates: np.ndarray | None = None
) -> HazardRatios:
    """One Cox model (Efron's ties) for every pattern: lesion and covariates.

    A fit takes about 0.1 s: select patterns first, for instance those that :func:`cox_score_test` finds.

    Parameters
    ----------
    patterns : Patterns
        Of N subjects, all covered, with lesioned and spared ones in every pattern.
    times, events : ndarray
        (N,) as for :func:`logrank_test`.
    covariates : ndarray, optional
        (N, q).

    Returns
    -------
    ratios : HazardRatios

    Raises
    ------
    ImportError
        Without lifelines.
    ValueError
        If a value is missing or constant, there is no event, or a pattern cannot be tested.
    """
    lifelines = _lifelines()
    require_full_coverage(patterns)
    require_testable(patterns)
    followed, seen = survival(times, events, patterns.subjects)
    columns = design(covariates, patterns.subjects)
    table = pd.DataFrame(columns, columns=[f"covariate_{i}" for i in range(columns.shape[1])])
    table = table.assign(time=followed, event=seen.astype(float))
    rows = [_fit(lifelines, table.assign(lesion=lesioned.astype(float))) for lesioned in patterns.lesioned]
    log_ratio, error, p = np.array(rows).T
    return HazardRatios(
        log_hazard_ratio=log_ratio, standard_error=error, p=p, converged=np.isfinite(log_ratio)
    )


def _fit(lifelines: Any, table: pd.DataFrame) -> tuple[float, float, float]:
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    with warnings.catch_warnings():
        # a lesion without events has an infinite ratio: lifelines warns and returns a large one
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            fitted = lifelines.CoxPHFitter().fit(table, "time", "event")
        except (ConvergenceError, ConvergenceWarning):
            return (float("nan"),) * 3
    row = fitted.summary.loc["lesion"]
    return float(row["coef"]), float(row["se(coef)"]), float(row["p"])


def _lifelines() -> Any:
    try:
        import lifelines
    except ImportError as error:
        raise ImportError(
            "adjusted Cox models require lifelines, which is not installed: pip install gliomorph[survival]"
        ) from error
    return lifelines
