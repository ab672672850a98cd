"""Input files are read once, and again when they change."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gliomorph.interfaces.files.checksums import content_hash
from gliomorph.workflows import contents as module
from gliomorph.workflows.contents import Contents


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read."""
    names: list[str] = []

    def reading(path: Path) -> str:
        names.append(path.name)
        return content_hash(path)

    monkeypatch.setattr(module, "content_hash", reading)
    return names


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that changed long ago, as the clock says."""
    path = tmp_path / "old"
    path.write_text("one")
    now = time.time() + 60
    monkeypatch.setattr(module.time, "time", lambda: now)
    return path


def test_a_file_is_read_in_one_run_of_many(tmp_path: Path, old: Path, read: list[str]) -> None:
    for _ in range(3):
        contents = Contents(tmp_path / "contents.json")
        assert contents.hash_of(old) == contents.hash_of(old) == content_hash(old)
        contents.save()
    assert read == ["old"]
    assert Contents(tmp_path / "contents.json").hash_of(None) == ""


def test_a_changed_file_is_read_again_even_where_its_time_was_put_back(
    tmp_path: Path, old: Path, read: list[str]
) -> None:
    contents = Contents(tmp_path / "contents.json")
    before, stat = contents.hash_of(old), old.stat()
    old.write_text("two")
    os.utime(old, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert contents.hash_of(old) == content_hash(old) != before
    assert read == ["old", "old"]


def test_a_file_that_has_just_changed_is_not_remembered(tmp_path: Path, read: list[str]) -> None:
    """It may change within the resolution of its time."""
    path = tmp_path / "new"
    path.write_text("one")
    contents = Contents(tmp_path / "contents.json")
    assert contents.hash_of(path) == contents.hash_of(path)
    contents.save()
    assert read == ["new", "new"] and not (tmp_path / "contents.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": [1, 2]}'])
def test_damaged_memory_is_none(tmp_path: Path, old: Path, text: str) -> None:
    (tmp_path / "contents.json").write_text(text)
    assert Contents(tmp_path / "contents.json").hash_of(old) == content_hash(old)


def test_missing_file_is_an_error_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Contents(tmp_path / "contents.json").hash_of(tmp_path / "nowhere")
