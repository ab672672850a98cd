"""What a run has begun and not ended: where it is killed, the next one tidies up after it, on whatever machine.

Pydra's locks are signed with a process and a machine; only that machine can tell that the process is no more, and on
any other one its stages would wait for ever (``test_old_locks_without_owner_or_of_another_machine_are_waited_for``). A
journal is locked (``flock``) as long as its run lives, which every machine of a shared file system can tell.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import attrs

from ...interfaces.files.locks import lock

FOLDER = ".runs"


@attrs.frozen
class Journal:
    """The journal of a live run: keys of stages and graphs, a line each, ``+`` when begun and ``-`` when ended."""

    _file: IO[str]

    def begin(self, key: str) -> None:
        """Before its lock is made."""
        self._write(f"+{key}\n")

    def end(self, key: str) -> None:
        """After its result is stored."""
        self._write(f"-{key}\n")

    def _write(self, line: str) -> None:
        self._file.write(line)
        self._file.flush()


@contextlib.contextmanager
def journal(cache: Path) -> Iterator[Journal]:
    """Keep a journal in a cache, until what it tells of is over."""
    path, file = _new(cache / FOLDER)
    with file:
        yield Journal(file)
        path.unlink(missing_ok=True)


def _new(folder: Path) -> tuple[Path, IO[str]]:
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        path = folder / secrets.token_hex(8)
        file = path.open("x")
        lock(file)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return path, file
        file.close()  # taken for that of a dead run in the moment before it was locked


def left_unfinished(cache: Path) -> set[str]:
    """Keys of what runs that are no more have begun and not ended; their journals are removed."""
    keys: set[str] = set()
    for path in (cache / FOLDER).glob("*"):
        with contextlib.suppress(OSError), path.open("r+") as file:  # it may be gone
            if lock(file, wait=False) == "held":
                keys |= _unfinished(file.read())
                path.unlink(missing_ok=True)
    return keys


def _unfinished(text: str) -> set[str]:
    keys: set[str] = set()
    for line in text.split("\n")[:-1]:  # the last one is empty, or was cut short
        (keys.add if line[:1] == "+" else keys.discard)(line[1:])
    return keys
