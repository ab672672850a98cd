"""Locks: one has it or several share it, who asks does not wait, and the file's end is the lock's."""

from __future__ import annotations

import errno
import fcntl
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from gliomorph.interfaces.files.locks import lock


def test_a_lock_is_had_by_one_or_shared_by_many_until_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second, path.open("w") as third:
        assert lock(first) == "held"
        assert lock(second, wait=False) == lock(second, shared=True, wait=False) == "busy"
        assert lock(first, shared=True) == "held"
        assert lock(second, shared=True, wait=False) == "held"
        assert lock(third, wait=False) == "busy"
    with path.open("w") as again:
        assert lock(again, wait=False) == "held"


def test_who_waits_has_the_lock_when_it_is_free(tmp_path: Path) -> None:
    states: list[str] = []

    def wait() -> None:
        with path.open("w") as file:
            states.append(lock(file))

    path = tmp_path / "lock"
    with path.open("w") as first:
        lock(first)
        other = threading.Thread(target=wait)
        other.start()
        other.join(0.2)
        assert states == []
    other.join(60)
    assert states == ["held"]


@pytest.mark.parametrize("wait", [True, False])
def test_a_file_system_without_locks_is_told_from_a_busy_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: bool
) -> None:
    def none(file: object, operation: int) -> NoReturn:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", none)
    with (tmp_path / "lock").open("w") as file:
        assert lock(file, wait=wait) == "unsupported"
