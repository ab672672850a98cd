"""Distinct lesion patterns lose nothing, and sums over them are matrix products."""

import numpy as np
import pytest
from random_lesions import coverage_matrix, lesion_matrix

from gliomorph.models.statistics import find_patterns
from gliomorph.models.statistics.patterns import require_full_coverage, require_testable


def test_patterns_are_the_distinct_columns_and_expand_to_the_matrix():
    lesions = lesion_matrix()
    patterns = find_patterns(lesions)
    assert len(patterns) == np.unique(lesions, axis=1).shape[1] < lesions.shape[1]
    np.testing.assert_array_equal(patterns.expand(patterns.lesioned.T), lesions)
    assert patterns.covered is None


def test_patterns_tell_coverages_apart_and_drop_lesions_without_coverage():
    lesions = lesion_matrix()
    coverage = coverage_matrix(lesions)
    patterns = find_patterns(lesions.astype(np.uint8), coverage)
    np.testing.assert_array_equal(patterns.expand(patterns.lesioned.T), lesions & coverage)
    np.testing.assert_array_equal(patterns.expand(patterns.covered.T), coverage)
    np.testing.assert_array_equal(patterns.expand(patterns.totals), coverage.sum(axis=0))
    both = np.concatenate([lesions & coverage, coverage])
    assert len(patterns) == np.unique(both, axis=1).shape[1]


def test_patterns_do_not_depend_on_where_voxels_are():
    lesions = lesion_matrix()
    shuffled = lesions[:, np.random.default_rng(3).permutation(lesions.shape[1])]
    np.testing.assert_array_equal(find_patterns(lesions).lesioned, find_patterns(shuffled).lesioned)


def test_complete_coverage_is_no_coverage():
    lesions = lesion_matrix()
    assert find_patterns(lesions, np.ones_like(lesions)).covered is None


@pytest.mark.parametrize("covered", [False, True])
def test_sums_are_matrix_products(covered):
    lesions = lesion_matrix()
    coverage = coverage_matrix(lesions) if covered else np.ones_like(lesions)
    values = np.random.default_rng(4).normal(size=(len(lesions), 3))
    patterns = find_patterns(lesions, coverage)
    found = patterns.sums(values)[patterns.inverse], patterns.covered_sums(values)[patterns.inverse]
    np.testing.assert_allclose(found[0], (lesions & coverage).T.astype(float) @ values, atol=1e-12)
    np.testing.assert_allclose(found[1], coverage.T.astype(float) @ values, atol=1e-12)


@pytest.mark.parametrize(
    ("lesions", "coverage", "problem"),
    [
        (np.zeros(5), None, r"matrix of subjects × voxels.*\(5,\)"),
        (np.zeros((0, 5)), None, "not empty"),
        (np.array([[0, 2]]), None, "lesions must be 0 or 1"),
        (np.array([[0, np.nan]]), None, "missing values"),
        (np.zeros((2, 3)), np.zeros((2, 4)), r"shape of lesions, \(2, 3\), got \(2, 4\)"),
    ],
)
def test_other_matrices_are_refused(lesions, coverage, problem):
    with pytest.raises(ValueError, match=problem):
        find_patterns(lesions, coverage)


def test_patterns_without_lesioned_or_spared_subjects_are_not_testable():
    lesions = np.array([[1, 0, 1], [1, 0, 0]])
    with pytest.raises(ValueError, match="of 3 patterns 1 have nobody lesioned and 1 everybody"):
        require_testable(find_patterns(lesions))
    require_testable(find_patterns(lesions[:, 2:]))


def test_partial_coverage_is_refused_where_all_subjects_are_required():
    coverage = np.array([[1, 1], [1, 0]])
    with pytest.raises(ValueError, match="got 1 of 2 patterns with fewer than 2"):
        require_full_coverage(find_patterns(np.array([[1, 1], [0, 0]]), coverage))
