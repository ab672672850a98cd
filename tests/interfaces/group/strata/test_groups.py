"""Strata: every participant is in one bin only, or named with a reason; labels are labels whatever the table says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from participant_tables import grouped, kinds, rows_of

from gliomorph.interfaces.files.tables import read_table, table
from gliomorph.interfaces.files.text import plain
from gliomorph.interfaces.group.records import Stratum
from gliomorph.interfaces.group.strata.bins import MISSING, MOST_CATEGORIES, Variable
from gliomorph.interfaces.group.strata.groups import (
    BY_PLACE,
    LONGEST_LABEL,
    contrasts_of,
    parse_strata,
    stratify,
)
from gliomorph.models.small_cells import EVERYBODY, small_cells

HOSTILE = [
    "../../etc/passwd", "F", "f", "F ", "f\u0000", "a/b", "a\\b", "女", "男", "+", "-", "=cmd()", "<b>", "%2e", "n/a",
    "N/A", "", " ", "l", "x" * 3000, "1e400", "nan", "-0", "12", "12.5", "1_0", "１２", "40", "60", "a\nb",
]  # fmt: skip


def test_words_are_columns_with_or_without_edges() -> None:
    assert parse_strata(["sex", "age:40,60", "delta:-1.5,2e1"]) == (
        Variable(column="sex"),
        Variable(column="age", edges=(40.0, 60.0)),
        Variable(column="delta", edges=(-1.5, 20.0)),
    )
    assert parse_strata([]) == ()


@pytest.mark.parametrize(
    "word",
    ["", ":40", "age:", "age:40,", "age:60,40", "age:40,40", "age:x", "age:nan", "age:1,inf", "age:1_0"],
)
def test_words_without_name_or_with_wrong_edges_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="--strata requires"):
        parse_strata([word])


def test_a_column_is_taken_once_and_the_label_never() -> None:
    with pytest.raises(ValueError, match="'age' more than once"):
        parse_strata(["age:40", "sex", "age:60"])
    with pytest.raises(ValueError, match="participant_id"):
        parse_strata(["participant_id"])


@pytest.mark.parametrize("seed", range(30))
def test_every_participant_is_in_exactly_one_bin_or_not_assigned(seed: int) -> None:
    random = np.random.default_rng(seed)
    names = [f"{i:03}" for i in range(random.integers(1, 40))]
    rows = [
        {
            "participant_id": f"sub-{name}",
            "class": str(random.choice(HOSTILE)) if random.random() < 0.3 else str(random.choice(["F", "M"])),
            "age": str(random.choice(HOSTILE)) if random.random() < 0.3 else f"{random.normal(50, 20):.1f}",
        }
        for name in names
        if random.random() < 0.9
    ] + [{"participant_id": "sub-900", "class": "F", "age": "3"}] * int(random.integers(0, 2))
    edges = sorted({float(edge) for edge in random.integers(20, 80, random.integers(1, 5))})
    variables = (Variable(column="class"), Variable(column="age", edges=tuple(edges)))
    min_cell = int(random.integers(1, 7))
    found = stratify(variables, rows, names, small_cells(min_cell))
    for column in {"class", "age"} - {error.column for error in found.errors}:
        bins = [s.participants for s in found.strata if s.column == column]
        lost = [group.participants for group in found.not_assigned if group.column == column]
        assert sorted(name for group in [*bins, *lost] for name in group) == names
    for stratum in found.strata:
        assert stratum.withheld or len(stratum.participants) >= min_cell
    shuffled = [rows[i] for i in random.permutation(len(rows))]
    assert stratify(variables, shuffled, names[::-1], small_cells(min_cell)) == found


def test_whatever_the_table_says_labels_are_bids_labels_and_unique() -> None:
    values = [value for value in HOSTILE if value.strip().casefold() not in MISSING][:MOST_CATEGORIES]
    rows = [
        {"participant_id": str(i), "se/x": value, "s": "ex" + value, "al": "l"}
        for i, value in enumerate(values)
    ]
    found = stratify(parse_strata(["se/x", "s", "al"]), rows, map(str, range(len(values))), small_cells(1))
    labels = [s.label for s in found.strata]
    assert found.errors == ()
    assert all(re.fullmatch("[A-Za-z0-9]+", label) and len(label) <= LONGEST_LABEL for label in labels)
    assert len({label.casefold() for label in [*labels, EVERYBODY]}) == len(labels) + 1
    assert "similar categories" in kinds(found.notices)


def test_a_colliding_label_depends_on_its_own_text_only() -> None:
    both = {s.description: s.label for s in grouped("g", ["a b", "ab", "a-b", "c"]).strata}
    fewer = {s.description: s.label for s in grouped("g", ["ab", "a-b"]).strata}
    assert both["g = 'c'"] == "gc"
    assert {text: both[text] for text in fewer} == fewer
    assert all(label.startswith("gabx") for label in fewer.values())


def test_messages_only_quote_and_shorten_the_table() -> None:
    found = grouped("age:40", ["1", "x\n<script>", "y" * 3000])
    texts = [finding.text for finding in found.notices]
    assert not any("\n" in text or len(text) > 300 for text in texts)


def test_an_unknown_column_is_an_error_with_the_columns_there_are() -> None:
    rows = [{"participant_id": "sub-1", "sex": "F", "age": "40"}]
    found = stratify(parse_strata(["gender", "sex"]), rows, ["1"], small_cells(1))
    (error,) = found.errors
    assert error.kind == "unknown column"
    assert error.text == "participants.tsv has no column 'gender'; it has 'age', 'sex'"
    assert [s.column for s in found.strata] == ["sex"]


def test_duplicated_participants_are_an_error_and_in_no_bin() -> None:
    rows = [
        {"participant_id": name, "sex": sex} for name, sex in [("sub-1", "F"), ("1", "M"), ("sub-2", "F")]
    ]
    found = stratify(parse_strata(["sex"]), rows, ["1", "2"], small_cells(1))
    assert kinds(found.errors) == ["duplicated participants"]
    assert found.errors[0].participants == ("1",)
    assert [(g.reason, g.participants) for g in found.not_assigned] == [("more than one row", ("1",))]


def test_table_of_other_labels_is_said_to_be_one() -> None:
    """Spreadsheets turn 001 into 1."""
    rows = [{"participant_id": "sub-1", "idh": "yes"}, {"participant_id": "2", "idh": "no"}]
    found = stratify(parse_strata(["idh"]), rows, ["001", "002"], small_cells(1))
    assert kinds(found.errors)[0] == "no participant in common"
    assert "it has 'sub-1', 'sub-2'; scans are of 'sub-001', 'sub-002'" in found.errors[0].text


def test_rows_without_scan_and_scans_without_row_are_reported() -> None:
    found = stratify(
        parse_strata(["sex"]), rows_of("sex", ["F", "M"]), ["sub-000", "sub-777"], small_cells(1)
    )
    reported = {notice.kind: notice.participants for notice in found.notices}
    assert reported["no scan"] == ("001",)
    assert reported["no row"] == ("777",)
    assert [(g.reason, g.participants) for g in found.not_assigned] == [("not in the table", ("777",))]


def test_a_constant_column_is_said_to_be_one_and_gives_no_second_map_of_all() -> None:
    found = grouped("sex", ["F"] * 6, 5)
    assert "constant" in kinds(found.notices)
    assert [s.withheld for s in found.strata] == ["the same as all participants"]


def test_small_strata_are_withheld_and_so_is_what_would_reveal_them() -> None:
    found = grouped("sex", ["F"] * 3 + ["M"] * 20 + ["X"] * 7, 5)
    assert {s.label: bool(s.withheld) for s in found.strata} == {"sexF": True, "sexM": False, "sexX": True}
    assert "by subtraction" in found.strata[2].withheld
    assert [s.label for s in found.published] == ["sexM"]
    assert (found.labels_of("010"), found.labels_of("000")) == (("sexM",), ())


def test_missing_values_are_not_revealed_by_subtraction_either() -> None:
    found = grouped("sex", ["F"] * 10 + ["M"] * 20 + ["n/a"] * 2, 5)
    assert [s.label for s in found.published] == ["sexM"]
    assert [s.label for s in grouped("sex", ["F"] * 10 + ["n/a"] * 5 + ["M"] * 20, 5).published] == [
        "sexF",
        "sexM",
    ]


@pytest.mark.parametrize("seed", range(20))
def test_no_difference_of_published_strata_and_all_is_a_small_cell(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = [
        str(v) for v in random.choice(["a", "b", "c", "d", "n/a"], 60, p=random.dirichlet(np.ones(5) / 2))
    ]
    found = grouped("g", values, 5)
    rest = len(values) - sum(len(s.participants) for s in found.published)
    assert rest == 0 or rest >= 5


def test_the_table_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "participants.tsv"
    path.write_text("\ufeff" + table(["participant_id", "sex"], [["sub-1", "a\tb"], ["sub-2"]]))
    assert read_table(path) == [
        {"participant_id": "sub-1", "sex": "a\tb"},
        {"participant_id": "sub-2", "sex": ""},
    ]
    path.write_text("id\tsex\n1\tF\n")
    with pytest.raises(ValueError, match="requires a column participant_id, got 'id', 'sex'"):
        read_table(path)


def test_plain_text_is_ascii() -> None:
    assert plain("Ängström/2") == "Angstrom2"
    assert plain("女") == ""


def test_strata_made_by_place_are_no_columns_and_are_not_compared() -> None:
    regions = [Stratum(label=f"region{n}", column=BY_PLACE, description="", participants=()) for n in "AB"]
    assert contrasts_of(regions) == []
    with pytest.raises(ValueError, match="--parcellation is an option of its own"):
        parse_strata([BY_PLACE])
