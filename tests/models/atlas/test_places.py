"""Where a tumour lies in a parcellation, and average shapes, against slow and obvious ways."""

from __future__ import annotations

import io

import attrs
import numpy as np
import pytest

from gliomorph.models.atlas import (
    AtlasSums,
    Grid,
    Participant,
    hemispheres,
    midline,
    of_arrays,
    place_of,
    shape_map,
    to_arrays,
)
from gliomorph.models.atlas.places import LEFT, RIGHT, middle, moved, recentred

GRID = Grid(shape=(9, 8, 7), affine=np.diag([2.0, 1.0, 1.5, 1.0]) + np.eye(4, k=3) * -8.0)


def box(*sides: slice) -> np.ndarray:
    found = np.zeros(GRID.shape, np.uint8)
    found[sides] = 1
    return found


PARCELS = np.zeros(GRID.shape, np.uint16)
PARCELS[:4], PARCELS[5:, :4], PARCELS[5:, 4:] = 1, 2, 3


def test_a_tumour_belongs_where_its_centre_is_and_its_voxels_are_counted() -> None:
    tumor = box(slice(2, 7), slice(0, 2), slice(0, 1)) | box(slice(7, 9), slice(0, 1), slice(0, 1))
    place = place_of(tumor, PARCELS, 3)
    assert place.region == 2  # 4.7 along x, nearer to voxel 5
    assert (place.size, place.voxels) == (12, (4, 6, 0))


def test_a_centre_outside_of_all_labels_leaves_it_to_the_largest_share() -> None:
    both = box(slice(3, 6), slice(0, 1), slice(0, 1)) | box(slice(3, 4), slice(1, 2), slice(0, 1))
    hollow = both | box(slice(5, 6), slice(1, 2), slice(0, 1)) | box(slice(4, 5), slice(1, 2), slice(0, 1))
    assert place_of(hollow, PARCELS, 3).region == 1  # as much in 2: the first
    more = hollow | box(slice(5, 6), slice(2, 3), slice(0, 1))
    shifted = np.where(PARCELS == 1, 0, PARCELS)
    assert place_of(more, shifted, 3).region == 2


def test_what_touches_nothing_belongs_to_nothing() -> None:
    assert place_of(box(slice(4, 5)), PARCELS, 3).region == 0
    empty = place_of(np.zeros(GRID.shape), PARCELS, 3)
    assert (empty.region, empty.size, empty.voxels) == (0, 0, (0, 0, 0))
    with pytest.raises(ValueError, match=r"the parcellation's shape \(9, 8, 7\), got \(2, 2, 2\)"):
        place_of(np.ones((2, 2, 2)), PARCELS, 3)


@pytest.mark.parametrize("turn", [0.0, 0.3])
@pytest.mark.parametrize("flip", [1, -1])
def test_hemispheres_are_the_sides_of_the_brain(flip: int, turn: float) -> None:
    c, s = np.cos(turn), np.sin(turn)
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.diag([2.0 * flip, 1.0, 1.5])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = rotation, (3.0, -2.0, 1.0)
    grid = attrs.evolve(GRID, affine=affine)
    brain = np.random.default_rng(1).random(GRID.shape) < 0.7
    plane = midline(brain, grid)
    sides = hemispheres(brain, grid, plane)
    for index in np.ndindex(GRID.shape):
        x = affine[0, :3] @ index + affine[0, 3] - plane
        side = LEFT if x < -1e-6 else RIGHT if x > 1e-6 else 0
        assert sides[index] == side * brain[index]


def test_moving_forth_and_back_keeps_what_stays_inside() -> None:
    flat = np.random.default_rng(2).permutation(GRID.size)[:60]
    shift = np.array([2, -3, 1])
    gone = moved(flat, shift, GRID)
    assert len(gone) < len(flat)
    assert set(moved(gone, -shift, GRID)) <= set(flat)
    np.testing.assert_array_equal(moved(flat, 0 * shift, GRID), flat)


def test_a_recentred_tumour_is_the_same_wherever_it_was() -> None:
    shape = np.flatnonzero(box(slice(3, 6), slice(3, 5), slice(2, 4)).ravel(order="F"))
    centre = np.array([4.0, 3.5, 2.5])
    first = recentred(shape, centre, GRID)
    shift = np.array([-2, 2, 1])
    np.testing.assert_array_equal(recentred(moved(shape, shift, GRID), centre + shift, GRID), first)
    assert np.ravel_multi_index(tuple(middle(GRID)), GRID.shape, order="F") in first


def cohort(count: int, seed: int = 0) -> list[Participant]:
    """Blocks at random places, half of them in the region; one participant has no tumour."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        corner = random.integers(0, 4, 3)
        labels = np.zeros(GRID.shape, np.uint8)
        if number != 1:
            labels[
                tuple(slice(c, c + side) for c, side in zip(corner, random.integers(1, 4, 3), strict=True))
            ] = 2
        strata = ("regionA",) if number % 2 == 0 or number == 1 else ("regionB",)
        found.append(Participant(label=f"{number:02}", labels=labels, strata=strata, key=str(number)))
    return found


def sums_of(participants: list[Participant]) -> AtlasSums:
    sums = AtlasSums.empty(GRID, ("regionA", "regionB", "sexF"), shapes=("regionA", "regionB"))
    for participant in participants:
        sums.add(participant)
    return sums


def slow_shape(participants: list[Participant], stratum: str) -> tuple[np.ndarray, int]:
    """Every tumour's voxels, one at a time, moved onto the mean centroid through the middle of the grid."""
    tumors = [np.argwhere(p.labels) for p in participants if stratum in p.strata and p.labels.any()]
    mean = np.floor(np.mean([voxels.mean(axis=0) for voxels in tumors], axis=0) + 0.5).astype(int)
    count = np.zeros(GRID.shape)
    for voxels in tumors:
        own = np.floor(voxels.mean(axis=0) + 0.5).astype(int)
        for voxel in voxels:
            inside = voxel - own + middle(GRID)
            target = voxel - own + mean
            if all((place >= 0).all() and (place < GRID.shape).all() for place in (inside, target)):
                count[tuple(target)] += 1
    return count, len(tumors)


def test_average_shapes_are_counts_of_moved_tumours() -> None:
    participants = cohort(12)
    sums = sums_of(participants)
    for stratum in ("regionA", "regionB"):
        expected, tumors = slow_shape(participants, stratum)
        found = shape_map(sums, stratum, 1)
        assert found is not None
        assert (found.subjects, found.withheld) == (tumors, 0)
        np.testing.assert_allclose(found.share, expected / tumors, atol=1e-6)  # single precision
    assert shape_map(sums, "sexF", 1) is None


def test_shapes_show_nothing_of_fewer_than_the_smallest_cell() -> None:
    participants = cohort(12)
    expected, tumors = slow_shape(participants, "regionA")
    found = shape_map(sums_of(participants), "regionA", 3)
    assert found is not None
    np.testing.assert_allclose(found.share, np.where(expected >= 3, expected, 0) / tumors, atol=1e-6)
    assert found.withheld > 0
    assert shape_map(sums_of(participants), "regionA", tumors + 1) is None


def test_the_order_and_kept_sums_change_no_byte_of_shapes() -> None:
    participants = cohort(9)

    def stored(sums: AtlasSums) -> bytes:
        file = io.BytesIO()
        np.savez(file, **to_arrays(sums))
        return file.getvalue()

    whole = stored(sums_of(participants))
    assert stored(sums_of(participants[::-1])) == whole
    kept = of_arrays(to_arrays(sums_of(participants[:5])))
    for participant in participants[5:]:
        kept.add(participant)
    assert stored(kept) == whole
    merged = sums_of(participants[3:])
    merged.include(sums_of(participants[:3]))
    assert stored(merged) == whole


def test_sums_with_other_shapes_are_not_merged() -> None:
    with pytest.raises(ValueError, match="different shapes cannot be added"):
        sums_of([]).include(AtlasSums.empty(GRID, ("regionA", "regionB", "sexF"), shapes=("regionA",)))
    with pytest.raises(ValueError, match=r"shapes are of strata, got \['nowhere'\]"):
        AtlasSums.empty(GRID, ("sexF",), shapes=("nowhere",))
