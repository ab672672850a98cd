"""Tumours by region: who belongs where, what is kept, and what the tables and the page tell of few."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import parcels
import phantoms
import pytest

from gliomorph.interfaces.files.images import from_array, to_array, write_image
from gliomorph.interfaces.group.records import GroupScan, Stratum
from gliomorph.interfaces.group.regions import places as module
from gliomorph.interfaces.group.regions.label_map import Parcel
from gliomorph.interfaces.group.regions.parcellation import Parcellation
from gliomorph.interfaces.group.regions.places import tumor_places
from gliomorph.interfaces.group.regions.strata import collisions, stratify_by_place
from gliomorph.interfaces.group.regions.tables import parcellation_rows, patient_columns
from gliomorph.interfaces.group.strata.bins import MOST_CATEGORIES
from gliomorph.models.atlas import Place
from gliomorph.models.small_cells import small_cells

LIKE = phantoms.grid((20, 24, 20), (8.0, 8.0, 8.0))
PLACES = [(-30, -30, 0), (-30, 35, 0), (30, -30, 0), (0, -30, 0), (35, 30, 5)]
"""From the brain's centre, LPS: right front, right back, left front, the middle, left back."""


class Tumours:
    """Five tumours, a parcellation of four quarters, and how the stage is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = parcels.write_tumors(folder / "in", LIKE, [np.array(place) for place in PLACES])
        self.parcellation = self.write(parcels.quarters(LIKE), "quarters.nii.gz")
        self.kept = folder / "work" / "places.json"

    def write(self, values: np.ndarray, name: str) -> Path:
        numbered = np.select([values == index for index in parcels.INDICES], [1, 2, 3, 4], 0)
        return write_image(from_array(numbered.astype(np.uint16), LIKE), self.folder / name)

    def scan(self, number: int, key: str = "") -> GroupScan:
        files = {"tumor": self.paths[number]}
        return GroupScan(label=f"sub-{number}", kind="dseg", key=key or f"key {number}", files=files)

    def run(self, order: tuple[int, ...] = (0, 1, 2, 3, 4), **changes: Any) -> dict[str, Place]:
        arguments: dict[str, Any] = {
            "scans": tuple(self.scan(number) for number in order),
            "parcellation": self.parcellation,
            "count": 4,
            "code": "code",
            "kept": str(self.kept),
        }
        return tumor_places(**{**arguments, **changes})


@pytest.fixture
def tumours(tmp_path: Path) -> Tumours:
    return Tumours(tmp_path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tumours that are read."""
    found: list[str] = []
    whole = module.place_of
    monkeypatch.setattr(module, "place_of", lambda *given: found.append("read") or whole(*given))
    return found


def test_tumours_are_where_they_were_drawn(tumours: Tumours) -> None:
    found = tumours.run()
    assert [place.region for place in found.values()][:3] == [1, 2, 3]
    assert found["sub-4"].region == 4
    assert found["sub-0"].voxels[0] == found["sub-0"].size > 0
    middle = found["sub-3"]
    assert middle.voxels[0] > 0 and middle.voxels[2] > 0
    assert sum(middle.voxels) == middle.size


def test_the_order_changes_no_byte_and_added_tumours_alone_are_read(
    tumours: Tumours, reads: list[str]
) -> None:
    whole = tumours.run()
    stored = tumours.kept.read_bytes()
    tumours.kept.unlink()
    reads.clear()
    assert tumours.run((3, 0)) == {scan: whole[scan] for scan in ("sub-0", "sub-3")}
    assert len(reads) == 2
    assert tumours.run((4, 3, 2, 1, 0)) == whole and list(tumours.run((1, 0))) == ["sub-0", "sub-1"]
    assert len(reads) == 5
    tumours.run((2, 4, 0, 1, 3))
    assert tumours.kept.read_bytes() == stored


@pytest.mark.parametrize("change", ["key", "code", "parcellation", "damaged"])
def test_kept_places_that_do_not_fit_are_made_anew(tumours: Tumours, reads: list[str], change: str) -> None:
    tumours.run()
    reads.clear()
    changes: dict[str, Any] = {}
    if change == "key":
        changes["scans"] = (tumours.scan(0, "another"), *map(tumours.scan, range(1, 5)))
    elif change == "code":
        changes["code"] = "other"
    elif change == "parcellation":
        # the same labels in other places
        changes["parcellation"] = tumours.write(parcels.quarters(LIKE)[::-1], "mirrored.nii.gz")
    else:
        tumours.kept.write_text(tumours.kept.read_text()[:-40])
    again = tumours.run(**changes)
    assert len(reads) == (1 if change == "key" else 5)
    assert again == tumours.run(**{**changes, "kept": ""})
    if change == "parcellation":
        assert again["sub-0"].region == 3


def test_nothing_is_kept_where_nothing_may_be(tumours: Tumours) -> None:
    tumours.run(kept="")
    assert not tumours.kept.exists()


def test_what_is_kept_is_not_what_a_reader_needs(tumours: Tumours) -> None:
    """Keys stay in the file; no path is in it."""
    found = tumours.run()
    assert all(isinstance(place, Place) for place in found.values())
    assert str(tumours.folder) not in tumours.kept.read_text()
    assert json.loads(tumours.kept.read_text())["places"]["sub-0"]["key"] == "key 0"


def parcellation(count: int) -> Parcellation:
    return Parcellation(
        name="quarters",
        path=Path("none"),
        parcels=tuple(Parcel(label=f"L{n}", name=f"label {n}") for n in range(count)),
        sizes=(100,) * count,
        voxel_ml=0.5,
        digest="abc",
    )


def places_of(*counts: int, none: int = 0) -> dict[str, Place]:
    """So many tumours of ten voxels wholly in each region, and others outside of all."""
    regions = [n + 1 for n, count in enumerate(counts) for _ in range(count)] + [0] * none
    return {
        f"{number:02}": Place(
            region=region, size=10, voxels=tuple(10 * (region == n + 1) for n in range(len(counts)))
        )
        for number, region in enumerate(regions)
    }


def test_participants_are_in_the_region_of_their_tumour_and_the_others_are_told() -> None:
    found = stratify_by_place(places_of(6, 5, none=5), parcellation(2).parcels, small_cells(5))
    assert [(s.label, len(s.participants), s.withheld) for s in found.strata] == [
        ("regionL0", 6, ""),
        ("regionL1", 5, ""),
    ]
    assert found.strata[0].description == "tumour in 'label 0'"
    (notice,) = found.notices
    assert notice.text.startswith(
        "5 participants in no region, without a tumour or with one outside of all: '11'"
    )


def test_small_regions_and_those_that_would_tell_them_are_withheld() -> None:
    found = stratify_by_place(places_of(9, 6, 2), parcellation(3).parcels, small_cells(5))
    assert [s.withheld for s in found.strata] == [
        "",
        "the other published strata and all participants would show 2 participants by subtraction",
        "2 participants, fewer than 5",
    ]
    assert [notice.kind for notice in found.notices] == ["withheld", "withheld"]


def test_a_region_that_everybody_is_in_has_maps() -> None:
    shown, empty = stratify_by_place(places_of(5, 0), parcellation(2).parcels, small_cells(5)).strata
    assert (shown.withheld, empty.withheld) == ("", "no participants")
    assert stratify_by_place(places_of(4, 0), parcellation(2).parcels, small_cells(5)).published == ()


def test_the_largest_regions_have_maps_where_there_are_many() -> None:
    counts = [2] * MOST_CATEGORIES + [3]
    found = stratify_by_place(places_of(*counts), parcellation(len(counts)).parcels, small_cells(1))
    assert len(found.published) == MOST_CATEGORIES
    assert found.published[-1].label == f"regionL{MOST_CATEGORIES}"
    (notice,) = found.notices
    assert "20 regions with more participants have theirs" in notice.text


def test_labels_that_others_have_are_found_where_capitals_do_not_count() -> None:
    regions = stratify_by_place(places_of(1, 1), parcellation(2).parcels, small_cells(1)).strata
    other = Stratum(label="REGIONl1", column="region", description="", participants=())
    assert collisions(regions, [other]) == ["regionL1"]


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


def test_a_tumour_of_another_grid_is_refused(tumours: Tumours) -> None:
    small = phantoms.grid((4, 4, 4), (8.0, 8.0, 8.0))
    path = write_image(from_array(np.ones((4, 4, 4), np.uint8), small), tumours.folder / "small.nii.gz")
    tumours.paths[0] = path
    with pytest.raises(ValueError, match="must have the parcellation's shape"):
        tumours.run((0,))
    assert to_array(small).shape == (4, 4, 4)
