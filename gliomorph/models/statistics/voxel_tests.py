"""One face for all tests of lesions against a variable: a statistic, its own p, and effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import attrs
import numpy as np
from scipy.special import ndtr, stdtr  # as scipy.stats has them, which takes half a second to import

from .glm import linear_model
from .group_tests import adiffi, fisher_statistic, liebermeister_statistic
from .liebermeister import liebermeister_p
from .patterns import Patterns
from .permutation import Statistic
from .survival import cox_score_test, logrank_test
from .two_by_two import count_tables

Kind = Literal["adiffi", "liebermeister", "glm", "logrank", "cox"]

COVARIATES: tuple[Kind, ...] = ("glm", "cox")
"""Tests that take covariates."""
PARTIAL_COVERAGE: tuple[Kind, ...] = ("adiffi", "liebermeister")
"""Tests of those who are covered in a voxel; the others require everybody in every voxel."""


@attrs.frozen(kw_only=True, eq=False)
class VoxelTest:
    """A test of U patterns."""

    statistic: Statistic
    """For :func:`permutation_test`."""
    scale: Literal["z", "t"]
    observed: np.ndarray
    """(U,) the statistic, with its sign."""
    p: np.ndarray
    """(U,) two-sided, uncorrected: exact (``adiffi``), quasi-exact (``liebermeister``), Student's (``glm``) or
    asymptotically normal."""
    effects: Mapping[str, np.ndarray]
    """(U,) by name: ``difference`` and ``oddsratio`` of groups."""


def voxel_test(
    kind: Kind,
    patterns: Patterns,
    values: np.ndarray,
    events: np.ndarray | None = None,
    covariates: np.ndarray | None = None,
) -> VoxelTest:
    """The test of a kind.

    Parameters
    ----------
    kind : str
    patterns : Patterns
        Of N subjects, with lesioned and spared ones in every pattern; all covered unless the kind is one of
        :data:`PARTIAL_COVERAGE`.
    values : ndarray
        (N,) group (0 and 1), number, or time.
    events : ndarray, optional
        (N,) 0 and 1, of ``logrank`` and ``cox``; None: all are events.
    covariates : ndarray, optional
        (N, q), of ``glm`` and ``cox``.

    Returns
    -------
    test : VoxelTest

    Raises
    ------
    ValueError
        With an unknown kind, covariates that the kind does not take, or as the test itself does.
    """
    if kind not in ("adiffi", "liebermeister", "glm", "logrank", "cox"):
        raise ValueError(f"kind must be adiffi, liebermeister, glm, logrank or cox, got {kind!r}")
    if covariates is not None and kind not in COVARIATES:
        raise ValueError(f"{kind} takes no covariates")
    if kind in PARTIAL_COVERAGE:
        return _of_groups(kind, patterns, values)
    if kind == "glm":
        model = linear_model(patterns, values, covariates)
        t = _observed(model, patterns)
        p = 2 * stdtr(model.degrees_of_freedom, -np.abs(t))
        return VoxelTest(statistic=model, scale="t", observed=t, p=p, effects={})
    seen = np.ones(len(values)) if events is None else events
    score = (
        logrank_test(patterns, values, seen)
        if kind == "logrank"
        else cox_score_test(patterns, values, seen, covariates)
    )
    z = _observed(score, patterns)
    return VoxelTest(statistic=score, scale="z", observed=z, p=2 * ndtr(-np.abs(z)), effects={})


def _of_groups(kind: Kind, patterns: Patterns, group: np.ndarray) -> VoxelTest:
    make: Callable[[Patterns, np.ndarray], Statistic] = (
        fisher_statistic if kind == "adiffi" else liebermeister_statistic
    )
    statistic, effect = make(patterns, group), adiffi(patterns, group)
    p = effect.p
    if kind == "liebermeister":
        p = liebermeister_p(count_tables(patterns, np.asarray(group, bool)[None]))[0]
    return VoxelTest(
        statistic=statistic,
        scale="z",
        observed=_observed(statistic, patterns),
        p=p,
        effects={"difference": effect.difference, "oddsratio": effect.odds_ratio},
    )


def _observed(statistic: Statistic, patterns: Patterns) -> np.ndarray:
    return statistic(np.arange(patterns.subjects)[None])[0]
