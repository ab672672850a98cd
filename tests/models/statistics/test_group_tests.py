"""Effect maps of two groups against formulas written out; statistics follow permuted groups."""

import numpy as np
import pytest
from random_lesions import coverage_matrix, identity, lesion_matrix
from scipy.stats import fisher_exact

from gliomorph.models.statistics import (
    adiffi,
    count_tables,
    find_patterns,
    fisher_statistic,
    liebermeister_statistic,
)
from gliomorph.models.statistics.fisher import fisher_z

STATISTICS = [fisher_statistic, liebermeister_statistic]


@pytest.fixture(scope="module")
def group():
    return np.random.default_rng(6).random(24) < 0.5


def test_effects_are_those_of_each_voxels_table(group):
    lesions = lesion_matrix()
    coverage = coverage_matrix(lesions)
    patterns = find_patterns(lesions, coverage)
    effect = adiffi(patterns, group)
    for v, (lesioned, covered) in enumerate(zip(lesions.T, coverage.T, strict=True)):
        inside, u = lesioned & covered, patterns.inverse[v]
        a, c = (inside & group).sum(), (inside & ~group).sum()
        b, d = (covered & group).sum() - a, (covered & ~group).sum() - c
        assert effect.difference[u] == pytest.approx(a / (a + b) - c / (c + d))
        more = 0.5 if min(a, b, c, d) == 0 else 0
        assert effect.odds_ratio[u] == pytest.approx((a + more) * (d + more) / ((b + more) * (c + more)))
        assert effect.p[u] == pytest.approx(fisher_exact([[a, b], [c, d]]).pvalue, abs=1e-9)


def test_an_empty_cell_gets_haldanes_correction():
    lesions, group = np.array([[1], [1], [0], [0], [0]]), np.array([1, 1, 1, 0, 0])
    effect = adiffi(find_patterns(lesions), group)
    assert effect.odds_ratio[0] == pytest.approx(2.5 * 2.5 / (1.5 * 0.5))
    assert effect.difference[0] == pytest.approx(2 / 3)


def test_where_nobody_is_lesioned_groups_do_not_differ(group):
    effect = adiffi(find_patterns(np.zeros((24, 1), bool)), group)
    assert effect.difference[0] == 0 and effect.p[0] == 1


@pytest.mark.parametrize("statistic", STATISTICS)
def test_statistics_of_a_permutation_are_those_of_the_permuted_group(statistic, group):
    lesions = lesion_matrix()
    patterns = find_patterns(lesions, coverage_matrix(lesions))
    orders = np.stack([np.random.default_rng(i).permutation(24) for i in range(5)])
    found = statistic(patterns, group)(orders)
    wanted = [statistic(patterns, group[order])(identity())[0] for order in orders]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_fisher_statistic_is_its_z(group):
    patterns = find_patterns(lesion_matrix())
    found = fisher_statistic(patterns, group.astype(float))(identity())
    np.testing.assert_array_equal(found, fisher_z(count_tables(patterns, group[None])))


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda g: g[:-1], r"one of each of 24 subjects, got shape \(23,\)"),
        (lambda g: np.where(np.arange(24) == 2, np.nan, g), "got 1 of 24 missing"),
        (lambda g: np.ones(24), "both values, got 1 for all 24"),
        (lambda g: g + 1, "must be 0 or 1"),
    ],
)
def test_other_variables_are_refused(statistic, change, problem, group):
    with pytest.raises(ValueError, match=problem):
        statistic(find_patterns(lesion_matrix()), change(group.astype(float)))


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("lesioned", [0, 1])
def test_voxels_that_tell_nobody_apart_are_refused(statistic, lesioned, group):
    with pytest.raises(ValueError, match="lesioned and spared subjects are required"):
        statistic(find_patterns(np.full((24, 2), lesioned)), group)
