"""Intervals of a frequency against statsmodels' and their laws."""

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from gliomorph.models.statistics import binomial_interval

METHODS = {"wilson": "wilson", "jeffreys": "jeffreys", "clopper-pearson": "beta"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_limits_are_those_of_statsmodels(method, confidence):
    total = np.repeat([5, 30, 400], 6)
    count = (total * np.tile([0, 0.2, 0.4, 0.6, 0.8, 1.0], 3)).astype(int)
    low, high = binomial_interval(count, total, confidence, method)
    wanted = [
        proportion_confint(k, n, 1 - confidence, METHODS[method]) for k, n in zip(count, total, strict=True)
    ]
    inner = (count > 0) & (count < total)
    np.testing.assert_allclose(np.stack([low, high], axis=1)[inner], np.array(wanted)[inner], atol=1e-9)
    assert (low[count == 0] == 0).all() and (high[count == total] == 1).all()
    assert ((low <= count / total) & (count / total <= high)).all()


@pytest.mark.parametrize("method", METHODS)
def test_where_nobody_is_covered_nothing_is_known(method):
    low, high = binomial_interval(np.zeros((2, 1)), np.zeros((1, 3)), method=method)
    assert low.shape == (2, 3) and (low == 0).all() and (high == 1).all()


@pytest.mark.parametrize("method", METHODS)
def test_limits_mirror_each_other(method):
    low, high = binomial_interval(np.arange(21), 20, method=method)
    np.testing.assert_allclose(low, 1 - high[::-1], atol=1e-12)


def test_exact_interval_covers_at_least_as_often_as_it_says():
    low, high = binomial_interval(np.arange(31), 30, 0.9, "clopper-pearson")
    for probability in np.linspace(0.01, 0.99, 50):
        inside = (low <= probability) & (probability <= high)
        assert binom.pmf(np.arange(31), 30, probability)[inside].sum() >= 0.9 - 1e-9


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((3, 2), "0 ≤ count ≤ total"),
        ((-1, 2), "0 ≤ count ≤ total"),
        ((np.nan, 2), "0 ≤ count ≤ total"),
        ((1, 2, 1.0), "between 0 and 1, got 1.0"),
        ((1, 2, 0.9, "wald"), "got 'wald'"),
    ],
)
def test_impossible_input_is_refused(arguments, problem):
    with pytest.raises(ValueError, match=problem):
        binomial_interval(*arguments)
