"""The atlas' sums and maps against slow, obvious counts; the order of participants changes no byte."""

from __future__ import annotations

import io
from collections.abc import Sequence

import attrs
import numpy as np
import pytest

from gliomorph.models.atlas import (
    FRACTION_BITS,
    LIMIT,
    AtlasSums,
    Grid,
    Participant,
    centroid_density,
    coverage_map,
    deviation_map,
    frequency_map,
    laterality,
    log_jacobian,
    mean_map,
    midline,
    mirror,
    near,
    of_arrays,
    release,
    surroundings,
    to_arrays,
)
from gliomorph.models.atlas.moments import MOST
from gliomorph.models.regions import LABELS, REGIONS
from gliomorph.models.small_cells import SmallCells, small_cells
from gliomorph.models.statistics import binomial_interval

GRID = Grid(shape=(7, 6, 5), affine=np.diag([2.0, 1.0, 1.5, 1.0]) + np.eye(4, k=3) * -6.0)
STRATA = ("sexF", "sexM", "ageunder50", "age50up")
COLUMNS = (("sexF", "sexM"), ("ageunder50", "age50up"))
ROUNDING = 2.0 ** -(FRACTION_BITS + 1)
"""The largest error of one value."""


def cohort(count: int, seed: int = 0) -> list[Participant]:
    """Random participants: some without labels, some seen in part, some without an image."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        kind = "mask" if random.random() < 0.25 else "dseg"
        labels = random.choice([0, 0, 1, 2, 4] if kind == "dseg" else [0, 0, 7], GRID.shape).astype(np.uint8)
        seen = random.random(GRID.shape) < 0.8 if random.random() < 0.5 else None
        values = {
            name: random.normal(0, 1, GRID.shape).astype(np.float32)
            for name in ("image", "jacobian")
            if random.random() < 0.8
        }
        where = {"jacobian": random.random(GRID.shape) < 0.5} if "jacobian" in values else {}
        found.append(
            Participant(
                label=f"{number:03}",
                labels=np.asarray(labels, order="F") if number % 2 else labels,
                kind=kind,
                strata=tuple(str(random.choice(column)) for column in COLUMNS if random.random() < 0.9),
                seen=seen,
                values=values,
                where=where,
                key=f"key{number}",
            )
        )
    return found


SUPPORT = np.random.default_rng(3).random(GRID.shape) < 0.6


def empty() -> AtlasSums:
    return AtlasSums.empty(GRID, STRATA, ("image", "jacobian"), ("jacobian",), SUPPORT)


def summed(participants: Sequence[Participant]) -> AtlasSums:
    sums = empty()
    for participant in participants:
        sums.add(participant)
    return sums


def bytes_of(sums: AtlasSums) -> bytes:
    file = io.BytesIO()
    np.savez(file, **to_arrays(sums))
    return file.getvalue()


def members_of(participants: Sequence[Participant], stratum: str, region: str = "WT") -> list[Participant]:
    return [p for p in participants if stratum in ("all", *p.strata) and (region == "WT" or p.kind == "dseg")]


def inside(participant: Participant, region: str) -> np.ndarray:
    if participant.kind == "mask":
        return participant.labels > 0
    return np.isin(participant.labels, [LABELS[part] for part in REGIONS[region]])


def seen_by(participant: Participant) -> np.ndarray:
    return np.ones(GRID.shape, bool) if participant.seen is None else participant.seen


@pytest.mark.parametrize("stratum", ["all", *STRATA])
@pytest.mark.parametrize("region", REGIONS)
def test_counts_and_frequencies_are_those_of_a_loop(stratum: str, region: str) -> None:
    people = cohort(25)
    sums = summed(people)
    chosen = members_of(people, stratum, region)
    count, covered = np.zeros(GRID.shape, int), np.zeros(GRID.shape, int)
    for person in chosen:
        count += inside(person, region) & seen_by(person)
        covered += seen_by(person)
    assert (GRID.volume(sums.cells[stratum].count(region)) == count).all()
    assert (GRID.volume(sums.covered(stratum, region)) == covered).all()
    found = frequency_map(sums, stratum, region, release(sums, COLUMNS, small_cells(1)))
    assert found is not None
    assert found.subjects == len(chosen)
    low, high = binomial_interval(count, covered)
    for given, expected in ((found.frequency, count / covered), (found.low, low), (found.high, high)):
        np.testing.assert_allclose(given, np.where(covered > 0, expected, np.nan), rtol=1e-6)  # float32
    np.testing.assert_allclose(coverage_map(sums, stratum, region), covered / len(chosen), rtol=1e-6)


def slow_moments(people: Sequence[Participant], name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, mean and standard deviation, voxel by voxel."""
    shape = (3, *GRID.shape)
    found = np.full(shape, np.nan)
    for index in np.ndindex(GRID.shape):
        values = [
            float(p.values[name][index])
            for p in people
            if name in p.values and p.where.get(name, seen_by(p))[index]
        ]
        found[(0, *index)] = len(values)
        if values:
            found[(1, *index)] = np.mean(values)
        if len(values) > 1:
            found[(2, *index)] = np.std(values, ddof=1)
    return found[0], found[1], found[2]


@pytest.mark.parametrize("stratum", ["all", "sexF"])
def test_means_and_deviations_are_those_of_a_loop(stratum: str) -> None:
    people = cohort(25)
    sums = summed(people)
    for name in ("image", "jacobian"):
        count, mean, deviation = slow_moments(members_of(people, stratum), name)
        enough = SUPPORT & (count >= 3)
        given = mean_map(sums, stratum, name, 3)
        np.testing.assert_allclose(given, np.where(enough, mean, np.nan), atol=ROUNDING + 1e-6)  # float32
    given = deviation_map(sums, stratum, "jacobian", 3)
    np.testing.assert_allclose(given, np.where(enough, deviation, np.nan), atol=1e-5)
    with pytest.raises(ValueError, match="not asked for"):
        deviation_map(sums, stratum, "image", 3)


def test_any_order_gives_the_same_bytes() -> None:
    people = cohort(20)
    expected = bytes_of(summed(people))
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(people))
        assert bytes_of(summed([people[i] for i in order])) == expected


@pytest.mark.parametrize("cuts", [(0, 20), (7, 7), (3, 11)])
def test_sums_of_parts_are_the_sum_of_the_whole(cuts: tuple[int, int]) -> None:
    people = cohort(20)
    first, second, third = (summed(people[a:b]) for a, b in zip((0, *cuts), (*cuts, None), strict=True))
    third.include(first)
    third.include(second)
    assert bytes_of(third) == bytes_of(summed(people))


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


def test_what_changed_in_a_cohort_is_told() -> None:
    people = cohort(5)
    sums = summed(people)
    wanted = {p.label: (p.key, p.strata[::-1]) for p in people}
    assert sums.differences(wanted) == ([], [], [])
    del wanted["004"]
    wanted |= {"000": ("other", people[0].strata), "001": ("key1", ("x",)), "900": ("new", ())}
    assert sums.differences(wanted) == (["900"], ["000", "001"], ["004"])


def refused(match: str, **changes: object) -> None:
    """Adding fails and changes nothing."""
    sums = summed(cohort(3))
    before = bytes_of(sums)
    person = attrs.evolve(cohort(4)[3], **changes)
    with pytest.raises(ValueError, match=match):
        sums.add(person)
    assert bytes_of(sums) == before


def test_what_cannot_be_added_is_refused_and_changes_nothing() -> None:
    image = np.zeros(GRID.shape, np.float32)
    holed = image.copy()
    holed[np.nonzero(SUPPORT)] = np.nan
    refused("002 is in the atlas already", label="002")
    refused("kind dseg or mask, got 'roi'", kind="roi")
    refused("must be in strata of", strata=("sexX",))
    refused("must be in strata of", strata=("sexF", "sexF"))
    refused("not averaged: other", values={"other": image})
    refused("labels of 003 must be 0, 1, 2 or 4, got 3", labels=np.full(GRID.shape, 3), kind="dseg")
    refused("shape", labels=np.zeros((7, 6, 4), np.uint8))
    refused("coverage of 003", seen=np.ones((5, 6, 7), bool))
    refused("image of 003 must be finite", values={"image": holed}, where={}, seen=None)
    refused("within ±32 where it counts, got 33", values={"image": image + LIMIT + 1}, where={}, seen=None)


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


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
@pytest.mark.parametrize("shape", [(7, 6, 5), (4, 2, 3), (1, 1, 3)])
def test_voxels_are_found_whatever_the_type_and_size(dtype: type, shape: tuple[int, int, int]) -> None:
    labels = np.random.default_rng(6).choice([0, 0, 0, 1, 2, 4], shape).astype(dtype)
    sums = AtlasSums.empty(Grid(shape=shape, affine=np.eye(4)))
    sums.add(Participant(label="1", labels=labels))
    assert (sums.grid.volume(sums.cells["all"].count("WT")) == (labels > 0)).all()


def test_unlike_sums_do_not_merge() -> None:
    sums = summed(cohort(3))
    with pytest.raises(ValueError, match="3 participants are in both sums, the first is 000"):
        sums.include(summed(cohort(3)))
    with pytest.raises(ValueError, match="different strata"):
        sums.include(AtlasSums.empty(GRID, STRATA[:1], ("image", "jacobian"), ("jacobian",), SUPPORT))
    with pytest.raises(ValueError, match="different supports"):
        sums.include(AtlasSums.empty(GRID, STRATA, ("image", "jacobian"), ("jacobian",)))
    moved = Grid(shape=GRID.shape, affine=np.eye(4))
    with pytest.raises(ValueError, match="different grids"):
        sums.include(AtlasSums.empty(moved, STRATA, ("image", "jacobian"), ("jacobian",), SUPPORT))


def test_names_of_strata_and_means_are_checked() -> None:
    with pytest.raises(ValueError, match="none called 'all'"):
        AtlasSums.empty(GRID, ("sexF", "all"))
    with pytest.raises(ValueError, match="mean of the same name"):
        AtlasSums.empty(GRID, spreads=("image",))


# --- what is withheld ---


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


# --- mirrored, centred, around ---


def reflected(index: Sequence[int], grid: Grid, midline_mm: float) -> np.ndarray:
    """The voxel indices of a voxel's mirrored point."""
    x, y, z = (grid.affine @ [*index, 1])[:3]
    return np.linalg.solve(grid.affine, [2 * midline_mm - x, y, z, 1])[:3]


def turned(degrees: float) -> np.ndarray:
    """The grid's affine after a rotation about z."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(4)
    matrix[:2, :2] = [[c, -s], [s, c]]
    return matrix @ GRID.affine


@pytest.mark.parametrize("midline_mm", [-1.0, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1)])
def test_mirrored_voxels_are_those_of_the_mirrored_points(midline_mm: float, signs: tuple[int, ...]) -> None:
    grid = Grid(shape=GRID.shape, affine=np.diag([*signs, 1]) @ GRID.affine)
    volume = np.random.default_rng(1).random(GRID.shape).astype(np.float32)
    found = mirror(volume, grid, midline_mm)
    for index in np.ndindex(GRID.shape):
        source = np.rint(reflected(index, grid, midline_mm)).astype(int)
        if ((source >= 0) & (source < GRID.shape)).all():
            assert found[index] == volume[tuple(source)]
        else:
            assert np.isnan(found[index])


def test_a_grid_whose_axes_are_swapped_is_mirrored_along_x_too() -> None:
    affine = GRID.affine[:, [1, 0, 2, 3]]
    volume = np.arange(GRID.size, dtype=np.float32).reshape(GRID.shape)
    grid = Grid(shape=(6, 7, 5), affine=affine)
    swapped = mirror(volume.swapaxes(0, 1), grid, 0.0)
    np.testing.assert_array_equal(swapped, mirror(volume, GRID, 0.0).swapaxes(0, 1))


@pytest.mark.parametrize("affine", [turned(10.0), GRID.affine])
def test_between_voxels_mirroring_interpolates(affine: np.ndarray) -> None:
    grid, plane = Grid(shape=GRID.shape, affine=affine), 0.3
    ramp = np.fromfunction(lambda x, y, z: 2 * x - y + 3 * z, GRID.shape)
    found = mirror(ramp, grid, plane)
    assert np.isfinite(found).sum() > 30
    for index in zip(*np.nonzero(np.isfinite(found)), strict=True):
        x, y, z = reflected(index, grid, plane)
        assert found[index] == pytest.approx(2 * x - y + 3 * z, abs=1e-6)


def test_laterality_changes_its_sign_on_the_other_side() -> None:
    frequency = np.random.default_rng(2).random(GRID.shape).astype(np.float32)
    frequency[0, 0, 0] = np.nan
    found = laterality(frequency, GRID, 0.0)
    assert np.isnan(found[0, 0, 0]) and np.isnan(found[6, 0, 0])
    np.testing.assert_array_equal(found, -found[::-1])
    assert found[5, 1, 1] == frequency[5, 1, 1] - frequency[1, 1, 1]


def test_the_midline_is_the_middle_of_the_brain_where_mirroring_is_exact() -> None:
    brain = np.zeros(GRID.shape, bool)
    brain[2:6, 1:5, 1:4] = True
    assert midline(brain, GRID) == 2 * 3.5 - 6
    brain[1, 1, 1] = True
    assert midline(brain, GRID) == 2 * 3.5 - 6
    oblique = Grid(shape=GRID.shape, affine=turned(10.0))
    centre = np.argwhere(brain).mean(axis=0)
    assert midline(brain, oblique) == pytest.approx((oblique.affine @ [*centre, 1])[0])


WIDE = Grid(shape=(40, 36, 30), affine=np.diag([1.0, 1.2, 1.5, 1.0]))


def test_the_density_of_centroids_integrates_to_their_number() -> None:
    random = np.random.default_rng(4)
    centroids = random.uniform(0, np.array(WIDE.shape) - 1, (23, 3))
    density = centroid_density(centroids, WIDE, 6.0)
    assert density.sum() * 1.2 * 1.5 == pytest.approx(23, rel=1e-5)  # float32
    assert centroid_density(np.empty((0, 3)), WIDE, 6.0).sum() == 0


def test_the_density_around_one_centroid_is_a_gaussian() -> None:
    density = centroid_density(np.array([[20.2, 18.0, 15.0]]), WIDE, 6.0)
    sigma = 6.0 / np.sqrt(8 * np.log(2))
    for offset in ((0, 0, 0), (3, 0, 0), (0, -2, 1)):
        distance2 = ((np.array(offset) * [1.0, 1.2, 1.5]) ** 2).sum()
        expected = np.exp(-distance2 / (2 * sigma**2)) / (2 * np.pi * sigma**2) ** 1.5
        # a sampled kernel with a standard deviation of two voxels and an end
        assert density[tuple(np.array([20, 18, 15]) + offset)] == pytest.approx(expected, rel=0.01)
    with pytest.raises(ValueError, match="inside the grid"):
        centroid_density(np.array([[40.0, 0, 0]]), WIDE, 6.0)


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


@pytest.mark.parametrize("region", REGIONS)
def test_centroids_are_centres_of_mass_by_participant(region: str) -> None:
    people = cohort(15)
    found = summed(people[::-1]).centroids("sexF", region)
    expected = [
        np.argwhere(inside(p, region)).mean(axis=0)
        for p in members_of(people, "sexF", region)
        if inside(p, region).any()
    ]
    np.testing.assert_allclose(found, expected)


def test_a_participant_without_tumour_has_no_centroid() -> None:
    sums = AtlasSums.empty(GRID)
    sums.add(Participant(label="1", labels=np.zeros(GRID.shape, np.uint8)))
    assert sums.centroids("all", "WT").shape == (0, 3)


def test_surroundings_are_near_and_outside() -> None:
    tumor = np.zeros(GRID.shape, np.uint8)
    tumor[2, 3, 2] = tumor[3, 3, 2] = 4
    found = surroundings(tumor, GRID, 2.5)
    voxels = np.argwhere(tumor)
    for index in np.ndindex(GRID.shape):
        distance = np.linalg.norm((voxels - index) * [2.0, 1.0, 1.5], axis=1).min()
        assert found[index] == (0 < distance <= 2.5)
    assert not surroundings(np.zeros_like(tumor), GRID, 2.5).any()


def test_folded_voxels_have_no_logarithm() -> None:
    logarithm, positive = log_jacobian(np.array([np.e, 1.0, 0.0, -2.0], np.float32))
    np.testing.assert_allclose(logarithm, [1, 0, 0, 0], atol=1e-6)
    assert positive.tolist() == [True, True, False, False]
