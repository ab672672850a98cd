"""Adjusted Cox models are lifelines', one for each pattern."""

import sys

import lifelines
import numpy as np
import pandas as pd
import pytest
from random_lesions import follow_up, lesion_matrix

from gliomorph.models.statistics import adjusted_cox, find_patterns


def test_a_pattern_has_the_hazard_ratio_that_its_voxels_would_have():
    lesions = lesion_matrix(60, 4)
    times, events = follow_up(60)
    age = np.random.default_rng(11).normal(60, 10, 60)
    patterns = find_patterns(lesions)
    found = adjusted_cox(patterns, times, events, age)
    assert len(found.p) == len(patterns) < lesions.shape[1] and found.converged.all()
    for v, lesioned in enumerate(lesions.T):
        table = pd.DataFrame({"age": age, "lesion": lesioned, "t": times, "e": events}).astype(float)
        row = lifelines.CoxPHFitter().fit(table, "t", "e").summary.loc["lesion"]
        u = patterns.inverse[v]
        # Newton stops at 1e-7, and age is centred here
        assert found.log_hazard_ratio[u] == pytest.approx(row["coef"], abs=1e-6)
        assert found.standard_error[u] == pytest.approx(row["se(coef)"], abs=1e-6)
        assert found.p[u] == pytest.approx(row["p"], abs=1e-6)


def test_a_lesion_without_events_does_not_converge_and_is_nan():
    lesioned = np.arange(30) % 3 == 0
    times, _ = follow_up(30, ties=False)
    found = adjusted_cox(find_patterns(lesioned[:, None]), times, ~lesioned)
    assert not found.converged.any() and np.isnan(found.log_hazard_ratio).all() and np.isnan(found.p).all()


def test_without_lifelines_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lifelines", None)
    with pytest.raises(ImportError, match=r"pip install gliomorph\[survival\]"):
        adjusted_cox(find_patterns(lesion_matrix()), *follow_up())


def test_incomplete_and_untestable_input_is_refused():
    times, events = follow_up()
    with pytest.raises(ValueError, match="1 of 24 missing"):
        adjusted_cox(find_patterns(lesion_matrix()), np.r_[np.nan, times[1:]], events)
    with pytest.raises(ValueError, match="covariate 0 must vary"):
        adjusted_cox(find_patterns(lesion_matrix()), times, events, np.ones(24))
    with pytest.raises(ValueError, match="lesioned and spared"):
        adjusted_cox(find_patterns(np.ones((24, 1))), times, events)
