"""Subjects are split once and for all; seeds differ."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gliomorph.training.scans import PARTS, TrainingDataError, example_seed, split


@pytest.mark.parametrize("count", [3, 6, 7, 12, 100, 335])
def test_two_thirds_train_one_sixth_validates_one_sixth_tests(count: int) -> None:
    subjects = [f"{number:04d}" for number in range(count)]
    parts = split(subjects, seed=0)
    assert list(parts) == list(PARTS)
    assert sorted(subject for part in parts.values() for subject in part) == subjects
    assert len(parts["validation"]) == len(parts["test"]) == max(1, round(count / 6))


def test_the_seed_alone_determines_the_split() -> None:
    subjects = [f"{number:02d}" for number in range(24)]
    assert split(subjects, 1) == split(subjects[::-1], 1)
    assert split(subjects, 1)["test"] != split(subjects, 2)["test"]


def test_fractions_are_nested_and_leave_validation_and_test() -> None:
    subjects = [f"{number:02d}" for number in range(24)]
    whole, half, quarter = (split(subjects, 3, fraction) for fraction in (1.0, 0.5, 0.25))
    assert [len(parts["train"]) for parts in (whole, half, quarter)] == [16, 8, 4]
    assert set(quarter["train"]) < set(half["train"]) < set(whole["train"])
    for part in ("validation", "test"):
        assert whole[part] == half[part] == quarter[part]


def test_too_few_subjects_are_refused() -> None:
    with pytest.raises(TrainingDataError, match=r"at least 3 subjects are required .*, got 2 \(01, 02\)"):
        split(["02", "01"], 0)


def test_seeds_are_in_range_and_differ() -> None:
    seeds = [example_seed(*numbers) for numbers in np.ndindex(4, 3, 5, 5)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert json.loads(json.dumps(seeds)) == seeds
