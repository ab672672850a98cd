"""Options of a TOML file, refused by key where the command line would refuse them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gliomorph.cli.config_file import read_config
from gliomorph.cli.parser import build_parser
from gliomorph.config.option import SettingsError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1", "unknown option 'colour'"),
        ("version = true", "unknown option 'version'"),
        ('config-file = "x"', "unknown option 'config-file'"),
        ("resolution = 5", r"resolution = 5; choose from \[1, 2, 3, 4\]"),
        ('registration = ["affine", "elastix"]', r"registration = .*; choose from .*'metamorphosis'"),
        ("resolution = []", r"resolution = \[\]; one value is required"),
        ("nprocs = [1, 2]", "nprocs = .*; one value is required"),
        ("random-seed = 1.5", "random-seed = 1.5; invalid literal for int"),
        ('dry-run = "false"', "dry-run = 'false'; choose from true and false"),
        ("template = {a = 1}", "template = .*; one value is required"),
        ("resolution = ", "cannot be read as TOML"),
    ],
)
def test_wrong_config_file_is_refused_by_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "options.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_config(path, build_parser())


def test_missing_config_file_is_named() -> None:
    with pytest.raises(SettingsError, match=r"--config-file nowhere\.toml: cannot be read"):
        read_config(Path("nowhere.toml"), build_parser())


def test_values_have_the_names_and_types_of_the_options(tmp_path: Path) -> None:
    path = tmp_path / "options.toml"
    path.write_text("no-requeue = false\nmem = 5.5\nwork_dir = 'w'\nverbose = true\ndry-run = true\n")
    read = read_config(path, build_parser())
    assert read == {"requeue": True, "mem_gb": 5.5, "work_dir": Path("w"), "verbose": True, "dry_run": True}
