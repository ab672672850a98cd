"""Fisher's and Liebermeister's tests of every 2 × 2 table, against scipy and the posterior they stand for."""

import numpy as np
import pytest
from scipy.stats import fisher_exact, norm

from gliomorph.models.statistics import count_tables, find_patterns, fisher_p, liebermeister_p
from gliomorph.models.statistics.fisher import fisher_z
from gliomorph.models.statistics.liebermeister import liebermeister_z


def tables_of(lesions, coverage, group):
    """Tables of each voxel, one by one."""
    for lesioned, covered in zip(lesions.T, coverage.T, strict=True):
        inside = lesioned & covered
        yield [
            [(inside & group).sum(), (covered & ~inside & group).sum()],
            [(inside & ~group).sum(), (covered & ~inside & ~group).sum()],
        ]


@pytest.mark.parametrize("partial", [False, True])
def test_maps_are_those_of_voxel_by_voxel_tests(cohort, partial):
    lesions, coverage, groups = cohort
    coverage = coverage if partial else np.ones_like(coverage)
    patterns = find_patterns(lesions, coverage)
    tables = count_tables(patterns, groups)
    p, one_sided = patterns.expand(fisher_p(tables)), patterns.expand(liebermeister_p(tables, "greater"))
    for i, group in enumerate(groups):
        for v, ((a, b), (c, d)) in enumerate(tables_of(lesions, coverage, group)):
            assert p[i, v] == pytest.approx(fisher_exact([[a, b], [c, d]]).pvalue, abs=1e-9)
            more = fisher_exact([[a + 1, b], [c, d + 1]], alternative="greater").pvalue
            assert one_sided[i, v] == pytest.approx(more, abs=1e-9)


def test_z_has_the_p_and_the_sign_of_the_association(cohort):
    lesions, coverage, groups = cohort
    tables = count_tables(find_patterns(lesions, coverage), groups)
    z = fisher_z(tables)
    np.testing.assert_allclose(2 * norm.sf(np.abs(z)), fisher_p(tables), atol=1e-12)
    more = tables.both * tables.total - tables.group * tables.lesions
    np.testing.assert_array_equal(np.sign(z)[z != 0], np.sign(more)[z != 0])
    np.testing.assert_allclose(
        norm.sf(liebermeister_z(tables)), liebermeister_p(tables, "greater"), atol=1e-12
    )


def test_tails_stay_finite_and_ordered_in_large_cohorts():
    lesions = np.zeros((400, 2), bool)
    lesions[:200, 0] = lesions[:199, 1] = True
    tables = count_tables(find_patterns(lesions), np.arange(400)[None] < 200)
    for z in fisher_z(tables)[0], liebermeister_z(tables)[0]:
        assert np.isfinite(z).all() and z.min() > 20 and z[0] != z[1]
