"""Intervals of a frequency against statsmodels' and their laws."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from gliomorph.models.statistics import binomial_interval


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_limits_are_those_of_statsmodels(confidence):
    total = np.repeat([5, 30, 400], 6)
    count = (total * np.tile([0, 0.2, 0.4, 0.6, 0.8, 1.0], 3)).astype(int)
    low, high = binomial_interval(count, total, confidence)
    wanted = [proportion_confint(k, n, 1 - confidence, "wilson") for k, n in zip(count, total, strict=True)]
    inner = (count > 0) & (count < total)
    np.testing.assert_allclose(np.stack([low, high], axis=1)[inner], np.array(wanted)[inner], atol=1e-9)
    assert (low[count == 0] == 0).all() and (high[count == total] == 1).all()
    assert ((low <= count / total) & (count / total <= high)).all()


def test_where_nobody_is_covered_nothing_is_known():
    low, high = binomial_interval(np.zeros((2, 1)), np.zeros((1, 3)))
    assert low.shape == (2, 3) and (low == 0).all() and (high == 1).all()


def test_limits_mirror_each_other():
    low, high = binomial_interval(np.arange(21), 20)
    np.testing.assert_allclose(low, 1 - high[::-1], atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((3, 2), "0 ≤ count ≤ total"),
        ((-1, 2), "0 ≤ count ≤ total"),
        ((np.nan, 2), "0 ≤ count ≤ total"),
        ((1, 2, 1.0), "between 0 and 1, got 1.0"),
    ],
)
def test_impossible_input_is_refused(arguments, problem):
    with pytest.raises(ValueError, match=problem):
        binomial_interval(*arguments)
