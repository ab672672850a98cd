"""Keys of results."""

from __future__ import annotations

import ast
import hashlib
import shutil
from functools import cache
from pathlib import Path

import pytest

import gliomorph
from gliomorph.interfaces import sources
from gliomorph.interfaces.files.checksums import content_hash
from gliomorph.workflows.keys import code_key, group_code, key_of, page_code, scan_code, sums_code


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
    monkeypatch.setattr("gliomorph.workflows.keys.scan_code", lambda: "other code")
    assert code_key("inputs") != before


CODES = {"scan": scan_code, "page": page_code, "sums": sums_code, "group": group_code}
TOUCHED = {
    "interfaces/scan/n4.py": {"scan"},
    "interfaces/files/images.py": {"scan", "page", "sums", "group"},
    "workflows/scan/graph.py": {"scan"},
    "interfaces/reports/html/scan.html.j2": {"page"},
    "interfaces/reports/html/style.html.j2": {"page", "group"},
    "interfaces/reports/html/cohort.html.j2": {"group"},
    "interfaces/reports/html/comparison.html.j2": set(),
    "interfaces/reports/scan/report.py": {"page"},
    "interfaces/derivatives/publish.py": {"page"},
    "interfaces/group/atlas/maps.py": {"sums", "group"},
    "interfaces/reports/group/report.py": {"group"},
    "workflows/group/run.py": {"group"},
    "workflows/engine/sweep.py": set(),
    "training/passes.py": set(),
    "evaluation/study.py": set(),
    "cli/run.py": set(),
    "__init__.py": set(),
    "models/weights/student-T1w.safetensors": set(),
    "models/weights/student-T1w.json": set(),
}


def codes(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """All hashes of a package that lies in ``root``."""
    monkeypatch.setattr(sources, "ROOT", root)
    read = (sources.code_of, sources.used_by, sources.file_of)
    for function in read:
        function.cache_clear()
    try:
        return {name: code() for name, code in CODES.items()}
    finally:
        for function in read:
            function.cache_clear()


def test_each_hash_covers_its_own_code_wherever_the_package_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources.ast, "parse", cache(ast.parse))  # one file changes, and hundreds do not
    source = Path(gliomorph.__file__).parent
    before = codes(source, monkeypatch)
    copy = shutil.copytree(source, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    assert codes(copy, monkeypatch) == before
    for name, expected in TOUCHED.items():
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content + b"\n")
        after = codes(copy, monkeypatch)
        assert {code for code in CODES if after[code] != before[code]} == expected, name
        (copy / name).write_bytes(content)
