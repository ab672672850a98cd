"""Sums that are kept as arrays go on where they were."""

from __future__ import annotations

import io

import numpy as np
import pytest
from atlas_cohorts import bytes_of, cohort, empty, summed

from gliomorph.models.atlas import of_arrays, to_arrays


def test_stored_sums_take_new_participants_without_the_old_ones() -> None:
    people = cohort(20)
    file = io.BytesIO(bytes_of(summed(people[:12])))
    with np.load(file, allow_pickle=False) as arrays:
        sums = of_arrays(arrays)
    for person in people[12:]:
        sums.add(person)
    assert bytes_of(sums) == bytes_of(summed(people))
    assert bytes_of(of_arrays(to_arrays(empty()))) == bytes_of(empty())


def test_read_sums_are_independent_of_their_arrays() -> None:
    people = cohort(6)
    sums = summed(people[:5])
    before = bytes_of(sums)
    of_arrays(to_arrays(sums)).add(people[5])
    assert bytes_of(sums) == before


def test_sums_of_another_format_are_refused() -> None:
    with pytest.raises(ValueError, match="format 2 are required, got 99"):
        of_arrays(to_arrays(empty()) | {"format": np.array(99)})
