"""Graphs side by side: a bounded number is open, each is forgotten, failures stay apart."""

from __future__ import annotations

import contextlib
import gc
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle as cp
import pytest
import trivial
from pydra.engine.job import Job  # before the others of pydra, which it imports in a circle
from pydra.engine.workflow import Workflow

from gliomorph.workflows.engine.cleaning import Cleaning
from gliomorph.workflows.engine.pool import PoolWorker
from gliomorph.workflows.engine.submission import Graph, run_side_by_side, submitting

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # event loops that pydra leaves open


class Graphs:
    """Chains of :mod:`trivial`, and how many were open when each was made."""

    def __init__(self, bad: dict[str, str]) -> None:
        self.bad, self.open, self.most = bad, 0, 0
        self.jobs: list[weakref.ref[Job]] = []

    def __iter__(self) -> Iterator[tuple[str, Graph]]:
        for number, (name, bad) in enumerate(self.bad.items()):
            yield name, lambda number=number, name=name, bad=bad: self.make(number, name, bad)

    def make(self, number: int, name: str, bad: str) -> Any:
        self.open += 1
        self.most = max(self.most, self.open)
        if bad == "raises":
            raise ValueError("no such graph")
        return trivial.Chain(number=3**number, scan=name, bad=bad, marker="")

    @contextlib.contextmanager
    def around(self, job: Job) -> Iterator[None]:
        yield
        self.open -= 1
        self.jobs.append(weakref.ref(job))


def run(cache: Path, graphs: Any, at_once: int, around: Any) -> dict[str, Exception]:
    worker = PoolWorker(n_procs=1)
    with submitting(cache, worker) as submit:
        return run_side_by_side(submit, graphs, at_once, around)


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
