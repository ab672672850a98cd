"""Adjusted p are scipy's; small samples carry a warning."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from gliomorph.models.statistics import false_discovery_rate


def test_q_are_scipys():
    p = np.random.default_rng(15).random(200) ** 2
    p[:5] = p[5]
    np.testing.assert_allclose(false_discovery_rate(p, 100).q, false_discovery_control(p), atol=1e-12)


def test_q_keeps_the_order_and_never_lowers_p():
    p = np.random.default_rng(16).random(50)
    q = false_discovery_rate(p, 100).q
    assert (q >= p).all() and (q <= 1).all() and (np.diff(q[np.argsort(p)]) >= 0).all()
    assert false_discovery_rate(np.ones(4), 100).q.tolist() == [1] * 4
    assert false_discovery_rate(np.array([]), 100).q.size == 0


def test_small_samples_are_warned_of():
    assert "30 subjects are few" in false_discovery_rate(np.array([0.01]), 30).warning
    assert false_discovery_rate(np.array([0.01]), 200).warning == ""


@pytest.mark.parametrize("p", [np.array([0.5, np.nan]), np.array([1.5]), np.ones((2, 2))])
def test_other_p_are_refused(p):
    with pytest.raises(ValueError, match="of every voxel are required"):
        false_discovery_rate(p, 100)
