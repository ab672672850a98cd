"""Lesions against a binary variable: maps of effects, and statistics for permutations."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from .checks import binary
from .fisher import fisher_p, fisher_z
from .liebermeister import liebermeister_z
from .patterns import Patterns, require_testable
from .permutation import Statistic
from .two_by_two import Tables, count_tables

HALDANE = 0.5
"""Added to all four cells of a table that has an empty one."""


@attrs.frozen(kw_only=True, eq=False)
class GroupEffect:
    """How lesions differ between a group and the other subjects, at each of U patterns."""

    difference: np.ndarray
    """(U,) lesion frequency in the group minus that in the others, in [-1, 1]; NaN without anybody covered in one."""
    odds_ratio: np.ndarray
    """(U,) > 0: the sample's, with ½ added to the cells of a table with an empty one (Haldane-Anscombe)."""
    p: np.ndarray
    """(U,) Fisher's exact test, two-sided, uncorrected."""


def adiffi(patterns: Patterns, group: np.ndarray) -> GroupEffect:
    """Analysis of differential involvement: where the group's lesions are more or less frequent.

    Ellingson et al., Probabilistic radiographic atlas of glioblastoma phenotypes, AJNR 34:533-540, 2013. Corrected p
    come from :func:`permutation_test` of :func:`fisher_statistic`.

    Parameters
    ----------
    patterns : Patterns
        Of N subjects; coverage counts.
    group : ndarray
        (N,) of 0 and 1.

    Returns
    -------
    effect : GroupEffect

    Raises
    ------
    ValueError
        If the variable is constant, incomplete or not binary.
    """
    tables = count_tables(patterns, binary(group, patterns.subjects, "the group")[None])
    return GroupEffect(
        difference=frequency_difference(tables)[0], odds_ratio=odds_ratio(tables)[0], p=fisher_p(tables)[0]
    )


def frequency_difference(tables: Tables) -> np.ndarray:
    """Lesion frequency in the group minus that in the others: (P, U), NaN where either is empty."""
    a, c = tables.both, tables.lesions - tables.both
    others = tables.total - tables.group
    with np.errstate(invalid="ignore"):
        difference: np.ndarray = a / tables.group - c / others
    return difference


def odds_ratio(tables: Tables) -> np.ndarray:
    """(a d) / (b c) of each table, with ½ in every cell where one is empty: (P, U)."""
    a, b = tables.both, tables.group - tables.both
    c = tables.lesions - a
    d = tables.total - a - b - c
    extra = np.where((a == 0) | (b == 0) | (c == 0) | (d == 0), HALDANE, 0.0)
    ratio: np.ndarray = (a + extra) * (d + extra) / ((b + extra) * (c + extra))
    return ratio


def fisher_statistic(patterns: Patterns, group: np.ndarray) -> Statistic:
    """Signed z of Fisher's exact test for permuted groups; positive: lesioned more often in the group.

    Raises
    ------
    ValueError
        If the variable is constant, incomplete or not binary, or somewhere nobody or everybody is lesioned.
    """
    return _group_statistic(patterns, group, fisher_z)


def liebermeister_statistic(patterns: Patterns, symptom: np.ndarray) -> Statistic:
    """z of Liebermeister's measure for permuted symptoms; positive: lesioned more often with the symptom.

    Raises
    ------
    ValueError
        If the variable is constant, incomplete or not binary, or somewhere nobody or everybody is lesioned.
    """
    return _group_statistic(patterns, symptom, liebermeister_z)


def _group_statistic(
    patterns: Patterns, group: np.ndarray, score: Callable[[Tables], np.ndarray]
) -> Statistic:
    members = binary(group, patterns.subjects, "the group")
    require_testable(patterns)
    return lambda permutations: score(count_tables(patterns, members[permutations]))
