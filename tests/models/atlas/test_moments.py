"""Sums of values are exact, and hold what counts only."""

from __future__ import annotations

import numpy as np
import pytest
from atlas_cohorts import GRID, empty

from gliomorph.models.atlas import FRACTION_BITS, LIMIT, AtlasSums, Participant, mean_map
from gliomorph.models.atlas.moments import MOST


def test_values_that_do_not_count_may_be_anything() -> None:
    image = np.full(GRID.shape, np.nan, np.float32)
    nowhere = np.zeros(GRID.shape, bool)
    sums = empty()
    sums.add(Participant(label="1", labels=image == 0, values={"image": image}, where={"image": nowhere}))
    assert np.isnan(mean_map(sums, "all", "image", 1)).all()


def test_integers_are_averaged_as_numbers() -> None:
    sums = AtlasSums.empty(GRID, means=("image",))
    for label, value in (("1", 3), ("2", 4)):
        image = np.full(GRID.shape, value, np.uint8)
        sums.add(Participant(label=label, labels=np.zeros(GRID.shape, np.uint8), values={"image": image}))
    assert (mean_map(sums, "all", "image", 2) == 3.5).all()


def test_no_sum_overflows_as_long_as_there_is_room() -> None:
    assert MOST * int(LIMIT * 2**FRACTION_BITS) ** 2 < 2**63
    sums = AtlasSums.empty(GRID)
    sums.members = dict.fromkeys(map(str, range(MOST)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at most 65535 participants, got 65536"):
        sums.add(Participant(label="x", labels=np.zeros(GRID.shape, np.uint8)))
