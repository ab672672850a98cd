"""Voxels are selected by counts of covered, lesioned and spared subjects."""

import pytest
from random_lesions import coverage_matrix, lesion_matrix

from gliomorph.models.statistics import find_patterns, select_voxels
from gliomorph.models.statistics.patterns import require_testable


def test_selected_voxels_have_the_minima_and_no_others():
    lesions = lesion_matrix()
    coverage = coverage_matrix(lesions)
    found = select_voxels(lesions, coverage, min_coverage=20, min_lesions=5, min_spared=7)
    for lesioned, covered, selected in zip(lesions.T, coverage.T, found, strict=True):
        inside = lesioned & covered
        wanted = covered.sum() >= 20 and inside.sum() >= 5 and (covered & ~lesioned).sum() >= 7
        assert selected == wanted
    assert 0 < found.sum() < len(found)


def test_by_default_what_is_left_can_be_tested():
    lesions = lesion_matrix()
    lesions[:, 0], lesions[:, 1] = True, False
    selected = select_voxels(lesions)
    assert not selected[:2].any() and selected[2:].all()
    require_testable(find_patterns(lesions[:, selected]))


def test_negative_minima_and_other_shapes_are_refused():
    lesions = lesion_matrix()
    with pytest.raises(ValueError, match=r"≥ 0, got \(1, -1, 1\)"):
        select_voxels(lesions, min_lesions=-1)
    with pytest.raises(ValueError, match="shape of lesions"):
        select_voxels(lesions, lesions[:, :3])
