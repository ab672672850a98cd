"""Graphs side by side: a bounded number is open, each is forgotten, failures stay apart."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from open_graphs import Graphs, run
from pydra.engine.workflow import Workflow

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # event loops that pydra leaves open


def test_no_more_graphs_are_open_than_allowed_and_none_is_kept(tmp_path: Path) -> None:
    graphs, home = Graphs(dict.fromkeys("abcde", "no")), os.getcwd()
    assert run(tmp_path / "cache", graphs, 2, graphs.around) == {}
    assert len(graphs.jobs) == 5 and graphs.most == 2
    gc.collect()
    assert [job() for job in graphs.jobs] == [None] * 5
    assert not Workflow._constructed_cache
    assert os.getcwd() == home


def test_a_graph_that_fails_or_cannot_be_made_leaves_the_others_alone(tmp_path: Path) -> None:
    graphs = Graphs({"a": "fails", "b": "no", "c": "raises", "d": "no"})
    errors = run(tmp_path / "cache", graphs, 1, graphs.around)
    assert sorted(errors) == ["a", "c"] and len(graphs.jobs) == 2
    assert "no 2 today" in str(errors["a"]) and str(errors["c"]) == "no such graph"
