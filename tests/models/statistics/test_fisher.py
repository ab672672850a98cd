"""Fisher's test of every 2 × 2 table is scipy's."""

import pytest
from scipy.stats import fisher_exact
from two_by_two_tables import possible

from gliomorph.models.statistics.fisher import fisher_p_table


@pytest.mark.parametrize(("total", "group"), [(1, 1), (9, 0), (9, 9), (12, 5), (20, 10)])
def test_fisher_is_scipys_for_every_table(total, group):
    found = fisher_p_table(total, group)
    for k, a, table in possible(total, group):
        assert found[k, a] == pytest.approx(fisher_exact(table).pvalue, abs=1e-9)
