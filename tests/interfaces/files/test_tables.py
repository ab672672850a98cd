"""Tables and JSON of datasets: read again, they are what was written."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest

from gliomorph.interfaces.files.tables import BRATS_ROWS, brats_rows, json_text, label_table, read_tsv, table
from gliomorph.models.regions import LABELS


def test_plain_values_stand_as_they_are_between_tabs() -> None:
    assert table(("a", "b"), [(1, "x y"), (0.5, "n/a")]) == "a\tb\n1\tx y\n0.5\tn/a\n"
    assert table(["a"], []) == "a\n"


@pytest.mark.parametrize("value", ["a\ttab", 'a "word"', '"quoted"', "two\nlines", "", "naïve"])
def test_any_value_is_read_again(tmp_path: Path, value: str) -> None:
    columns, rows = read_tsv(written(tmp_path, table(("first", "second"), [(value, "next")]).encode()))
    assert columns == ["first", "second"]
    assert [row.cells for row in rows] == [{"first": value, "second": "next"}]


def test_rows_know_their_line_and_whether_they_are_whole(tmp_path: Path) -> None:
    _, rows = read_tsv(written(tmp_path, b'a\tb\r\n1\t"2\n2"\r\n\r\n3\n4\t5\t6'))
    assert [tuple(row) for row in rows] == [
        (3, {"a": "1", "b": "2\n2"}, True),
        (5, {"a": "3", "b": ""}, False),
        (6, {"a": "4", "b": "5"}, False),
    ]


@pytest.mark.parametrize("content", [b"", b"\n", codecs.BOM_UTF8])
def test_a_table_without_a_head_has_no_columns_and_no_rows(tmp_path: Path, content: bytes) -> None:
    assert read_tsv(written(tmp_path, content)) == ([], [])


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert read_tsv(written(tmp_path, "a\tb\n".encode("utf-8-sig")))[0] == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("errors", ["strict", "replace"])
def test_utf_16_is_named_and_refused(tmp_path: Path, encoding: str, errors: str) -> None:
    path = written(tmp_path, "a\tb\n1\t2\n".encode(encoding))
    with pytest.raises(
        ValueError, match=r"t\.tsv: not a table .* UTF-16, UTF-8 is required: save it as UTF-8"
    ):
        read_tsv(path, errors)


def test_other_bytes_are_refused_or_replaced(tmp_path: Path) -> None:
    path = written(tmp_path, b"a\nna\xefve\n")
    with pytest.raises(ValueError, match=r"t\.tsv: not a table of tab-separated values \('utf-8' codec"):
        read_tsv(path)
    assert read_tsv(path, "replace")[1][0].cells == {"a": "na\ufffdve"}


def test_a_cell_without_end_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t\.tsv: not a table of tab-separated values \(field larger"):
        read_tsv(written(tmp_path, b"a\n" + b"x" * 200000))


def written(folder: Path, content: bytes) -> Path:
    path = folder / "t.tsv"
    path.write_bytes(content)
    return path


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
