"""What a statistic requires of its input; everything else is refused."""

from __future__ import annotations

import numpy as np


def binary(values: np.ndarray, subjects: int, name: str) -> np.ndarray:
    """A variable with two values, one of each subject.

    Parameters
    ----------
    values : ndarray
        (N,) of 0 and 1, or bool.
    subjects : int
        N.
    name : str
        For the error.

    Returns
    -------
    checked : ndarray
        (N,) bool.

    Raises
    ------
    ValueError
        With a wrong shape, a missing value, a value that is neither 0 nor 1, or one value only.
    """
    found = _finite(values, subjects, name)
    if not np.isin(found, (0, 1)).all():
        other = found[~np.isin(found, (0, 1))][0]
        raise ValueError(f"{name} must be 0 or 1 for every subject, got {other:g}")
    checked = found.astype(bool)
    if checked.all() or not checked.any():
        raise ValueError(f"{name} must have both values, got {int(checked[0])} for all {subjects} subjects")
    return checked


def continuous(values: np.ndarray, subjects: int, name: str) -> np.ndarray:
    """A variable that is not constant: (N,) float64.

    Raises
    ------
    ValueError
        With a wrong shape, a missing value or the same value everywhere.
    """
    found = _finite(values, subjects, name)
    if np.ptp(found) <= 1e-12 * np.abs(found).max():
        raise ValueError(f"{name} must vary between subjects, got {found[0]:g} for all {subjects} subjects")
    return found


def design(covariates: np.ndarray | None, subjects: int) -> np.ndarray:
    """Covariates, centred: (N, q) float64 with q = 0 for None.

    Raises
    ------
    ValueError
        With a wrong shape, a missing value, a constant column or columns that are linearly dependent.
    """
    if covariates is None:
        return np.empty((subjects, 0))
    found = np.asarray(covariates, float)
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2 or len(found) != subjects:
        raise ValueError(
            f"covariates must be one row of each of {subjects} subjects, got shape {found.shape}"
        )
    columns = [continuous(column, subjects, f"covariate {i}") for i, column in enumerate(found.T)]
    centred = np.stack(columns, axis=1) - found.mean(axis=0) if columns else found
    if columns and np.linalg.matrix_rank(centred / np.linalg.norm(centred, axis=0)) < centred.shape[1]:
        raise ValueError(f"covariates must be linearly independent, got {centred.shape[1]} that are not")
    return centred


def survival(times: np.ndarray, events: np.ndarray, subjects: int) -> tuple[np.ndarray, np.ndarray]:
    """Follow-up and whether it ended with the event.

    Parameters
    ----------
    times : ndarray
        (N,) in any unit, ≥ 0.
    events : ndarray
        (N,) of 1 (the event was seen) and 0 (censored).
    subjects : int
        N.

    Returns
    -------
    times : ndarray
        (N,) float64.
    events : ndarray
        (N,) bool.

    Raises
    ------
    ValueError
        With a wrong shape, a missing or negative time, or without any event.
    """
    found = _finite(times, subjects, "survival times")
    if (found < 0).any():
        raise ValueError(f"survival times must be ≥ 0, got {found.min():g}")
    seen = _finite(events, subjects, "events")
    if not np.isin(seen, (0, 1)).all():
        raise ValueError(f"events must be 0 (censored) or 1, got {seen[~np.isin(seen, (0, 1))][0]:g}")
    if not seen.any():
        raise ValueError(f"at least one event is required, got {subjects} censored subjects")
    return found, seen.astype(bool)


def _finite(values: np.ndarray, subjects: int, name: str) -> np.ndarray:
    found = np.asarray(values, float)
    if found.shape != (subjects,):
        raise ValueError(f"{name} must be one of each of {subjects} subjects, got shape {found.shape}")
    missing = int((~np.isfinite(found)).sum())
    if missing:
        raise ValueError(
            f"{name} must be known for every subject, got {missing} of {subjects} missing or infinite: "
            "leave those subjects out"
        )
    return found
