"""Packed lesions are the matrix, in one bit each."""

import numpy as np
import pytest
from random_lesions import coverage_matrix, lesion_matrix

from gliomorph.models.statistics import (
    LesionBits,
    adiffi,
    find_patterns,
    fisher_statistic,
    lesion_bits,
    select_voxels,
)


def packed(lesions, coverage):
    bits = LesionBits.empty(lesions.shape[1], len(lesions))
    for subject, (lesioned, covered) in enumerate(zip(lesions, coverage, strict=True)):
        bits.add(subject, lesioned, covered)
    return bits


@pytest.mark.parametrize("subjects", [23, 24])
@pytest.mark.parametrize("complete", [True, False])
def test_patterns_are_those_of_the_matrix(subjects, complete):
    lesions = lesion_matrix(subjects)
    coverage = np.ones(lesions.shape, bool) if complete else coverage_matrix(lesions)
    found, plain = packed(lesions, coverage).patterns(), find_patterns(lesions, coverage)
    assert len(found) == len(plain) and (found.covered is None) == complete
    np.testing.assert_array_equal(found.lesioned[found.inverse].T, lesions & coverage)
    if not complete:
        np.testing.assert_array_equal(found.covered[found.inverse].T, coverage)
    group = np.arange(subjects) % 2
    for one, other in zip((found, plain), (plain, found), strict=True):
        np.testing.assert_array_equal(one.expand(adiffi(one, group).p), other.expand(adiffi(other, group).p))
    order = np.random.default_rng(0).permutation(subjects)[None]
    np.testing.assert_array_equal(
        found.expand(fisher_statistic(found, group)(order)),
        plain.expand(fisher_statistic(plain, group)(order)),
    )


def test_selection_is_that_of_the_matrix_for_any_subjects_and_blocks(monkeypatch):
    monkeypatch.setattr(lesion_bits, "BLOCK", 7)
    lesions = lesion_matrix()
    coverage = coverage_matrix(lesions)
    columns = np.random.default_rng(3).permutation(24)[:15].tolist()
    limits = {"min_coverage": 10, "min_lesions": 3, "min_spared": 4}
    selected, bits = packed(lesions, coverage).select(columns, **limits)
    expected = select_voxels(lesions[columns], coverage[columns], **limits)
    np.testing.assert_array_equal(selected, expected)
    assert selected.any() and not selected.all()
    found = bits.patterns()
    np.testing.assert_array_equal(
        found.lesioned[found.inverse].T, (lesions & coverage)[np.ix_(columns, expected)]
    )


def test_both_groups_have_to_be_covered():
    lesions = lesion_matrix(12)
    coverage = np.ones(lesions.shape, bool)
    coverage[2:6, :10] = False
    group = np.arange(12) < 6
    selected, bits = packed(lesions, coverage).select(
        range(12), min_coverage=1, min_lesions=0, min_spared=0, group=group, min_group=3
    )
    assert not selected[:10].any() and selected[10:].all() and bits.subjects == 12


def test_nothing_selected_is_no_pattern():
    lesions = lesion_matrix()
    selected, bits = packed(lesions, np.ones(lesions.shape, bool)).select(
        range(24), min_coverage=25, min_lesions=1, min_spared=1
    )
    assert not selected.any() and bits.lesions.shape == (0, 3)
    with pytest.raises(ValueError, match="subjects and voxels are required, got 24 and 0"):
        bits.patterns()
