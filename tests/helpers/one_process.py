"""Stages that run where they are submitted: a child of the pool imports for seconds before it works."""

from __future__ import annotations

from typing import Any

from gliomorph.workflows.engine.pool import PoolWorker
from gliomorph.workflows.engine.progress import watched


async def in_this_process(self: PoolWorker, job: Any, rerun: bool = False) -> Any:
    """In place of :meth:`PoolWorker.run`."""
    with watched(job, self.watch):
        return job.run(rerun=rerun)
