"""What is read: filters of a file, folders by name."""

from pathlib import Path

import pytest

from gliomorph.config.inputs import Inputs
from gliomorph.config.option import SettingsError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "an object with keys"),
        ('{"t1w": 5}', "t1w: an object of entities is required, got 5"),
        ('{"t1w": ["acquisition"]}', "t1w: an object of entities is required"),
        ('{"t1w": ' + "[" * 100000, "cannot be read as JSON"),
    ],
)
def test_wrong_filter_file_is_refused(tmp_path, content, message):
    path = tmp_path / "filter.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=message):
        Inputs(bids_filters=path)


def test_keys_of_other_apps_are_passed_over_with_a_notice(tmp_path):
    path = tmp_path / "filter.json"
    path.write_text('{"T1w": {"run": 2}, "bold": {"task": "rest"}, "roi": {"label": "lesion"}}')
    inputs = Inputs(bids_filters=path)
    assert inputs.bids_filters["t1w"] == {"run": 2}
    assert inputs.notices == [
        "--bids-filter-file: bold, roi passed over; t1w, t1ce, t2w, flair, mask are read"
    ]
    assert Inputs(bids_filters={"mask": {}}).notices == []


def test_missing_filter_file_is_named():
    with pytest.raises(SettingsError, match="--bids-filter-file nowhere: cannot be read as JSON"):
        Inputs(bids_filters=Path("nowhere"))


def test_labels_that_are_given_twice_count_once():
    inputs = Inputs(participants=["02", "sub-01", "sub-02"], sessions=["ses-a", "a"])
    assert (inputs.participants, inputs.sessions) == (("02", "01"), ("a",))


@pytest.mark.parametrize("words", [("masks", "other/masks"), ("m=masks", "m=other/masks")])
def test_two_folders_of_one_name_are_refused_and_one_folder_given_twice_is_not(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    for folder in ("masks", "other/masks"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(
        SettingsError, match=r"-d: one name is required for each folder, m.* and of .*other/masks"
    ):
        Inputs(derivatives=words)
    assert len(Inputs(derivatives=[words[0], words[0]]).derivatives) == 1
