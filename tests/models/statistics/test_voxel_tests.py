"""Every kind of test is what its own module computes."""

import numpy as np
import pytest
from random_lesions import coverage_matrix, follow_up, identity, lesion_matrix
from scipy import stats

from gliomorph.models.statistics import (
    COVARIATES,
    adiffi,
    cox_score_test,
    find_patterns,
    fisher_statistic,
    liebermeister_statistic,
    linear_model,
    logrank_test,
    voxel_test,
)

GROUP = np.arange(24) % 3 == 0
TIMES, EVENTS = follow_up()
AGE = np.random.default_rng(7).normal(size=24)
VOLUME = np.random.default_rng(8).exponential(size=24)


def test_statistics_are_those_of_the_tests():
    patterns = find_patterns(lesion_matrix())
    for kind, statistic, found in (
        ("adiffi", fisher_statistic(patterns, GROUP), voxel_test("adiffi", patterns, GROUP)),
        (
            "liebermeister",
            liebermeister_statistic(patterns, GROUP),
            voxel_test("liebermeister", patterns, GROUP),
        ),
        ("glm", linear_model(patterns, AGE, VOLUME), voxel_test("glm", patterns, AGE, covariates=VOLUME)),
        ("logrank", logrank_test(patterns, TIMES, EVENTS), voxel_test("logrank", patterns, TIMES, EVENTS)),
        (
            "cox",
            cox_score_test(patterns, TIMES, EVENTS, VOLUME),
            voxel_test("cox", patterns, TIMES, EVENTS, VOLUME),
        ),
    ):
        np.testing.assert_array_equal(found.observed, statistic(identity())[0])
        assert found.scale == ("t" if kind == "glm" else "z")
        assert ((found.p > 0) & (found.p <= 1)).all()
        # larger statistics have smaller p, whatever the kind: exact p have ties
        order = np.argsort(np.abs(found.observed))
        assert (np.diff(found.p[order]) <= 1e-9).all()


def test_p_of_the_linear_model_is_that_of_a_regression():
    lesions = lesion_matrix()
    patterns = find_patterns(lesions)
    found = voxel_test("glm", patterns, AGE)
    expected = [stats.linregress(column.astype(float), AGE).pvalue for column in lesions.T]
    np.testing.assert_allclose(patterns.expand(found.p), expected, rtol=1e-9)


def test_p_of_the_quasi_exact_test_is_at_most_one():
    lesions = np.concatenate([np.eye(24, dtype=bool), np.tri(24, 23, -1, dtype=bool)], axis=1)
    assert voxel_test("liebermeister", find_patterns(lesions), np.arange(24) % 2).p.max() <= 1


def test_groups_have_effects_also_where_coverage_is_partial():
    lesions = lesion_matrix()
    patterns = find_patterns(lesions, coverage_matrix(lesions))
    effect = adiffi(patterns, GROUP)
    for kind in ("adiffi", "liebermeister"):
        found = voxel_test(kind, patterns, GROUP)
        np.testing.assert_array_equal(found.effects["difference"], effect.difference)
        np.testing.assert_array_equal(found.effects["oddsratio"], effect.odds_ratio)


def test_without_events_every_time_ends_with_one():
    patterns = find_patterns(lesion_matrix())
    np.testing.assert_array_equal(
        voxel_test("logrank", patterns, TIMES).observed,
        voxel_test("logrank", patterns, TIMES, np.ones(24)).observed,
    )


@pytest.mark.parametrize("kind", ["adiffi", "liebermeister", "logrank"])
def test_covariates_are_refused_where_there_are_none(kind):
    assert kind not in COVARIATES
    with pytest.raises(ValueError, match=f"{kind} takes no covariates"):
        voxel_test(kind, find_patterns(lesion_matrix()), GROUP, covariates=VOLUME)


def test_other_kinds_are_refused():
    with pytest.raises(ValueError, match="got 'anova'"):
        voxel_test("anova", find_patterns(lesion_matrix()), GROUP)
