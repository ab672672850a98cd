"""Processes share out files of tests so that what several of them need is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

scheduling = pytest.importorskip("scheduling", reason="pip install pytest-xdist")

TESTS = Path(__file__).parent


def test_files_that_ask_for_the_same_fixtures_are_known_by_them() -> None:
    files = {path: scheduling.fixtures_of(path) for path in TESTS.rglob("test_*.py")}
    whole = TESTS / "end_to_end"
    assert files[whole / "test_end_to_end.py"] == files[whole / "test_end_to_end_again.py"] == "run_fixtures"
    assert files[whole / "test_end_to_end_keys.py"] == ""
    asking = [path for path in TESTS.rglob("test_*.py") if "\npytest_plugins" in path.read_text()]
    assert set(asking) == {path for path, fixtures in files.items() if fixtures}
