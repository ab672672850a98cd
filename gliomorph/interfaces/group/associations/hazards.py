"""Hazard ratios where a Cox test is significant: its score has no estimate, and to fit every pattern takes too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import numpy as np
from scipy.special import ndtri

from ....models.statistics import Patterns, adjusted_cox
from .samples import Sample

MOST_FITS = 500
"""Lesion patterns of a test: lifelines takes about 0.1 s for each."""
CONFIDENCE = 0.95
NAMES = ("hazardratio", "hazardratiolow", "hazardratiohigh")
LARGEST = 80.0
"""Logarithm of a limit: more is beyond single precision."""


@attrs.frozen(kw_only=True, eq=False)
class EffectMaps:
    """How large an effect is at V voxels."""

    maps: Mapping[str, np.ndarray]
    """(V,) by name; NaN where nothing is told."""
    facts: dict[str, Any]
    """For the sidecars."""
    notice: str = ""
    """What has to be known; empty as a rule."""


def hazard_maps(
    patterns: Patterns,
    sample: Sample,
    covariates: np.ndarray | None,
    z: np.ndarray,
    significant: np.ndarray,
    peaks: Iterable[int],
    min_cell: int,
) -> EffectMaps:
    """Fit the patterns of significant voxels: those of peaks first, then by descending absolute z.

    Parameters
    ----------
    patterns : Patterns
        U patterns of the sample's N participants at V voxels.
    sample : Sample
        Of a test of survival.
    covariates : ndarray or None
        (N, q), those of the test.
    z : ndarray
        (U,) of the test.
    significant : ndarray
        (V,) bool.
    peaks : iterable of int
        Patterns of the clusters' peaks.
    min_cell : int
        Participants with the event that the lesioned and the spared have to have.

    Returns
    -------
    found : EffectMaps
        ``hazardratio`` of the lesioned to the spared, ``hazardratiolow`` and ``hazardratiohigh``, Wald's interval: NaN
        where nothing was fitted, no maps at all if that is everywhere. ``HazardRatios`` of the facts are the
        ``Patterns`` and ``Voxels`` that were fitted, and by the reason significant voxels that were not, ``LeftOut``.
    """
    asked = np.zeros(len(patterns), bool)
    asked[patterns.inverse[significant]] = True
    enough = _enough_events(patterns, sample.events, min_cell)
    ranked = [*peaks, *np.argsort(-np.abs(z), kind="stable").tolist()]
    wanted = np.array([u for u in dict.fromkeys(ranked) if asked[u] and enough[u]], int)
    chosen = wanted[:MOST_FITS]
    try:
        limits = _fit(patterns, sample, covariates, chosen)
    except ImportError as error:
        counts = {str(error): int(significant.sum())}
        return EffectMaps(
            maps={},
            facts={"HazardRatios": {"Patterns": 0, "Voxels": 0, "LeftOut": counts}},
            notice=f"{sample.association.word}: no hazard ratios: {error}",
        )
    values = np.full((3, len(patterns)), np.nan)
    values[:, chosen] = limits
    fitted = np.isfinite(values[0])
    reasons = {
        f"fewer than {min_cell} of the lesioned or of the spared have the event": ~enough,
        f"beyond {MOST_FITS} lesion patterns, those of peaks and of the largest z": _among(
            wanted[MOST_FITS:], z
        ),
        "the fit did not converge": _among(chosen, z) & ~fitted,
    }
    counts = {reason: int((significant & patterns.expand(u)).sum()) for reason, u in reasons.items()}
    shown = np.where(significant, patterns.expand(values), np.nan)
    return EffectMaps(
        maps=dict(zip(NAMES, shown, strict=True)) if fitted.any() else {},
        facts={
            "HazardRatios": {
                "Patterns": int(fitted.sum()),
                "Voxels": int((significant & patterns.expand(fitted)).sum()),
                "LeftOut": {reason: count for reason, count in counts.items() if count},
            }
        },
    )


def _enough_events(patterns: Patterns, events: np.ndarray | None, min_cell: int) -> np.ndarray:
    """(U,) bool."""
    seen = np.ones(patterns.subjects) if events is None else events
    lesioned = np.rint(patterns.sums(seen))
    return np.asarray(np.minimum(lesioned, seen.sum() - lesioned) >= min_cell)


def _among(chosen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(U,) bool."""
    return np.isin(np.arange(len(values)), chosen)


def _fit(patterns: Patterns, sample: Sample, covariates: np.ndarray | None, chosen: np.ndarray) -> np.ndarray:
    """Ratio and both limits: (3, number chosen)."""
    if not len(chosen):
        return np.empty((3, 0))
    some = Patterns(lesioned=patterns.lesioned[chosen], covered=None, inverse=np.arange(len(chosen)))
    events = np.ones(patterns.subjects) if sample.events is None else sample.events
    found = adjusted_cox(some, sample.values, events, covariates)
    half = ndtri((1 + CONFIDENCE) / 2) * found.standard_error
    logarithms = found.log_hazard_ratio + np.stack([np.zeros(len(half)), -half, half])
    return np.asarray(np.exp(np.clip(logarithms, -LARGEST, LARGEST)))
