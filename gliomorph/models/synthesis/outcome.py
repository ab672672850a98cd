"""Age, sex and survival of a simulated patient."""

from __future__ import annotations

from typing import Any

import numpy as np

MEDIAN_DAYS = 420.0
LOG_HAZARD = {"age_decade": 0.25, "volume_doubling": 0.2, "near_ventricles": 0.4}
"""Log hazard ratios: a decade beyond 58 years, a doubling beyond 12 ml, ventricles within 12 mm."""
WEIBULL_SHAPE = 1.3


def sample_demographics(rng: np.random.Generator) -> dict[str, Any]:
    """Age (years, 20 to 85) and sex (M or F, three to two)."""
    age = int(np.clip(round(rng.normal(58, 13)), 20, 85))
    return {"age": age, "sex": "M" if rng.random() < 0.6 else "F"}


def sample_survival(
    age: int, volume_ml: float, ventricle_distance_mm: float | None, rng: np.random.Generator
) -> dict[str, Any]:
    """Survival with proportional hazards (Weibull), censored at a random end of follow-up.

    Parameters
    ----------
    age : int
        Years.
    volume_ml : float
        Of the whole tumour, above 0.
    ventricle_distance_mm : float or None
        From its centre; None where the template shows no ventricles.
    rng : numpy.random.Generator

    Returns
    -------
    survival : dict
        ``survival_days`` (at least 1), ``event`` (1 death, 0 censored), ``log_hazard`` (the true linear
        predictor, :data:`LOG_HAZARD`).
    """
    near = ventricle_distance_mm is not None and ventricle_distance_mm < 12
    log_hazard = (
        LOG_HAZARD["age_decade"] * (age - 58) / 10
        + LOG_HAZARD["volume_doubling"] * np.log2(volume_ml / 12)
        + LOG_HAZARD["near_ventricles"] * near
    )
    # S(t) = exp(-ln 2 (t / median)^k exp(log hazard)), solved for t at a uniform S
    quantile = -np.log(rng.uniform(1e-6, 1)) / np.log(2) / np.exp(log_hazard)
    death = MEDIAN_DAYS * quantile ** (1 / WEIBULL_SHAPE)
    end = rng.uniform(300, 2000)
    return {
        "survival_days": max(1, round(float(min(death, end)))),
        "event": int(death <= end),
        "log_hazard": round(float(log_hazard), 4),
    }
