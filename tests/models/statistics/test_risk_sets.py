"""Risk sets against loops over event times; the model of covariates against statsmodels'."""

import numpy as np
import pytest
from random_lesions import follow_up
from statsmodels.duration.hazard_regression import PHReg

from gliomorph.models.statistics.risk_sets import fit_null_model, risk_sets


@pytest.mark.parametrize("ties", [False, True])
def test_sums_run_over_who_is_at_risk_and_over_past_events(ties):
    times, events = follow_up(ties=ties)
    risk = risk_sets(times, events)
    values = np.random.default_rng(9).normal(size=(24, 2))
    moments = np.unique(times[events])
    np.testing.assert_allclose(
        risk.sums(values), [values[times >= t].sum(axis=0) for t in moments], atol=1e-12
    )
    np.testing.assert_array_equal(risk.deaths, [(events & (times == t)).sum() for t in moments])
    increments = np.arange(1.0, len(moments) + 1)
    np.testing.assert_allclose(risk.until(increments), [increments[moments <= t].sum() for t in times])


@pytest.mark.parametrize("ties", [False, True])
def test_null_model_is_statsmodels_with_breslows_ties(ties):
    times, events = follow_up(subjects=60, ties=ties)
    covariates = np.random.default_rng(10).normal(size=(60, 2)) * [1, 20]
    covariates -= covariates.mean(axis=0)
    model = PHReg(times, covariates, events.astype(int), ties="breslow")
    found = fit_null_model(risk_sets(times, events), covariates)
    np.testing.assert_allclose(found.coefficients, model.fit(method="newton", disp=0).params, atol=1e-7)
    np.testing.assert_allclose(found.information, -model.hessian(found.coefficients), rtol=1e-8)
    np.testing.assert_allclose(model.score(found.coefficients), 0, atol=1e-5)
