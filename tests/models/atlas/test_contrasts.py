"""Two strata beside each other, against slow, obvious counts."""

from __future__ import annotations

import numpy as np
import pytest

from gliomorph.models.atlas import AtlasSums, Grid, Participant, contrast, frequency_map, release
from gliomorph.models.small_cells import SmallCells, small_cells

GRID = Grid(shape=(6, 5, 4), affine=np.eye(4))
STRATA = ("sexF", "sexM")


def cohort(count: int = 24) -> list[Participant]:
    """Random tumours of whole heads; every third voxel of some is not seen, every fifth tumour has no labels."""
    random = np.random.default_rng(2)
    return [
        Participant(
            label=f"{number:02}",
            labels=random.choice([0, 4], GRID.shape, p=[0.6, 0.4]).astype(np.uint8),
            kind="dseg" if number % 5 else "mask",
            strata=(STRATA[number % 3 == 0],),
            seen=random.random(GRID.shape) < 0.7 if number % 2 else None,
        )
        for number in range(count)
    ]


def summed(people: list[Participant]) -> AtlasSums:
    sums = AtlasSums.empty(GRID, STRATA)
    for person in people:
        sums.add(person)
    return sums


@pytest.mark.parametrize("region", ["WT", "ET"])
def test_differences_and_odds_ratios_are_those_of_a_loop(region: str) -> None:
    people = cohort()
    sums = summed(people)
    found = contrast(sums, "sexM", "sexF", region, release(sums, [STRATA], small_cells(1)), 0.8)
    assert found is not None
    telling = [p for p in people if region == "WT" or p.kind == "dseg"]
    assert found.subjects == len(telling)
    unknown = 0
    for voxel in np.ndindex(GRID.shape):
        counts = []
        for stratum in ("sexM", "sexF"):
            members = [p for p in telling if stratum in p.strata]
            seen = [p for p in members if p.seen is None or p.seen[voxel]]
            ill = sum(bool(p.labels[voxel]) for p in seen)
            counts.append((ill, len(seen) - ill, len(seen) / len(members)))
        (a, b, first), (c, d, second) = counts
        if min(first, second) < 0.8:
            unknown += 1
            assert np.isnan(found.difference[voxel]) and np.isnan(found.odds_ratio[voxel])
            continue
        # single precision
        assert found.difference[voxel] == pytest.approx(a / (a + b) - c / (c + d), abs=1e-6)
        extra = 0.5 * (min(a, b, c, d) == 0)
        odds = (
            (a + extra) * (d + extra) / ((b + extra) * (c + extra)) if 0 < a + c < a + b + c + d else np.nan
        )
        assert found.odds_ratio[voxel] == pytest.approx(odds, rel=1e-6, nan_ok=True)
    assert unknown > 10


def test_strata_the_other_way_round_change_signs() -> None:
    sums = summed(cohort())
    shown = release(sums, [STRATA], small_cells(1))
    there, back = (contrast(sums, *pair, "WT", shown) for pair in (STRATA, STRATA[::-1]))
    assert there is not None and back is not None
    np.testing.assert_array_equal(there.difference, -back.difference)
    np.testing.assert_allclose(there.odds_ratio * back.odds_ratio, 1, rtol=1e-6)  # single precision


def test_no_more_is_told_than_by_the_frequencies() -> None:
    sums = summed(cohort(40))
    shown = release(sums, [STRATA], SmallCells(everybody=1, strata=5))
    found = contrast(sums, "sexM", "sexF", "WT", shown)
    both = [frequency_map(sums, stratum, "WT", shown) for stratum in STRATA]
    assert found is not None
    known = np.all([~np.isnan(one.frequency) for one in both if one is not None], axis=0)
    assert known.any() and not known.all()
    np.testing.assert_array_equal(~np.isnan(found.difference), known)


def test_where_nobody_has_a_tumour_or_everybody_there_are_no_odds() -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:3] = 4
    sums = AtlasSums.empty(GRID, STRATA)
    for number in range(5):
        sums.add(Participant(label=str(number), labels=labels, strata=(STRATA[number > 1],)))
    found = contrast(sums, "sexM", "sexF", "ET", release(sums, [STRATA], small_cells(1)))
    assert found is not None
    assert np.isnan(found.odds_ratio).all()
    assert not found.difference.any()


def test_a_stratum_without_a_map_of_the_region_is_compared_with_none() -> None:
    sums = summed(cohort(8))
    assert (
        contrast(sums, "sexM", "sexF", "ET", release(sums, [STRATA], SmallCells(everybody=1, strata=5)))
        is None
    )
