"""Paired tests against their formulas written out, and samples that have no such test."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import t as student_t

from gliomorph.models.statistics.paired import Comparison, compare


@pytest.fixture
def samples():
    numbers = np.random.default_rng(0)
    baseline = numbers.normal(0.8, 0.1, 9)
    return baseline + numbers.normal(0.03, 0.03, 9), baseline


def signed_rank_p(difference):
    """Share of all assignments of signs whose rank sum is as far from its mean; exact, no ties."""
    ranks = np.argsort(np.argsort(np.abs(difference))) + 1
    observed = abs(ranks @ np.sign(difference))
    signs = itertools.product((-1, 1), repeat=len(ranks))
    return np.mean([abs(ranks @ np.array(s)) >= observed for s in signs])


def test_t_test_and_wilcoxon_are_their_definitions(samples):
    values, baseline = samples
    found, d = compare(values, baseline), values - baseline
    statistic = d.mean() / (d.std(ddof=1) / math.sqrt(len(d)))
    assert found.t_p == pytest.approx(2 * student_t.sf(abs(statistic), len(d) - 1))
    assert found.wilcoxon_p == pytest.approx(signed_rank_p(d))
    assert found.mean == pytest.approx(values.mean())
    assert found.sd == pytest.approx(values.std(ddof=1))
    assert found.difference == pytest.approx(d.mean())
    assert (found.n, found.left_out) == (9, 0)


def test_exchanging_the_samples_only_turns_the_difference(samples):
    values, baseline = samples
    there, back = compare(values, baseline), compare(baseline, values)
    assert back.difference == pytest.approx(-there.difference)
    assert (back.t_p, back.wilcoxon_p) == pytest.approx((there.t_p, there.wilcoxon_p))


def test_test_is_paired():
    """Patients differ by 0.3, the methods by 0.03: only pairs show it."""
    baseline = np.linspace(0.6, 0.9, 9)
    values = baseline + 0.03 + 0.01 * np.cos(np.arange(9))
    found, shuffled = compare(values, baseline), compare(values, baseline[::-1])
    assert max(found.t_p, found.wilcoxon_p) < 0.01
    assert min(shuffled.t_p, shuffled.wilcoxon_p) > 0.3


@pytest.mark.parametrize("missing", [math.nan, math.inf])
def test_pairs_that_are_not_finite_are_left_out_and_counted(samples, missing):
    values, baseline = samples
    gaps, more_gaps = values.copy(), baseline.copy()
    gaps[[0, 4]] = more_gaps[[4, 7]] = missing
    found = compare(gaps, more_gaps)
    kept = [1, 2, 3, 5, 6, 8]
    whole = compare(values[kept], baseline[kept])
    assert (found.n, found.left_out) == (6, 3)
    assert (found.mean, found.difference, found.t_p) == (whole.mean, whole.difference, whole.t_p)


def test_pairs_without_difference_tell_wilcoxon_nothing(samples):
    values, baseline = samples
    tied = compare([*values, 0.5, 0.5], [*baseline, 0.5, 0.5])
    assert tied.wilcoxon_p == compare(values, baseline).wilcoxon_p
    assert (tied.n, tied.left_out) == (11, 0)


@pytest.mark.parametrize("n", [2, 12, 60])
def test_identical_samples_have_p_1(n):
    values = np.random.default_rng(0).random(n)
    found = compare(values, values)
    assert (found.t_p, found.wilcoxon_p, found.difference) == (1, 1, 0)
    assert found.mark(higher_is_better=True) == found.mark(higher_is_better=False) == ""


@pytest.mark.parametrize("n", [5, 12, 60])
@pytest.mark.parametrize("step", [0.5, 0.1])
def test_same_difference_in_all_patients_is_significant(n, step):
    """0.5 is exact, so that the differences have no variance; 0.1 is not, so that they have almost none."""
    baseline = np.arange(n) / 7 if step == 0.1 else np.arange(n) / 8
    found = compare(baseline + step, baseline)
    assert found.t_p == pytest.approx(0, abs=1e-12)
    assert found.wilcoxon_p <= 2 / 2**5 + 1e-12
    assert found.mark(higher_is_better=True) == "*"


@pytest.mark.parametrize(("n", "mean"), [(0, math.nan), (1, 3.0)])
def test_fewer_than_two_pairs_have_no_test(n, mean):
    found = compare([3.0, math.nan][: n + 1] if n else [], [2.0, 2.0][: n + 1] if n else [])
    assert (found.mean, found.difference) == pytest.approx((mean, mean - 2), nan_ok=True)
    assert all(math.isnan(value) for value in (found.sd, found.t_p, found.wilcoxon_p))
    assert (found.n, found.left_out, found.mark(True)) == (n, n, "")


def test_two_pairs_are_tested():
    found = compare([1.0, 3.0], [0.0, 1.0])
    assert found.t_p == pytest.approx(2 * student_t.sf(3, 1))
    assert found.wilcoxon_p == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("difference", "p", "higher_is_better", "expected"),
    [
        (0.1, 0.01, True, "*"),
        (-0.1, 0.01, True, "†"),
        (-0.1, 0.01, False, "*"),
        (0.1, 0.01, False, "†"),
        (0.1, 0.05, True, ""),
        (0.1, math.nan, True, ""),
    ],
)
def test_mark_says_what_the_thesis_tables_say(difference, p, higher_is_better, expected):
    found = Comparison(mean=0, sd=1, difference=difference, t_p=p, wilcoxon_p=1, n=9, left_out=0)
    assert found.mark(higher_is_better) == expected


def test_samples_of_different_patients_are_refused():
    with pytest.raises(ValueError, match=r"one value and one baseline .* got shapes \(2,\) and \(3,\)"):
        compare([1, 2], [1, 2, 3])
