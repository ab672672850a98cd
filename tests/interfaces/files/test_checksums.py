"""The checksum of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gliomorph.interfaces.files.checksums import sha256_of


@pytest.mark.parametrize(
    ("content", "begins"), [(b"", "e3b0c44298fc1c14"), (b"abc", "ba7816bf8f01cfea")], ids=["empty", "abc"]
)
def test_it_is_the_published_value(content: bytes, begins: str, tmp_path: Path) -> None:
    """The examples are FIPS 180's."""
    (tmp_path / "file").write_bytes(content)
    found = sha256_of(tmp_path / "file")
    assert (found[:16], len(found)) == (begins, 64)
