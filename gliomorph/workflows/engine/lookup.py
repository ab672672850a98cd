"""What graphs would have to compute, found without computing anything."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
from pydra.engine.job import Job  # before pydra.workers, which it imports in a circle
from pydra.workers import base

from .failures import NotStarted
from .journal import Journal
from .submission import Graph, run_side_by_side, submitting


def missing_stages(cache: Path, graphs: Iterable[tuple[str, Graph]]) -> dict[str, set[str]]:
    """Stages that have all that they need in the cache, but no result there themselves.

    Parameters
    ----------
    cache : Path
        Pydra's cache folder.
    graphs : iterable of (str, Graph)
        By scan.

    Returns
    -------
    missing : dict of str to set of str
        Names of the stages by scan, of scans that miss any.
    """
    worker = _Finder()
    with submitting(cache, worker) as submit:
        run_side_by_side(submit, graphs, 1, _forgotten)
    return worker.missing


@attrs.define
class _Finder(base.Worker):
    """Finds results, and refuses to compute those that are missing."""

    _plugin_name = "gliomorph-finder"
    missing: dict[str, set[str]] = attrs.field(factory=dict, init=False)
    journal: Journal | None = attrs.field(default=None, init=False)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return state | {"journal": None}

    async def run(self, job: Job, rerun: bool = False) -> Any:
        """The result of a job, read from the cache."""
        result = job.result()
        if result is None or result.errored:
            stage, _, scan = job.name.partition("@")
            self.missing.setdefault(scan, set()).add(stage)
            raise NotStarted(f"{job.name}: its result is not in the cache")
        job._cached_result = result
        return result

    def kill(self) -> None:
        """Nothing is begun."""


@contextlib.contextmanager
def _forgotten(job: Job) -> Iterator[None]:
    """Leave no folder of an incomplete graph behind: Pydra would take what was not computed for a failure."""
    try:
        yield
    except Exception:
        shutil.rmtree(job.cache_dir, ignore_errors=True)
        raise
