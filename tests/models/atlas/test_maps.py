"""Maps against slow, obvious ways: frequencies, means, mirrored, centred, around."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from atlas_cohorts import COLUMNS, GRID, STRATA, SUPPORT, WIDE, cohort, inside, members_of, summed

from gliomorph.models.atlas import (
    FRACTION_BITS,
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
    release,
    surroundings,
)
from gliomorph.models.regions import REGIONS
from gliomorph.models.small_cells import small_cells
from gliomorph.models.statistics import binomial_interval

ROUNDING = 2.0 ** -(FRACTION_BITS + 1)
"""The largest error of one value."""


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
