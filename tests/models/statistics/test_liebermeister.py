"""Liebermeister's test of every 2 × 2 table, against scipy and the posterior that it stands for."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, fisher_exact
from two_by_two_tables import possible

from gliomorph.models.statistics import count_tables, find_patterns, liebermeister_p
from gliomorph.models.statistics.liebermeister import liebermeister_tables, liebermeister_z


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


def test_two_sided_liebermeister_is_twice_the_smaller_side_and_the_groups_may_be_swapped(cohort):
    lesions, coverage, groups = cohort
    patterns = find_patterns(lesions, coverage)
    tables, swapped = count_tables(patterns, groups), count_tables(patterns, ~groups)
    sides = liebermeister_p(tables, "greater"), liebermeister_p(tables, "less")
    np.testing.assert_allclose(liebermeister_p(tables), 2 * np.minimum(*sides), atol=1e-12)
    np.testing.assert_allclose(liebermeister_p(swapped, "less"), sides[0], atol=1e-12)
    np.testing.assert_allclose(liebermeister_z(swapped), -liebermeister_z(tables), atol=1e-9)


def test_an_unknown_alternative_is_refused(cohort):
    lesions, _, groups = cohort
    with pytest.raises(ValueError, match="got 'both'"):
        liebermeister_p(count_tables(find_patterns(lesions), groups), "both")
