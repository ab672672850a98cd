"""Age, sex and survival of simulated patients."""

from __future__ import annotations

import numpy as np

from gliomorph.models import synthesis


def test_survival_falls_with_age_and_volume() -> None:
    def median(age: int, volume_ml: float) -> float:
        draws = [
            synthesis.sample_survival(age, volume_ml, None, np.random.default_rng(k))["survival_days"]
            for k in range(300)
        ]
        return float(np.median(draws))

    assert median(75, 50) < median(58, 12) < median(30, 2)


def test_demographics_stay_in_range() -> None:
    rng = np.random.default_rng(0)
    people = [synthesis.sample_demographics(rng) for _ in range(300)]
    assert all(20 <= person["age"] <= 85 for person in people)
    assert {person["sex"] for person in people} == {"F", "M"}
