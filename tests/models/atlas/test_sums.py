"""Sums over participants against slow, obvious counts; the order of participants changes no byte."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from atlas_cohorts import GRID, STRATA, SUPPORT, bytes_of, cohort, summed

from gliomorph.models.atlas import LIMIT, AtlasSums, Grid


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
