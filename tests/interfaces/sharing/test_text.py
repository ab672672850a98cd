"""JSON and tables without traces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gliomorph.interfaces.sharing.names import ExportError, Names
from gliomorph.interfaces.sharing.text import Scrubber, participants_table

NAMES = Names({"Meier": "002", "B01": "001"}, {"Meier": {"pre": "1"}})
SCRUBBER = Scrubber(NAMES, {"sub-002/a.json"})


def scrubbed(content: object, folder: Path) -> object:
    (folder / "a.json").write_text(json.dumps(content))
    return json.loads(SCRUBBER.json(folder / "a.json", "Meier"))


@pytest.mark.parametrize(
    "text",
    [
        "/data/x/y.nii.gz",
        "made of /home/anna/x",
        "file:///x",
        r"C:\data\x",
        "on 2019-03-04",
        "20190304",
        "4.3.2019",
    ],
)
def test_strings_with_a_path_or_a_date_are_left_out(text: str, tmp_path: Path) -> None:
    assert scrubbed({"a": text, "b": [text, "c"]}, tmp_path) == {"b": ["c"]}


@pytest.mark.parametrize(
    "value", ["https://doi.org/10.1016/j.neuroimage.2010.07.033", "1/2 of it", "0.19990101", None, 1.5, True]
)
def test_other_values_stay(value: object, tmp_path: Path) -> None:
    assert scrubbed({"a": value, "b": [value]}, tmp_path) == {"a": value, "b": [value]}


def test_remarks_hashes_and_files_of_other_datasets_stay_at_home(tmp_path: Path) -> None:
    content = {
        "notices": ["x"],
        "key": "x",
        "quality": {"flag": "x", "ncc": 1},
        "Sources": ["bids:raw:x", "bids::y"],
    }
    assert scrubbed(content, tmp_path) == {"quality": {"ncc": 1}, "Sources": ["bids::y"]}


def test_names_are_new_in_keys_and_values_and_lists_in_their_order(tmp_path: Path) -> None:
    content = {
        "registrations": {"ses-pre": 1},
        "Participants": ["sub-Meier_ses-pre", "sub-B01"],
        "outputs": ["sub-Meier/a.png", "sub-Meier/a.json"],
    }
    assert scrubbed(content, tmp_path) == {
        "registrations": {"ses-1": 1},
        "Participants": ["sub-001", "sub-002_ses-1"],
        "outputs": ["sub-002/a.json"],
    }


def test_damaged_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ExportError, match=r"a\.json: not JSON that can be read"):
        SCRUBBER.json(tmp_path / "a.json")


def test_rows_are_in_the_order_of_new_names(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(
        "participant_id\tsession_id\treason\tfile\nsub-Meier\tses-pre\tx\t/a/b\nsub-B01\tn/a\tx\t3\n"
    )
    assert SCRUBBER.tsv(tmp_path / "a.tsv") == (
        "participant_id\tsession_id\tfile\nsub-001\tn/a\t3\nsub-002\tses-1\tn/a\n"
    )


def test_rows_of_no_participants_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("index\tname\n4\tb\n1\ta\n")
    assert SCRUBBER.tsv(tmp_path / "a.tsv") == "index\tname\n4\tb\n1\ta\n"


def test_participants_have_only_the_columns_that_were_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "participants.tsv"
    source.write_text("participant_id\tage\tname\nsub-Meier\t93\tAnna\nsub-B01\t89\tBo\n")
    assert participants_table(NAMES, ["Meier", "B01"], source, []) == "participant_id\nsub-001\nsub-002\n"
    assert participants_table(NAMES, ["Meier", "B01"], source, ["age"]) == (
        "participant_id\tage\nsub-001\t89\nsub-002\t89+\n"
    )


@pytest.mark.parametrize("age", ["89.5", "90", "90+"])
def test_ages_above_89_are_not_shared(age: str, tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text(f"participant_id\tage_at_scan\nsub-B01\t{age}\n")
    assert "89+" in participants_table(NAMES, ["B01"], tmp_path / "p.tsv", ["age_at_scan"])


def test_missing_tables_and_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="give --participants FILE"):
        participants_table(NAMES, ["B01"], tmp_path / "p.tsv", ["age"])
    (tmp_path / "p.tsv").write_text("participant_id\nsub-B01\n")
    with pytest.raises(ExportError, match=r"--columns age: .* has no such column"):
        participants_table(NAMES, ["B01"], tmp_path / "p.tsv", ["age"])
