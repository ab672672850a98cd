"""A dataset of empty files: queries look at names alone."""

import pytest


@pytest.fixture
def bids(tmp_path):
    """Makes an empty file per name, under the folder that the name says; returns the dataset's root."""

    def make(*names, root="bids"):
        for name in names:
            parts = name.split("_")
            session = [parts[1]] if parts[1].startswith("ses-") else []
            folder = tmp_path.joinpath(root, parts[0], *session, "anat")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        return tmp_path / root

    return make
