"""SHA-256 checksums of files."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

from .folders import missing_content


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_hash(path: Path | None) -> str:
    """sha256 of a file's bytes; of nothing, an empty string.

    Raises
    ------
    OSError
        There is no such file, it cannot be read, its content was not fetched, or it is a pipe or a device, which have
        no end.
    """
    if path is None:
        return ""
    if reason := missing_content(path):
        raise OSError(errno.ENODATA, reason, str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "a file is required, this is a folder, a pipe or a device", str(path))
    return sha256_of(path)
