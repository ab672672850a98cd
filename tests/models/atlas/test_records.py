"""What stays of a participant: the voxels of its tumour and their centre."""

from __future__ import annotations

import numpy as np
import pytest
from atlas_cohorts import GRID, cohort, inside, members_of, summed

from gliomorph.models.atlas import AtlasSums, Grid, Participant
from gliomorph.models.regions import REGIONS


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
@pytest.mark.parametrize("shape", [(7, 6, 5), (4, 2, 3), (1, 1, 3)])
def test_voxels_are_found_whatever_the_type_and_size(dtype: type, shape: tuple[int, int, int]) -> None:
    labels = np.random.default_rng(6).choice([0, 0, 0, 1, 2, 4], shape).astype(dtype)
    sums = AtlasSums.empty(Grid(shape=shape, affine=np.eye(4)))
    sums.add(Participant(label="1", labels=labels))
    assert (sums.grid.volume(sums.cells["all"].count("WT")) == (labels > 0)).all()


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
