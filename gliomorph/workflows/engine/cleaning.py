"""A work directory that stays small: a scan's intermediate results go as soon as it is published.

Pydra's cache only grows: ``test_the_cache_keeps_the_stages_of_a_graph_that_is_done``.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs
from pydra.engine.job import Job


@attrs.define
class Cleaning:
    """Removes the folders of finished graphs' stages.

    Equal stages of two scans (an image that is there twice) are one to Pydra: their folder stays while another open
    graph has it.
    """

    _open: list[Job] = attrs.field(factory=list, init=False)

    @contextlib.contextmanager
    def around(self, job: Job) -> Iterator[None]:
        """Hold a graph while it runs, then remove its stages; what one that fails has done stays for the next run."""
        self._open.append(job)
        try:
            yield
        finally:
            self._open.remove(job)
        shared = {folder for other in self._open for folder in folders_of(other)}
        for folder in folders_of(job) - shared:
            shutil.rmtree(folder, ignore_errors=True)


def folders_of(job: Job) -> set[Path]:
    """Folders of a graph's stages that have begun; none where Pydra has not opened the graph in this process."""
    graph = job.return_values.get("exec_graph")
    return {
        stage.cache_dir for node in (graph.nodes if graph else ()) for stage in (node._tasks or {}).values()
    }


def remove_unfinished(cache: Path, keys: set[str]) -> None:
    """Remove locks and half-made folders that a job which is no more has left in the cache.

    ``test_old_locks_without_owner_or_of_another_machine_are_waited_for``.
    """
    for key in keys:
        for lock in (cache / f"{key}.lock", cache / f"{key}_save.lock"):
            lock.unlink(missing_ok=True)
        folder = cache / key
        if folder.is_dir() and not (folder / "_result.pklz").exists():
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
