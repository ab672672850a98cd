"""How Pydra knows a file: by its content, read once a process.

Pydra keeps such hashes in a folder, one file and one lock each: a lock costs more than most of our stages' own part
of the engine, that of a killed process keeps all others waiting, and a large cohort would leave a million files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from fileformats.generic import File
from pydra.utils.hash import Cache, register_serializer

REMEMBERED = 1 << 14
"""Files, those of some hundred scans."""


@register_serializer(File)
def content_of(file: File, cache: Cache) -> Iterator[bytes]:
    """What stands for a file in the hash of a task's inputs."""
    path = Path(file.fspath)
    stat = path.stat()
    yield b"file:" + _digest(path, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)


@lru_cache(REMEMBERED)
def _digest(path: Path, *_changes: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()
