"""JSON files that may be anyone's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gliomorph.interfaces.files.sidecars import read_object


@pytest.mark.parametrize(
    ("content", "found"), [('{"a": 1}', {"a": 1}), ("[1]", {}), ("{", {}), ("", {}), (None, {})]
)
def test_file_that_holds_no_object_is_empty(
    tmp_path: Path, content: str | None, found: dict[str, Any]
) -> None:
    path = tmp_path / "x_registration.json"
    if content is not None:
        path.write_text(content)
    assert read_object(path) == found


def test_file_in_another_encoding_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "x_registration.json"
    path.write_bytes(b'{"a": "\xff"}')
    assert read_object(path) == {}
