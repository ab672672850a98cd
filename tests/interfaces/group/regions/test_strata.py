"""Who is in a region's stratum, and which regions are withheld."""

from __future__ import annotations

from tumor_places import parcellation, places_of

from gliomorph.interfaces.group.records import Stratum
from gliomorph.interfaces.group.regions.strata import collisions, stratify_by_place
from gliomorph.interfaces.group.strata.bins import MOST_CATEGORIES
from gliomorph.models.small_cells import small_cells


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
