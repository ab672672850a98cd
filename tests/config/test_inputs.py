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
        ('{"bold": {}}', r"keys among \['flair'"),
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


def test_missing_filter_file_is_named():
    with pytest.raises(SettingsError, match="--bids-filter-file nowhere: cannot be read as JSON"):
        Inputs(bids_filters=Path("nowhere"))
