"""Values of a column are in the bin where they belong, or told apart."""

from __future__ import annotations

import numpy as np
import pytest
from participant_tables import grouped, kinds

from gliomorph.interfaces.group.strata.bins import MOST_CATEGORIES


def test_bins_hold_their_lower_edge() -> None:
    found = grouped("age:40,60", ["39.9", "40", "59", "60", "1e2", "-3"])
    assert {s.label: s.participants for s in found.strata} == {
        "ageunder40": ("000", "005"),
        "age40to60": ("001", "002"),
        "age60up": ("003", "004"),
    }
    assert [s.description for s in found.strata] == ["age < 40", "40 ≤ age < 60", "age ≥ 60"]


def test_edges_that_are_no_whole_numbers_give_labels_too() -> None:
    found = grouped("delta_t:-1.5,0,2.25", ["0"])
    labels = [s.label for s in found.strata]
    assert labels == ["deltatunderm1p5", "deltatm1p5to0", "deltat0to2p25", "deltat2p25up"]


def slow_bin(value: str, edges: list[float]) -> int | None:
    """The bin of a number by its definition."""
    limits = [-np.inf, *edges, np.inf]
    return next(i for i in range(len(edges) + 1) if limits[i] <= float(value) < limits[i + 1])


@pytest.mark.parametrize("seed", range(10))
def test_numbers_are_in_the_bin_between_whose_edges_they_lie(seed: int) -> None:
    random = np.random.default_rng(seed)
    edges = sorted(set(random.integers(-5, 6, 4).tolist()))
    values = [str(value) for value in random.integers(-7, 8, 50)]
    found = grouped("v:" + ",".join(map(str, edges)), values)
    for number, value in enumerate(values):
        bins = [i for i, s in enumerate(found.strata) if f"{number:03}" in s.participants]
        assert bins == [slow_bin(value, edges)]


@pytest.mark.parametrize("value", ["", "  ", "n/a", "N/A"])
@pytest.mark.parametrize("word", ["age", "age:40"])
def test_missing_values_are_a_group_of_their_own(word: str, value: str) -> None:
    found = grouped(word, ["50", value, "30", value])
    (group,) = found.not_assigned
    assert (group.column, group.reason, group.participants) == ("age", "missing", ("001", "003"))
    notice = next(notice for notice in found.notices if notice.kind == "not assigned")
    assert "2 participants" in notice.text
    assert notice.participants == group.participants


@pytest.mark.parametrize(
    "value", ["NA", "n.a.", "#N/A", "<NA>", "--", "Missing", "NaN", "null", "None", "-", ".", "?", " Unknown"]
)
@pytest.mark.parametrize("word", ["idh", "idh:40"])
def test_words_for_missing_values_count_as_missing_and_are_named(word: str, value: str) -> None:
    found = grouped(word, ["50", value, "30", ""])
    said = f"missing (written '{value.strip()}', which counts as no value)"
    assert [(g.reason, g.participants) for g in found.not_assigned] == [
        ("missing", ("003",)),
        (said, ("001",)),
    ]
    assert any(said in notice.text and notice.participants == ("001",) for notice in found.notices)
    assert all(value.strip() not in stratum.description for stratum in found.strata if word == "idh")


def test_text_in_a_column_of_numbers_is_reported() -> None:
    found = grouped("days:180", ["100", "ALIVE (361 days later)", "200", "infinite", "1e400"])
    assert [(g.reason, g.participants) for g in found.not_assigned] == [
        ("not a number", ("001", "003", "004"))
    ]
    notice = next(notice for notice in found.notices if notice.kind == "not numbers")
    assert "ALIVE (361 days later)" in notice.text


def test_a_column_without_values_or_with_too_many_is_an_error() -> None:
    assert kinds(grouped("age:40", ["n/a", "old"]).errors) == ["no values"]
    assert kinds(grouped("age", ["n/a", ""]).errors) == ["no values"]
    found = grouped("age", [str(i) for i in range(MOST_CATEGORIES + 1)])
    assert kinds(found.errors) == ["too many categories"]
    assert found.strata == ()


def test_empty_bins_stay_listed() -> None:
    found = grouped("age:10,20,30", ["25"] * 5 + ["35"] * 5)
    assert [s.withheld for s in found.strata] == ["no participants", "no participants", "", ""]
