"""The permutation test against one written as loops, and what must not change its result."""

import numpy as np
import pytest
from random_lesions import lesion_matrix
from scipy.stats import pearsonr

from gliomorph.models.statistics import find_patterns, linear_model, permutation_test
from gliomorph.models.statistics.permutation import draw_permutations


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(12).normal(size=24)


@pytest.fixture(scope="module")
def statistic(values):
    return linear_model(find_patterns(lesion_matrix()), values)


def correlations(lesioned, values):
    """One by one; as monotone in t as anything."""
    return np.array([pearsonr(row.astype(float), values).statistic for row in lesioned])


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_p_are_shares_of_permutations_counted_one_by_one(statistic, values, alternative):
    side = {"two-sided": np.abs, "greater": np.array, "less": np.negative}[alternative]
    found = permutation_test(statistic, 24, permutations=39, seed=3, alternative=alternative)
    observed = side(correlations(statistic.patterns.lesioned, values))
    reached, largest = np.ones(len(observed)), np.ones(len(observed))
    for order in draw_permutations(24, 39, 3):
        permuted = side(correlations(statistic.patterns.lesioned, values[order]))
        reached += permuted >= observed - 1e-9
        largest += permuted.max() >= observed - 1e-9
    np.testing.assert_allclose(found.p, reached / 40)
    np.testing.assert_allclose(found.p_fwer, largest / 40)


def test_the_seed_alone_decides(statistic):
    first = permutation_test(statistic, 24, permutations=50, seed=1)
    for options in ({"memory_mb": 1e-6}, {"memory_mb": 2e-3, "workers": 3}):
        other = permutation_test(statistic, 24, permutations=50, seed=1, **options)
        np.testing.assert_array_equal(other.p, first.p)
        np.testing.assert_array_equal(other.p_fwer, first.p_fwer)
        np.testing.assert_allclose(other.largest, first.largest, rtol=1e-12)
    assert (permutation_test(statistic, 24, permutations=50, seed=2).largest != first.largest).any()


def test_fewer_permutations_are_the_first_of_more():
    np.testing.assert_array_equal(draw_permutations(9, 4, 5), draw_permutations(9, 6, 5)[:4])


def test_p_are_never_zero_and_correction_never_lowers_them(statistic):
    found = permutation_test(statistic, 24, permutations=30)
    assert found.p.min() >= 1 / 31 and found.p_fwer.max() <= 1
    assert (found.p_fwer >= found.p).all()
    strongest = np.abs(found.observed).argmax()
    assert found.p_fwer[strongest] == found.p_fwer.min()


def test_permutations_that_change_nothing_count_as_reaching_the_observed():
    found = permutation_test(lambda orders: np.full((len(orders), 3), 2.0), 6, permutations=9)
    assert (found.p == 1).all() and (found.p_fwer == 1).all()


def test_enhanced_maps_are_compared_with_enhanced_maps(statistic):
    found = permutation_test(statistic, 24, permutations=20, enhance=lambda row: np.repeat(row**3, 2))
    plain = permutation_test(statistic, 24, permutations=20)
    np.testing.assert_allclose(found.observed, np.repeat(plain.observed**3, 2))
    np.testing.assert_array_equal(found.p_fwer, np.repeat(plain.p_fwer, 2))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"permutations": 0}, "must be positive"),
        ({"workers": 0}, "must be positive"),
        ({"memory_mb": 0}, "must be positive"),
        ({"alternative": "both"}, "got 'both'"),
    ],
)
def test_impossible_options_are_refused(statistic, options, problem):
    with pytest.raises(ValueError, match=problem):
        permutation_test(statistic, 24, **{"permutations": 9} | options)


def test_a_statistic_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="in 1 of 2 patterns"):
        permutation_test(lambda orders: np.tile([1.0, np.nan], (len(orders), 1)), 5, permutations=9)
