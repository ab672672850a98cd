"""Intermediate results go when every scan that may need them is done."""

from __future__ import annotations

from pathlib import Path

import cloudpickle as cp
import pytest
import trivial
from open_graphs import Graphs, run

from gliomorph.workflows.engine.cleaning import Cleaning

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # event loops that pydra leaves open


def test_stages_of_what_succeeded_are_removed_and_those_of_what_failed_stay(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    errors = run(cache, Graphs({"a": "no", "b": "fails", "c": "no"}), 2, Cleaning().around)
    assert list(errors) == ["b"]
    (kept,) = (path for path in cache.glob("python-*") if not (path / "_error.pklz").exists())
    assert cp.loads((kept / "_result.pklz").read_bytes()).outputs.out == 2 * 3


def test_a_stage_that_two_scans_share_stays_until_both_are_done(tmp_path: Path) -> None:
    """Else the later one would look for files that are gone."""
    graphs = [
        (name, lambda name=name: trivial.Chain(number=4, scan=name, bad="no", marker="")) for name in "ab"
    ]
    assert run(tmp_path / "cache", graphs, 2, Cleaning().around) == {}
    assert list((tmp_path / "cache").glob("python-*")) == []
