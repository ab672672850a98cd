"""The last look at a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from gliomorph.interfaces.sharing.names import Names
from gliomorph.interfaces.sharing.search import traces

NAMES = Names({"Meier": "001", "01": "002"}, {"Meier": {"pre": "1"}})


def test_new_names_are_no_traces(tmp_path: Path) -> None:
    (tmp_path / "sub-001").mkdir()
    (tmp_path / "sub-001" / "sub-001_ses-1.json").write_text('{"a": "sub-002, 01, https://doi.org/10.1/x/y"}')
    assert traces(tmp_path, NAMES) == []


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        ("sub-01", "sub-01"),
        ("ses-pre", "ses-pre"),
        ("(MEIER)", "MEIER"),
        ("sub-9", "sub-9"),
        ("in /a/b/c", "/a/b/c"),
    ],
)
def test_old_names_and_paths_are_found_in_text(text: str, trace: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    (found,) = traces(tmp_path, NAMES)
    assert found.startswith("a.json: ")
    assert found.endswith(trace)


def test_old_names_are_found_in_names_of_files_of_any_kind(tmp_path: Path) -> None:
    (tmp_path / "sub-01_T1w.nii.gz").write_bytes(b"")
    assert traces(tmp_path, NAMES) == ["sub-01_T1w.nii.gz: its name has sub-01"]
