"""No map shows a small number, and none follows from the maps together."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import pytest
from atlas_cohorts import COLUMNS, GRID, STRATA, WIDE, cohort, summed

from gliomorph.models.atlas import AtlasSums, Participant, centroid_density, frequency_map, near, release
from gliomorph.models.regions import LABELS, REGIONS
from gliomorph.models.small_cells import SmallCells, small_cells


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_shown_of_fewer_than_min_cell(seed: int) -> None:
    sums = summed(cohort(40, seed))
    shown = release(sums, COLUMNS, small_cells(5))
    for stratum in ("all", *STRATA):
        for region in REGIONS:
            visible = shown.everywhere(stratum, region)
            assert visible.any() or stratum != "all"
            assert (sums.cells[stratum].count(region)[visible] >= 5).all()
            found = frequency_map(sums, stratum, region, shown)
            assert found is not None
            for values in (found.frequency, found.low, found.high):
                assert (np.isnan(values) == ~GRID.volume(visible)).all()


def test_a_stratum_too_small_for_a_region_gets_no_map_of_it() -> None:
    people = [
        attrs.evolve(p, strata=("sexF",), kind="mask" if i > 3 else "dseg") for i, p in enumerate(cohort(8))
    ]
    people = [attrs.evolve(p, labels=np.isin(p.labels, [1]).astype(np.uint8)) for p in people]
    sums = summed(people)
    shown = release(sums, COLUMNS, small_cells(5))
    assert frequency_map(sums, "sexF", "WT", shown) is not None
    assert frequency_map(sums, "sexF", "ET", shown) is None
    assert frequency_map(sums, "sexM", "WT", shown) is None


def test_everybody_is_shown_whatever_strata_withhold() -> None:
    sums = summed(cohort(40))
    shown = release(sums, COLUMNS, SmallCells(everybody=1, strata=5))
    for region in REGIONS:
        assert shown.everywhere("all", region).all()
        found = frequency_map(sums, "all", region, shown)
        assert found is not None and found.withheld == 0
        assert (sums.cells["sexF"].count(region)[shown.everywhere("sexF", region)] >= 5).all()


def functional(stratum: str, region: str, primitives: Sequence[tuple[str, str]]) -> list[float]:
    """A cell as a sum of primitive ones: part and stratum of one column, or in none of it."""
    parts = (*REGIONS[region], *(["whole"] if region == "WT" else []))
    return [float(part in parts and stratum in ("all", name)) for name, part in primitives]


@pytest.mark.parametrize("everybody", [1, 5])
@pytest.mark.parametrize("seed", range(4))
def test_no_small_cell_follows_from_those_shown(seed: int, everybody: int) -> None:
    """Where the maps of everybody show everything, small cells are those of strata, and of who is in none."""
    column = ("sexF", "sexM")
    sums = AtlasSums.empty(GRID, column)
    for person in cohort(30, seed):
        sums.add(attrs.evolve(person, strata=tuple({*column} & {*person.strata}), values={}, where={}))
    shown = release(sums, [column], SmallCells(everybody=everybody, strata=5))
    primitives = [(s, part) for s in (*column, "none") for part in (*LABELS, "whole")]
    cells = [(s, r) for s in ("all", *column) for r in REGIONS]
    visible = {cell: shown.everywhere(*cell) for cell in cells}
    counts = {cell: sums.cells[cell[0]].count(cell[1]) for cell in cells}
    for region in REGIONS:
        counts["none", region] = counts["all", region] - sum(counts[name, region] for name in column)
    checked = 0
    for voxel in range(GRID.size):
        known = np.array([functional(*cell, primitives) for cell in cells if visible[cell][voxel]])
        rank = np.linalg.matrix_rank(known) if len(known) else 0
        for cell in counts:
            if 0 < counts[cell][voxel] < 5 and (cell[0] != "all" or everybody > 1):
                checked += 1
                grown = np.vstack([*known, functional(*cell, primitives)])
                assert np.linalg.matrix_rank(grown) == rank + 1, (voxel, cell)
    assert checked > 100


def test_where_one_has_a_tumour_and_where_none_has_look_the_same() -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:3] = 4
    people = [Participant(label=str(i), labels=labels) for i in range(6)]
    lone = np.zeros(GRID.shape, np.uint8)
    lone[5:, 2:4] = 4
    sums = AtlasSums.empty(GRID)
    for person in [*people, Participant(label="lone", labels=lone)]:
        sums.add(person)
    found = frequency_map(sums, "all", "ET", release(sums, (), small_cells(5)))
    assert found is not None
    assert np.isnan(found.frequency[3:]).all()
    assert (found.frequency[:3] == np.float32(6 / 7)).all()


def test_centroids_are_counted_within_their_reach_and_lone_ones_not_shown() -> None:
    random = np.random.default_rng(5)
    centroids = random.uniform([5, 5, 5], [18, 18, 15], (12, 3))
    count = near(centroids, WIDE, 5.0)
    steps = np.array([1.0, 1.2, 1.5])
    for index in random.integers(0, WIDE.shape, (300, 3)):
        distance = np.linalg.norm((np.rint(centroids) - index) * steps, axis=1)
        assert count[tuple(index)] == (distance <= 5.0).sum()
    shown = centroid_density(centroids, WIDE, 5.0, min_cell=5)
    assert (np.isnan(shown) == (count < 5)).all()
    assert 0 < np.isfinite(shown).sum() < shown.size
