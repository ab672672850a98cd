"""Graphs that are made one by one, and how they are run side by side."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trivial
from pydra.engine.job import Job  # before the others of pydra, which it imports in a circle

from gliomorph.workflows.engine.pool import PoolWorker
from gliomorph.workflows.engine.submission import Graph, run_side_by_side, submitting


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
