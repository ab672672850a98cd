"""Who is at risk when: sums over risk sets, and the Cox model without the lesion.

Ties are Breslow's: all subjects that have the event at a time are at risk together.
"""

from __future__ import annotations

import attrs
import numpy as np

FLAT = 1e-6
"""Information, for covariates of unit variance, below which the likelihood rises for ever."""


@attrs.frozen(kw_only=True, eq=False)
class RiskSets:
    """Risk sets of N subjects at the J distinct event times, in ascending order."""

    order: np.ndarray
    """(N,) subjects by descending time."""
    at_risk: np.ndarray
    """(J,) how many of ``order`` are at risk."""
    deaths: np.ndarray
    """(J,) events at the time."""
    position: np.ndarray
    """(N,) event times that are not after the subject's own."""
    events: np.ndarray
    """(N,) bool."""

    @property
    def rank(self) -> np.ndarray:
        """(N,) each subject's place in ``order``."""
        rank = np.empty(len(self.order), np.int64)
        rank[self.order] = np.arange(len(self.order))
        return rank

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over each risk set: (N, …) → (J, …)."""
        total: np.ndarray = np.cumsum(values[self.order], axis=0)[self.at_risk - 1]
        return total

    def until(self, increments: np.ndarray) -> np.ndarray:
        """Sums of increments (J, …) up to each subject's time, inclusive: (N, …)."""
        start = np.zeros((1, *increments.shape[1:]))
        total: np.ndarray = np.concatenate([start, np.cumsum(increments, axis=0)])[self.position]
        return total


def risk_sets(times: np.ndarray, events: np.ndarray) -> RiskSets:
    """Risk sets of checked times (N,) and events (N,) bool."""
    order = np.argsort(-times, kind="stable")
    event_times, deaths = np.unique(times[events], return_counts=True)
    return RiskSets(
        order=order,
        at_risk=np.searchsorted(-times[order], -event_times, side="right"),
        deaths=deaths.astype(float),
        position=np.searchsorted(event_times, times, side="right"),
        events=events,
    )


@attrs.frozen(kw_only=True, eq=False)
class NullModel:
    """The Cox model of covariates only, at its estimate."""

    coefficients: np.ndarray
    """(q,) log hazard ratios."""
    relative_risk: np.ndarray
    """(N,) exp(z β)."""
    score: np.ndarray
    """(q,) the gradient of the log partial likelihood; about 0."""
    information: np.ndarray
    """(q, q) minus its Hessian."""
    mean: np.ndarray
    """(J, q) of the covariates over each risk set, weighted by the relative risk."""


def fit_null_model(risk: RiskSets, covariates: np.ndarray, iterations: int = 50) -> NullModel:
    """Newton's method on the partial likelihood, halving steps that do not climb.

    Parameters
    ----------
    risk : RiskSets
        Of N subjects.
    covariates : ndarray
        (N, q), centred; q may be 0.
    iterations : int
        At most.

    Returns
    -------
    model : NullModel

    Raises
    ------
    ValueError
        If the likelihood has no maximum: covariates that separate early from late events.
    """
    scale = covariates.std(axis=0)
    scaled = covariates / scale
    beta = np.zeros(covariates.shape[1])
    for _ in range(iterations):
        model = _evaluate(risk, scaled, beta)
        if np.linalg.eigvalsh(model.information).min(initial=1.0) < FLAT:
            break
        if np.abs(model.score).max(initial=0) < 1e-9 * len(covariates):
            return _evaluate(risk, covariates, beta / scale)
        beta = _climb(risk, scaled, model)
    raise ValueError(
        "the Cox model of the covariates has no finite estimate: a covariate tells early events from late ones "
        "perfectly; leave it out"
    )


def _climb(risk: RiskSets, covariates: np.ndarray, model: NullModel) -> np.ndarray:
    step = np.linalg.lstsq(model.information, model.score, rcond=None)[0]
    before = _log_likelihood(risk, covariates, model.coefficients)
    for _ in range(30):
        if _log_likelihood(risk, covariates, model.coefficients + step) >= before - 1e-12 * abs(before):
            break
        step = step / 2
    beta: np.ndarray = model.coefficients + step
    return beta


def _log_likelihood(risk: RiskSets, covariates: np.ndarray, beta: np.ndarray) -> float:
    predictor = covariates @ beta
    return float(predictor[risk.events].sum() - risk.deaths @ np.log(risk.sums(np.exp(predictor))))


def _evaluate(risk: RiskSets, covariates: np.ndarray, beta: np.ndarray) -> NullModel:
    """Cox, J R Stat Soc B 34:187-220, 1972, with W the sum of the relative risks w of a risk set."""
    w = np.exp(covariates @ beta)
    W = risk.sums(w)
    mean = risk.sums(w[:, None] * covariates) / W[:, None]
    hazard = risk.until(risk.deaths / W)
    squares = covariates.T @ (covariates * (w * hazard)[:, None])
    return NullModel(
        coefficients=beta,
        relative_risk=w,
        score=covariates.T @ (risk.events - w * hazard),
        information=squares - mean.T @ (mean * risk.deaths[:, None]),
        mean=mean,
    )
