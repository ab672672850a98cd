"""Fisher's and Liebermeister's tests of every 2 × 2 table, against scipy and the posterior they stand for."""

import numpy as np
import pytest
from random_lesions import coverage_matrix, lesion_matrix
from scipy.integrate import quad
from scipy.stats import beta, fisher_exact, norm

from gliomorph.models.statistics import count_tables, find_patterns, fisher_p, liebermeister_p
from gliomorph.models.statistics.fisher import fisher_p_table, fisher_z
from gliomorph.models.statistics.liebermeister import liebermeister_tables, liebermeister_z


def possible(total, group):
    """(k, a, table) of all tables with these margins."""
    for k in range(total + 1):
        for a in range(max(0, k - (total - group)), min(k, group) + 1):
            yield k, a, [[a, group - a], [k - a, total - group - k + a]]


@pytest.fixture(scope="module")
def cohort():
    lesions = lesion_matrix()
    groups = np.random.default_rng(5).random((3, len(lesions))) < 0.4
    return lesions, coverage_matrix(lesions), groups


def tables_of(lesions, coverage, group):
    """Of each voxel, one by one."""
    for lesioned, covered in zip(lesions.T, coverage.T, strict=True):
        inside = lesioned & covered
        yield [
            [(inside & group).sum(), (covered & ~inside & group).sum()],
            [(inside & ~group).sum(), (covered & ~inside & ~group).sum()],
        ]


@pytest.mark.parametrize(("total", "group"), [(1, 1), (9, 0), (9, 9), (12, 5), (20, 10)])
def test_fisher_is_scipys_for_every_table(total, group):
    found = fisher_p_table(total, group)
    for k, a, table in possible(total, group):
        assert found[k, a] == pytest.approx(fisher_exact(table).pvalue, abs=1e-9)


@pytest.mark.parametrize(("total", "group"), [(1, 1), (9, 0), (12, 5), (20, 10)])
def test_liebermeister_is_fishers_one_sided_test_of_the_table_with_two_more_subjects(total, group):
    greater, less = liebermeister_tables(total, group)
    for k, a, ((a_, b), (c, d)) in possible(total, group):
        more = fisher_exact([[a_ + 1, b], [c, d + 1]], alternative="greater").pvalue
        fewer = fisher_exact([[a_, b + 1], [c + 1, d]], alternative="less").pvalue
        assert greater[k, a] == pytest.approx(more, abs=1e-9)
        assert less[k, a] == pytest.approx(fewer, abs=1e-9)
        assert greater[k, a] + less[k, a] == pytest.approx(1, abs=1e-12)


def test_liebermeister_is_the_posterior_under_uniform_priors():
    greater, _ = liebermeister_tables(14, 6)
    for k, a, ((_, b), (c, d)) in possible(14, 6):
        # P(frequency with the symptom ≤ frequency without it | data)
        with_symptom, without = beta(a + 1, b + 1), beta(c + 1, d + 1)
        posterior = quad(lambda x, g=with_symptom, o=without: g.cdf(x) * o.pdf(x), 0, 1, epsabs=1e-10)[0]
        assert greater[k, a] == pytest.approx(posterior, abs=1e-7)


def test_liebermeister_is_less_conservative_than_fisher():
    greater, _ = liebermeister_tables(20, 8)
    for k, a, table in possible(20, 8):
        assert greater[k, a] < fisher_exact(table, alternative="greater").pvalue


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


def test_two_sided_liebermeister_is_twice_the_smaller_side_and_the_groups_may_be_swapped(cohort):
    lesions, coverage, groups = cohort
    patterns = find_patterns(lesions, coverage)
    tables, swapped = count_tables(patterns, groups), count_tables(patterns, ~groups)
    sides = liebermeister_p(tables, "greater"), liebermeister_p(tables, "less")
    np.testing.assert_allclose(liebermeister_p(tables), 2 * np.minimum(*sides), atol=1e-12)
    np.testing.assert_allclose(liebermeister_p(swapped, "less"), sides[0], atol=1e-12)
    np.testing.assert_allclose(liebermeister_z(swapped), -liebermeister_z(tables), atol=1e-9)


def test_tails_stay_finite_and_ordered_in_large_cohorts():
    lesions = np.zeros((400, 2), bool)
    lesions[:200, 0] = lesions[:199, 1] = True
    tables = count_tables(find_patterns(lesions), np.arange(400)[None] < 200)
    for z in fisher_z(tables)[0], liebermeister_z(tables)[0]:
        assert np.isfinite(z).all() and z.min() > 20 and z[0] != z[1]


def test_an_unknown_alternative_is_refused(cohort):
    lesions, _, groups = cohort
    with pytest.raises(ValueError, match="got 'both'"):
        liebermeister_p(count_tables(find_patterns(lesions), groups), "both")
