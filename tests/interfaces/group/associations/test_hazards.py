"""Hazard ratios of significant voxels: lifelines', the strongest first where there are many, and who is left out."""

from __future__ import annotations

import sys

import lifelines
import numpy as np
import pandas as pd
import pytest

from gliomorph.interfaces.group.associations import hazards as association_hazards
from gliomorph.interfaces.group.associations.hazards import NAMES, hazard_maps
from gliomorph.interfaces.group.associations.samples import Sample
from gliomorph.interfaces.group.associations.words import parse_associations
from gliomorph.models.statistics import Patterns, cox_score_test, find_patterns

PEOPLE, VOXELS = 80, 12


def sample(times: np.ndarray, events: np.ndarray | None) -> Sample:
    return Sample(
        association=parse_associations(["cox:days"])[0],
        participants=tuple(f"{i:02}" for i in range(len(times))),
        values=times,
        events=events,
        positive="",
        sizes={},
        left_out={},
    )


@pytest.fixture
def lesions() -> np.ndarray:
    """(N, V); the last two voxels share a pattern."""
    found = np.random.default_rng(3).random((PEOPLE, VOXELS)) < 0.4
    found[:, -1] = found[:, -2]
    return found


@pytest.fixture
def people() -> tuple[Sample, np.ndarray]:
    """Survival and two covariates."""
    numbers = np.random.default_rng(4)
    return sample(
        numbers.exponential(10, PEOPLE), (numbers.random(PEOPLE) < 0.7).astype(float)
    ), numbers.normal(size=(PEOPLE, 2))


def z_of(patterns: Patterns, people: Sample, covariates: np.ndarray) -> np.ndarray:
    assert people.events is not None
    return cox_score_test(patterns, people.values, people.events, covariates)(np.arange(PEOPLE)[None])[0]


def test_ratios_and_limits_are_lifelines_at_significant_voxels(
    lesions: np.ndarray, people: tuple[Sample, np.ndarray]
) -> None:
    patterns, (who, covariates) = find_patterns(lesions), people
    significant = np.arange(VOXELS) % 3 != 0
    found = hazard_maps(patterns, who, covariates, z_of(patterns, *people), significant, [], 5)
    assert list(found.maps) == list(NAMES) and found.notice == ""
    for v in range(VOXELS):
        values = np.array([found.maps[name][v] for name in NAMES])
        if not significant[v]:
            assert np.isnan(values).all()
            continue
        table = pd.DataFrame(covariates, columns=["a", "b"]).assign(
            t=who.values, e=who.events, lesion=lesions[:, v].astype(float)
        )
        row = lifelines.CoxPHFitter().fit(table, "t", "e").summary.loc["lesion"]
        wanted = row[["exp(coef)", "exp(coef) lower 95%", "exp(coef) upper 95%"]]
        np.testing.assert_allclose(values, wanted.astype(float), rtol=1e-6)
    # the last two voxels are one pattern
    assert found.facts == {"HazardRatios": {"Patterns": 7, "Voxels": 8, "LeftOut": {}}}


def test_of_many_patterns_those_of_peaks_and_then_the_strongest_are_fitted(
    lesions: np.ndarray, people: tuple[Sample, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(association_hazards, "MOST_FITS", 3)
    patterns = find_patterns(lesions)
    z, everywhere = z_of(patterns, *people), np.ones(VOXELS, bool)
    order = np.argsort(-np.abs(z))
    found = hazard_maps(patterns, *people, z, everywhere, [int(order[-1])], 5)
    fitted = np.isfinite(found.maps["hazardratio"])
    np.testing.assert_array_equal(fitted, np.isin(patterns.inverse, [order[-1], order[0], order[1]]))
    reason = "beyond 3 lesion patterns, those of peaks and of the largest z"
    assert found.facts["HazardRatios"] == {
        "Patterns": 3,
        "Voxels": fitted.sum(),
        "LeftOut": {reason: (~fitted).sum()},
    }


def test_few_events_and_fits_that_fail_are_left_out_and_counted(people: tuple[Sample, np.ndarray]) -> None:
    _, covariates = people
    number = np.arange(PEOPLE)
    # nobody, two and thirty of the lesioned have the event
    lesions = np.stack([number < 20, (number < 18) | (number >= 78), number % 2 == 0], axis=1)
    who = sample(number + 1.0, (number >= 20).astype(float))
    patterns = find_patterns(lesions)
    z, everywhere = np.zeros(len(patterns)), np.ones(3, bool)
    found = hazard_maps(patterns, who, covariates, z, everywhere, [], 5)
    np.testing.assert_array_equal(np.isfinite(found.maps["hazardratio"]), [False, False, True])
    reason = "fewer than 5 of the lesioned or of the spared have the event"
    assert found.facts["HazardRatios"]["LeftOut"] == {reason: 2}
    only = np.array([True, False, False])
    found = hazard_maps(patterns, who, covariates, z, only, [], 0)
    assert found.maps == {}
    assert found.facts["HazardRatios"] == {
        "Patterns": 0,
        "Voxels": 0,
        "LeftOut": {"the fit did not converge": 1},
    }


def test_where_nothing_is_significant_nothing_is_fitted(
    lesions: np.ndarray, people: tuple[Sample, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lifelines", None)
    patterns = find_patterns(lesions)
    found = hazard_maps(patterns, *people, np.zeros(len(patterns)), np.zeros(VOXELS, bool), [], 5)
    assert (found.maps, found.notice) == ({}, "")
    assert found.facts["HazardRatios"] == {"Patterns": 0, "Voxels": 0, "LeftOut": {}}


def test_without_lifelines_there_is_a_notice_and_no_map(
    lesions: np.ndarray, people: tuple[Sample, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lifelines", None)
    patterns = find_patterns(lesions)
    found = hazard_maps(patterns, *people, np.zeros(len(patterns)), np.ones(VOXELS, bool), [], 5)
    assert found.maps == {} and found.notice.startswith("cox:days: no hazard ratios: ")
    assert "pip install gliomorph[survival]" in found.notice
    assert list(found.facts["HazardRatios"]["LeftOut"].values()) == [VOXELS]
