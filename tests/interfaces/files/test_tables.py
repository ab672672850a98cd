"""Tables and JSON of datasets: read again, they are what was written."""

from __future__ import annotations

import csv
import io
import json

import pytest

from gliomorph.interfaces.files.tables import BRATS_ROWS, brats_rows, json_text, label_table, table
from gliomorph.models.regions import LABELS


def test_plain_values_stand_as_they_are_between_tabs() -> None:
    assert table(("a", "b"), [(1, "x y"), (0.5, "n/a")]) == "a\tb\n1\tx y\n0.5\tn/a\n"
    assert table(["a"], []) == "a\n"


@pytest.mark.parametrize("value", ["a\ttab", 'a "word"', '"quoted"', "two\nlines", "", "naïve"])
def test_any_value_is_read_again(value: str) -> None:
    lines = io.StringIO(table(("first", "second"), [(value, "next")]), newline="")
    assert list(csv.DictReader(lines, delimiter="\t")) == [{"first": value, "second": "next"}]


def test_a_label_map_of_ours_has_the_labels_that_the_stages_pass_on() -> None:
    assert {region: label for label, _, region in BRATS_ROWS} == {"BG": 0, **LABELS}
    assert label_table() == (
        "index\tname\tabbreviation\n0\tbackground\tBG\n1\tnecrotic and non-enhancing tumor core\tNCR\n"
        "2\tperitumoral edema\tED\n4\tenhancing tumor\tET\n"
    )


def test_another_edition_has_other_labels_and_the_same_names() -> None:
    rows = brats_rows({"NCR": 1, "ED": 2, "ET": 3})
    assert [label for label, *_ in rows] == [0, 1, 2, 3]
    assert [names for _, *names in rows] == [names for _, *names in BRATS_ROWS]


def test_json_is_read_again_and_ends_its_line() -> None:
    content = {"Name": "Größe", "Sources": ["a", "b"], "n": 1.5}
    assert json.loads(json_text(content)) == content
    assert json_text({"a": 1}) == '{\n  "a": 1\n}\n'
