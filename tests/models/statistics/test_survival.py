"""Log-rank and score tests against lifelines, statsmodels and sums over every risk set."""

import numpy as np
import pytest
from lifelines.statistics import logrank_test as lifelines_logrank
from random_lesions import coverage_matrix, follow_up, identity, lesion_matrix
from statsmodels.duration.hazard_regression import PHReg

from gliomorph.models.statistics import cox_score_test, find_patterns, logrank_test


@pytest.fixture(scope="module")
def patterns():
    return find_patterns(lesion_matrix())


@pytest.fixture(scope="module")
def covariates():
    numbers = np.random.default_rng(8)
    return np.column_stack([numbers.normal(60, 10, 24), lesion_matrix().sum(axis=1)])


def slow_logrank(lesioned, times, events):
    """z, by Mantel's sums over the event times."""
    difference = variance = 0.0
    for time in np.unique(times[events]):
        at_risk, dies = times >= time, events & (times == time)
        n, d, n1 = at_risk.sum(), dies.sum(), (at_risk & lesioned).sum()
        difference += (dies & lesioned).sum() - d * n1 / n
        if n > 1:
            variance += d * (n1 / n) * (1 - n1 / n) * (n - d) / (n - 1)
    return difference / np.sqrt(variance)


def slow_score(lesioned, times, events, covariates):
    """z of the lesion at the estimate without it, from statsmodels' gradient and Hessian (Breslow's ties)."""
    null = np.zeros(1 + covariates.shape[1])
    if covariates.shape[1]:
        model = PHReg(times, covariates, events.astype(int), ties="breslow")
        null[1:] = model.fit(method="newton", disp=0).params
    model = PHReg(times, np.column_stack([lesioned, covariates]), events.astype(int), ties="breslow")
    information = -model.hessian(null)
    return model.score(null)[0] * np.sqrt(np.linalg.inv(information)[0, 0])


@pytest.mark.parametrize("ties", [False, True])
def test_logrank_is_lifelines_and_mantels(patterns, ties):
    times, events = follow_up(ties=ties)
    z = logrank_test(patterns, times, events)(identity())[0]
    for found, lesioned in zip(z, patterns.lesioned, strict=True):
        known = lifelines_logrank(times[lesioned], times[~lesioned], events[lesioned], events[~lesioned])
        assert found**2 == pytest.approx(known.test_statistic, abs=1e-8)
        assert found == pytest.approx(slow_logrank(lesioned, times, events), abs=1e-8)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("adjusted", [False, True])
def test_score_test_is_that_of_statsmodels_cox_model(patterns, covariates, ties, adjusted):
    times, events = follow_up(ties=ties)
    covariates = covariates if adjusted else np.empty((24, 0))
    z = cox_score_test(patterns, times, events, covariates)(identity())[0]
    wanted = [slow_score(lesioned, times, events, covariates) for lesioned in patterns.lesioned]
    np.testing.assert_allclose(z, wanted, atol=1e-6)


def test_score_test_without_covariates_and_ties_is_the_logrank_test(patterns):
    times, events = follow_up(ties=False)
    found = cox_score_test(patterns, times, events)(identity())
    np.testing.assert_allclose(found, logrank_test(patterns, times, events)(identity()), atol=1e-10)


@pytest.mark.parametrize("adjusted", [False, True])
def test_a_permutation_gives_subjects_the_time_event_and_covariates_of_others(patterns, covariates, adjusted):
    times, events = follow_up()
    orders = np.stack([np.random.default_rng(i).permutation(24) for i in range(5)])

    def z(order, permutations):
        if adjusted:
            return cox_score_test(patterns, times[order], events[order], covariates[order])(permutations)
        return logrank_test(patterns, times[order], events[order])(permutations)

    found = z(np.arange(24), orders)
    np.testing.assert_allclose(found, [z(order, identity())[0] for order in orders], atol=1e-9)


def test_spared_and_lesioned_swapped_is_the_opposite(patterns, covariates):
    times, events = follow_up()
    swapped = find_patterns(~patterns.lesioned.T)
    for test in logrank_test, lambda *a: cox_score_test(*a, covariates):
        z = test(patterns, times, events)(identity())[0]
        opposite = swapped.expand(test(swapped, times, events)(identity())[0])
        np.testing.assert_allclose(opposite, -z, atol=1e-9)


def test_z_depends_on_the_order_of_times_only(patterns):
    times, events = follow_up()
    z = logrank_test(patterns, times, events)(identity())
    np.testing.assert_allclose(logrank_test(patterns, np.exp(times / 9), events)(identity()), z, atol=1e-12)


def test_lesioned_who_die_first_have_a_positive_z():
    lesioned = np.arange(20)[:, None] < 8
    z = logrank_test(find_patterns(lesioned), np.arange(20.0), np.ones(20))(identity(20))
    assert z.item() > 3


def test_lesioned_who_are_censored_before_all_events_say_nothing():
    lesioned = np.arange(20)[:, None] < 4
    events = np.arange(20) >= 4
    z = logrank_test(find_patterns(lesioned), np.arange(20.0), events)(identity(20))
    assert z.item() == 0


def test_a_lesion_that_the_covariates_determine_has_no_effect(patterns, covariates):
    times, events = follow_up()
    z = cox_score_test(patterns, times, events, patterns.lesioned[3])(identity())[0]
    assert z[3] == 0 and np.isfinite(z).all()


@pytest.mark.parametrize("test", [logrank_test, cox_score_test])
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"times": np.r_[np.nan, np.arange(23)]}, "survival times must be known.*1 of 24"),
        ({"times": np.arange(-1.0, 23)}, "≥ 0, got -1"),
        ({"times": np.arange(23.0)}, r"got shape \(23,\)"),
        ({"events": np.full(24, 0.5)}, "0 .censored. or 1, got 0.5"),
        ({"events": np.r_[np.nan, np.ones(23)]}, "events must be known"),
        ({"events": np.zeros(24)}, "at least one event is required, got 24 censored"),
    ],
)
def test_other_follow_up_is_refused(patterns, test, change, problem):
    times, events = follow_up()
    with pytest.raises(ValueError, match=problem):
        test(patterns, **({"times": times, "events": events} | change))


def test_events_of_everybody_at_one_time_are_refused(patterns):
    with pytest.raises(ValueError, match="must outlive"):
        logrank_test(patterns, np.full(24, 3.0), np.ones(24))


@pytest.mark.parametrize("test", [logrank_test, cox_score_test])
@pytest.mark.parametrize("lesioned", [0, 1])
def test_voxels_that_tell_nobody_apart_are_refused(test, lesioned):
    with pytest.raises(ValueError, match="lesioned and spared subjects are required"):
        test(find_patterns(np.full((24, 2), lesioned)), *follow_up())


@pytest.mark.parametrize("test", [logrank_test, cox_score_test])
def test_partial_coverage_is_refused(test):
    lesions = lesion_matrix()
    with pytest.raises(ValueError, match="every subject must be covered"):
        test(find_patterns(lesions, coverage_matrix(lesions)), *follow_up())


def test_covariates_that_predict_every_event_are_refused(patterns):
    times = np.arange(24.0)
    with pytest.raises(ValueError, match="no finite estimate"):
        cox_score_test(patterns, times, np.ones(24), times)
    with pytest.raises(ValueError, match="covariate 0 must vary"):
        cox_score_test(patterns, times, np.ones(24), np.ones(24))
