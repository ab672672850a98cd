"""Options of the atlas that name scans, before a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from gliomorph.config.option import SettingsError
from gliomorph.config.settings import Settings
from gliomorph.workflows.checks.atlas import atlas_notices


def asked(folder: Path, **options: tuple[str, ...]) -> Settings:
    (folder / "bids" / "sub-01" / "ses-preop" / "anat").mkdir(parents=True)
    (folder / "out" / "sub-02").mkdir(parents=True)
    folders = {"bids_dir": folder / "bids", "output_dir": folder / "out", "work_dir": folder / "work"}
    return Settings.of(**folders, registration=("affine",), **{"levels": ("group",), **options})


def test_scans_and_sessions_that_exist_are_silent(tmp_path: Path) -> None:
    options = {"confirm": ("sub-01_ses-preop", "01", "sub-02"), "atlas_session": ("ses-preop",)}
    assert atlas_notices(asked(tmp_path, **options)) == []


@pytest.mark.parametrize(
    ("option", "label", "message"),
    [
        ("confirm", "sub-03", "--confirm sub-03: no such scan"),
        ("confirm", "01_ses-postop", "--confirm sub-01_ses-postop: no such scan"),
        ("atlas_session", "post", "--atlas-session post: nobody has a session ses-post in "),
    ],
)
def test_what_does_not_exist_is_refused_before_the_run(
    tmp_path: Path, option: str, label: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        atlas_notices(asked(tmp_path, **{option: (label,)}))


def test_options_without_effect_are_told(tmp_path: Path) -> None:
    options = {"confirm": ("02",), "atlas_session": ("preop",), "levels": ("participant",)}
    assert atlas_notices(asked(tmp_path, **options)) == [
        "--atlas-session has no effect without the level group",
        "--confirm has no effect without the level group",
    ]
