"""What the tables of regions and of patients tell, and what they do not."""

from __future__ import annotations

import random

import attrs
import pytest
from tumor_places import parcellation, places_of

from gliomorph.interfaces.group.regions.strata import stratify_by_place
from gliomorph.interfaces.group.regions.tables import parcellation_rows, patient_columns
from gliomorph.models.atlas import Place
from gliomorph.models.small_cells import small_cells


def test_patients_columns_are_shares_of_the_tumour() -> None:
    places = {
        "sub-1": Place(region=2, size=8, voxels=(1, 5)),
        "sub-2": Place(region=0, size=0, voxels=(0, 0)),
    }
    found = patient_columns(places, parcellation(2))
    assert found["sub-1"] == {"region": "L1", "overlap_L0": 0.125, "overlap_L1": 0.625}
    assert found["sub-2"] == {"region": None, "overlap_L0": None, "overlap_L1": None}


def test_table_counts_who_is_there_and_who_touches() -> None:
    places = places_of(2, 1)
    places["00"] = attrs.evolve(places["00"], voxels=(7, 3))
    regions = stratify_by_place(places, parcellation(2).parcels, small_cells(1)).strata
    first, second = parcellation_rows(places, parcellation(2), regions, small_cells(1))
    assert first == {
        "label": "L0",
        "name": "label 0",
        "volume_ml": 50.0,
        "participants": 2,
        "participants_touching": 2,
        "share_involved_mean": pytest.approx(0.085),
    }
    assert (second["participants"], second["participants_touching"]) == (1, 2)
    assert second["share_involved_mean"] == pytest.approx(0.065)


@pytest.mark.parametrize("seed", range(40))
def test_no_small_number_is_told_or_follows_from_those_that_are(seed: int) -> None:
    """What is not told of the regions, and of none, are as many as the smallest cell, or nobody."""
    draw = random.Random(seed)
    counts = [draw.choice([0, 1, 2, 4, 5, 6, 11]) for _ in range(draw.randint(1, 5))]
    places = places_of(*counts, none=draw.choice([0, 0, 1, 5]))
    if not places:
        return
    regions = stratify_by_place(places, parcellation(len(counts)).parcels, small_cells(5)).strata
    rows = parcellation_rows(places, parcellation(len(counts)), regions, small_cells(5))
    told = [row["participants"] for row in rows if row["participants"] is not None]
    assert all(count >= 5 for count in told)
    rest = len(places) - sum(told)
    assert rest == 0 or rest >= 5 or not told
    for row in rows:
        touching = row["participants_touching"]
        assert touching is None or touching >= 5
        assert (row["share_involved_mean"] is None) == (touching is None)
