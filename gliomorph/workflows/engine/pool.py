"""A worker for one machine: spawned processes that survive each other.

Children are spawned, not forked (torch deadlocks in a forked child), ignore Ctrl-C and end with their parent.
Where one is killed, every job of the pool fails with it: each of them is then run again, alone, so that the
culprit is found out and the others go on.

Pydra's own worker ``cf`` forks and loses all jobs with one child: ``test_worker_cf_forks`` and
``test_a_killed_child_fails_the_other_jobs_of_worker_cf``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import contextlib
import ctypes
import multiprocessing as mp
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import cloudpickle as cp
from pydra.engine.job import Job  # before pydra.workers, which it imports in a circle
from pydra.workers import base
from pydra.workers.cf import ConcurrentFuturesWorker

from ...environment import collect_rarely, start_logging
from .failures import NotStarted, StageKilled
from .journal import Journal
from .progress import Watch, nobody, watched

UNSIGNED_SECONDS = 0.5


def remove_unsigned_locks(folder: Path) -> None:
    """Remove locks that nobody can own.

    A lock is signed with its process a moment after it is made, and one of a dead process is broken by filelock.
    A child that is killed in that moment (a broken pool ends all its children) leaves an empty one, for which
    Pydra would wait for ever: ``test_old_locks_without_owner_or_of_another_machine_are_waited_for``.
    """
    for lock in folder.glob("*.lock"):
        with contextlib.suppress(FileNotFoundError):
            stat = lock.stat()
            if not stat.st_size and time.time() - stat.st_mtime > UNSIGNED_SECONDS / 2:
                lock.unlink()


@contextlib.contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that are started in the block hold back Ctrl-C: it would end their imports with a traceback."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_child(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no orphan goes on computing
    if os.getppid() != parent:
        os._exit(1)
    collect_rarely()
    start_logging()


@attrs.define
class PoolWorker(base.Worker):
    """Runs jobs in spawned processes."""

    _plugin_name = "gliomorph-pool"
    n_procs: int = 1
    """Processes."""
    watch: Watch = nobody
    """Takes the events of every stage."""
    stop_on_failure: bool = False
    """Start nothing more after the first failure."""
    journal: Journal | None = attrs.field(default=None, init=False, eq=False, repr=False)
    _pool: Any = attrs.field(default=None, init=False, eq=False, repr=False)
    _gates: dict[str, Any] = attrs.field(factory=dict, init=False, eq=False, repr=False)
    _failed: bool = attrs.field(default=False, init=False)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return state | {"_pool": None, "_gates": {}, "watch": None, "journal": None}

    async def submit(self, job: Job, rerun: bool = False) -> Any:
        """Open a scan's graph, or run one job."""
        if not job.is_async:
            return await super().submit(job, rerun)
        if self.stop_on_failure and self._failed:
            raise NotStarted("not started: an earlier scan failed (--stop-on-first-crash)")
        with self._in_journal(job):
            return await super().submit(job, rerun)

    @contextlib.contextmanager
    def _in_journal(self, job: Job) -> Iterator[None]:
        """Note in the journal what the block does: begun, and ended unless it is interrupted."""
        if self.journal is not None:
            self.journal.begin(job.checksum)
        yield
        if self.journal is not None:
            self.journal.end(job.checksum)

    async def run(self, job: Job, rerun: bool = False) -> Any:
        """Run one job in a child; a broken pool is replaced and its jobs are tried once more, one by one."""
        slots = self._gates.setdefault("slots", asyncio.Semaphore(self.n_procs))
        async with slots:
            if self.stop_on_failure and self._failed:
                raise NotStarted("not started: an earlier stage failed (--stop-on-first-crash)")
            try:
                with watched(job, self.watch), self._in_journal(job):
                    result = await self._run_twice(job, rerun)
            except Exception:
                self._failed = True
                raise
            # what is connected to the job would read its file again, for every input:
            # test_results_are_read_from_disk_for_every_input_that_takes_them
            job._cached_result = result
            return result

    async def _run_twice(self, job: Job, rerun: bool) -> Any:
        pool, pickled = self._open_pool(), cp.dumps(job)
        try:
            return await self._in_child(pool, pickled, rerun)
        except cf.BrokenExecutor:
            self._drop(pool)
        async with self._gates.setdefault("alone", asyncio.Lock()):
            await asyncio.sleep(UNSIGNED_SECONDS)
            remove_unsigned_locks(job.lockfile.parent)
            if hashes := os.environ.get("PYDRA_HASH_CACHE"):
                remove_unsigned_locks(Path(hashes))
            with cf.ProcessPoolExecutor(1, **self._children()) as alone:
                try:
                    return await self._in_child(alone, pickled, rerun)
                except cf.BrokenExecutor:
                    raise StageKilled(
                        f"{job.name}: its process was killed twice, most often for want of memory; "
                        "give fewer --nprocs or more memory"
                    ) from None

    async def _in_child(self, pool: Any, pickled: bytes, rerun: bool) -> Any:
        try:
            with deaf_to_ctrl_c():  # the first jobs start the processes
                future = pool.submit(ConcurrentFuturesWorker.uncloudpickle_and_run, pickled, rerun)
        except (
            OSError,
            RuntimeError,
        ) as error:  # a pool that breaks at this moment: its pipe is closed already
            raise cf.BrokenExecutor(str(error)) from error
        return await asyncio.wrap_future(future, loop=self.loop)

    def _children(self) -> dict[str, Any]:
        return {
            "mp_context": mp.get_context("spawn"),
            "initializer": _start_child,
            "initargs": (os.getpid(),),
        }

    def _open_pool(self) -> Any:
        if self._pool is None:
            self._pool = cf.ProcessPoolExecutor(self.n_procs, **self._children())
        return self._pool

    def _drop(self, pool: Any) -> None:
        if self._pool is pool:
            self._pool = None
        pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the children."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def kill(self) -> None:
        """End the children at once, whatever they do."""
        if self._pool is None:
            return
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool.shutdown(cancel_futures=True)
