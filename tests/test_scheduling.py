"""Processes share out files of tests so that what several of them need is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

scheduling = pytest.importorskip("scheduling", reason="pip install pytest-xdist")

TESTS = Path(__file__).parent


def test_files_that_ask_for_the_same_fixtures_are_known_by_them() -> None:
    files = {path.stem: scheduling.fixtures_of(path) for path in TESTS.rglob("test_*.py")}
    assert files["test_end_to_end"] == files["test_end_to_end_again"] == "run_fixtures"
    assert files["test_end_to_end_keys"] == ""
    asking = [path for path in TESTS.rglob("test_*.py") if "\npytest_plugins" in path.read_text()]
    assert {path.stem for path in asking} == {name for name, fixtures in files.items() if fixtures}
