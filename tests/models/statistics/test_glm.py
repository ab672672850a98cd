"""t of a lesion in a linear model against statsmodels, nilearn and a refit of every permutation."""

import numpy as np
import pytest
import statsmodels.api as sm
from nilearn.mass_univariate import permuted_ols
from random_lesions import coverage_matrix, identity, lesion_matrix

from gliomorph.models.statistics import find_patterns, linear_model


@pytest.fixture(scope="module")
def data():
    lesions = lesion_matrix()
    numbers = np.random.default_rng(7)
    covariates = np.column_stack([lesions.sum(axis=1), numbers.normal(60, 10, 24)])
    outcome = 100 + 3 * lesions[:, 5] - 0.2 * covariates[:, 1] + numbers.normal(0, 2, 24)
    return find_patterns(lesions), outcome, covariates


def ols_t(outcome, lesioned, covariates):
    """The t of the lesion, fitted for this one voxel."""
    columns = [np.ones(len(outcome)), lesioned.astype(float)]
    return sm.OLS(outcome, np.column_stack([*columns, covariates])).fit().tvalues[1]


@pytest.mark.parametrize("with_covariates", [False, True])
def test_t_is_that_of_least_squares_at_each_voxel(data, with_covariates):
    patterns, outcome, covariates = data
    covariates = covariates if with_covariates else np.empty((24, 0))
    found = linear_model(patterns, outcome, covariates)(identity())[0]
    wanted = [ols_t(outcome, lesioned, covariates) for lesioned in patterns.lesioned]
    np.testing.assert_allclose(found, wanted, atol=1e-8)


def test_t_is_the_same_with_the_lesion_as_outcome(data):
    patterns, outcome, covariates = data
    found = linear_model(patterns, outcome, covariates)(identity())[0]
    design = np.column_stack([np.ones(24), outcome, covariates])
    wanted = [sm.OLS(lesioned.astype(float), design).fit().tvalues[1] for lesioned in patterns.lesioned]
    np.testing.assert_allclose(found, wanted, atol=1e-8)


def test_t_is_nilearns(data):
    patterns, outcome, covariates = data
    wanted = permuted_ols(
        outcome[:, None], patterns.lesioned.T.astype(float), covariates, n_perm=0, output_type="dict"
    )["t"][0]
    np.testing.assert_allclose(linear_model(patterns, outcome, covariates)(identity())[0], wanted, atol=1e-8)


def test_permutations_are_freedman_and_lanes(data):
    patterns, outcome, covariates = data
    reduced = sm.OLS(outcome, sm.add_constant(covariates)).fit()
    orders = np.stack([np.random.default_rng(i).permutation(24) for i in range(4)])
    found = linear_model(patterns, outcome, covariates)(orders)
    for t, order in zip(found, orders, strict=True):
        new = reduced.fittedvalues + reduced.resid[order]
        wanted = [ols_t(new, lesioned, covariates) for lesioned in patterns.lesioned]
        np.testing.assert_allclose(t, wanted, atol=1e-8)


def test_t_ignores_the_units_of_everything(data):
    patterns, outcome, covariates = data
    found = linear_model(patterns, 1e6 * outcome - 5, covariates * [1e-6, 1e3] + 7)(identity())
    np.testing.assert_allclose(found, linear_model(patterns, outcome, covariates)(identity()), atol=1e-6)


def test_a_lesion_that_the_covariates_determine_has_no_effect(data):
    patterns, outcome, _ = data
    t = linear_model(patterns, outcome, patterns.lesioned[3])(identity())[0]
    assert t[3] == 0 and (t != 0).sum() >= len(patterns) - 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"outcome": np.full(24, 3.0)}, "must vary between subjects, got 3 for all 24"),
        ({"outcome": np.r_[np.nan, np.arange(23)]}, "got 1 of 24 missing"),
        ({"outcome": np.arange(23.0)}, r"got shape \(23,\)"),
        ({"covariates": np.ones((24, 1))}, "covariate 0 must vary"),
        ({"covariates": np.r_[np.inf, np.arange(23)]}, "covariate 0 must be known"),
        ({"covariates": np.ones((23, 1))}, r"one row of each of 24 subjects, got shape \(23, 1\)"),
        ({"covariates": np.outer(np.arange(24.0), [1, -2])}, "linearly independent"),
        ({"covariates": np.random.default_rng(0).normal(size=(24, 23))}, "23 covariates require at least"),
    ],
)
def test_other_variables_are_refused(data, change, problem):
    patterns, outcome, covariates = data
    with pytest.raises(ValueError, match=problem):
        linear_model(patterns, **({"outcome": outcome, "covariates": covariates} | change))


def test_an_outcome_that_the_covariates_determine_is_refused(data):
    patterns, _, covariates = data
    with pytest.raises(ValueError, match="nothing is left to explain"):
        linear_model(patterns, 3 * covariates[:, 0] + 2, covariates)


@pytest.mark.parametrize("lesioned", [0, 1])
def test_voxels_that_tell_nobody_apart_are_refused(data, lesioned):
    with pytest.raises(ValueError, match="lesioned and spared subjects are required"):
        linear_model(find_patterns(np.full((24, 2), lesioned)), data[1])


def test_partial_coverage_is_refused(data):
    lesions = lesion_matrix()
    with pytest.raises(ValueError, match="every subject must be covered"):
        linear_model(find_patterns(lesions, coverage_matrix(lesions)), data[1])
