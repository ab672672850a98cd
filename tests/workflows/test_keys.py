"""What counts as done."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from gliomorph.interfaces.derivatives.records import all_outputs_exist, is_complete
from gliomorph.interfaces.files.checksums import content_hash
from gliomorph.workflows.keys import code_hash, code_key, key_of


def test_hash_is_of_the_content_whatever_the_name(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one block of 1 MiB
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(content)
    assert content_hash(tmp_path / "a") == content_hash(tmp_path / "b") == hashlib.sha256(content).hexdigest()
    assert content_hash(None) == ""


def test_key_changes_with_every_value_and_not_with_their_order() -> None:
    assert key_of(a=1, b="x") == key_of(b="x", a=1)
    assert (
        len({key_of(a=1, b="x"), key_of(a=2, b="x"), key_of(a=1, b="y"), key_of(a=1), key_of(a="1", b="x")})
        == 5
    )


def test_key_of_a_result_depends_on_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_key("inputs")
    assert before != code_key("other inputs")
    monkeypatch.setattr("gliomorph.workflows.keys.code_hash", lambda: "other code")
    assert code_key("inputs") != before


def test_code_hash_covers_what_computes_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "interfaces/a.py",
        "models/weights/w.safetensors",
        "workflows/b.py",
        "models/__pycache__/c.pyc",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    monkeypatch.setattr("gliomorph.__file__", str(tmp_path / "__init__.py"))

    def now() -> str:
        code_hash.cache_clear()
        return code_hash()

    try:
        before = now()
        for name in ("workflows/b.py", "models/__pycache__/c.pyc"):
            (tmp_path / name).write_text("2")
        assert now() == before
        seen = {before}
        for name in ("interfaces/a.py", "models/weights/w.safetensors"):
            (tmp_path / name).write_text("2")
            seen.add(now())
        (tmp_path / "interfaces/a.py").rename(tmp_path / "interfaces/z.py")
        seen.add(now())
        assert len(seen) == 4
    finally:
        code_hash.cache_clear()


@pytest.fixture
def record(tmp_path: Path) -> Path:
    for name in ("a.nii.gz", "b.json"):
        (tmp_path / name).write_text("x")
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"key": "k", "outputs": ["a.nii.gz", "b.json"]}))
    return path


def test_complete_with_all_files_and_the_key(record: Path) -> None:
    assert is_complete(record.parent, record, "k")
    assert not is_complete(record.parent, record, "other")


@pytest.mark.parametrize("damage", ["missing", "empty", "no record", "half a record", "a list"])
def test_incomplete_after_any_damage(record: Path, damage: str) -> None:
    if damage == "missing":
        (record.parent / "b.json").unlink()
    elif damage == "empty":
        (record.parent / "a.nii.gz").write_text("")
    elif damage == "no record":
        record.unlink()
    else:
        record.write_text(record.read_text()[:20] if damage == "half a record" else "[1]")
    assert not is_complete(record.parent, record, "k")


@pytest.mark.parametrize("outputs", [None, [], "a.nii.gz"])
def test_record_without_a_list_of_outputs_is_no_proof(tmp_path: Path, outputs: Any) -> None:
    (tmp_path / "a.nii.gz").write_text("x")
    assert not all_outputs_exist(tmp_path, {"outputs": outputs})
