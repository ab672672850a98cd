"""A worker that has dask.distributed do the work: on this machine, or wherever its workers are.

A worker process changes its folder for a stage, and so has one thread. Where it is lost, dask gives its stage to
another one; a stage whose workers are lost again and again is given up, by name.

Pydra brings no such worker: ``test_there_is_no_worker_dask``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

import attrs
import cloudpickle as cp
from pydra.engine.job import Job  # before pydra.workers, which it imports in a circle
from pydra.workers import base

from ...config.option import SettingsError
from ...config.resources import Resources
from ...environment import ALLOCATOR, THREADS, prepare_environment, start_logging
from ...interfaces.files.images import write_text
from .cleaning import remove_unfinished
from .failures import NotStarted, StageKilled
from .journal import Journal
from .progress import Watch, nobody, stage_and_scan, watched
from .sweep import shared

CONNECT_SECONDS = 20


def work(pickled: bytes, driver: str, work_dir: str, threads: int, gpu_slots: int) -> None:
    """Run one of Pydra's jobs in a worker of dask, where its result is left in the cache.

    Parameters
    ----------
    pickled : bytes
        The job, from our own driver.
    driver : str
        Who has sent it.
    work_dir : str
    threads : int
        Of each stage.
    gpu_slots : int
        Stages on one GPU at a time.

    Raises
    ------
    SettingsError
        This worker runs several stages at once in one process.
    """
    from distributed import get_worker

    if (number := get_worker().state.nthreads) != 1:
        raise SettingsError(
            f"--worker dask: workers of one thread are required, {get_worker().address} has {number}: "
            "start them with --nthreads 1 (in dask-jobqueue: processes equal to cores)"
        )
    prepare_environment(Path(work_dir), threads, gpu_slots)
    start_logging()
    job: Job = cp.loads(pickled)
    mark = job.cache_dir.with_suffix(".dask")
    with shared(job.cache_root):
        if mark.exists() and mark.read_text(encoding="utf-8") == driver:
            # the worker that began this for the same driver is no more, and its lock may be of another machine
            remove_unfinished(job.cache_root, {job.checksum})
        write_text(driver, mark)
        try:
            job.run()
        finally:
            mark.unlink(missing_ok=True)


@attrs.define
class DaskWorker(base.Worker):
    """Runs jobs in the workers of dask.distributed."""

    _plugin_name = "gliomorph-dask"
    scheduler: str | None = attrs.field(kw_only=True)
    """Address of a running dask.distributed; None for workers on this machine."""
    resources: Resources = attrs.field(kw_only=True)
    processes: int = 1
    """Workers, where they are started on this machine."""
    watch: Watch = nobody
    """Takes the events of every stage."""
    journal: Journal | None = attrs.field(default=None, init=False, eq=False, repr=False)
    _driver: str = attrs.field(factory=lambda: secrets.token_hex(8), init=False)
    _cluster: Any = attrs.field(default=None, init=False, eq=False, repr=False)
    _client: Any = attrs.field(default=None, init=False, eq=False, repr=False)
    _order: dict[str, int] = attrs.field(factory=dict, init=False, eq=False, repr=False)
    _failed: bool = attrs.field(default=False, init=False)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return state | {"_cluster": None, "_client": None, "watch": None, "journal": None}

    async def submit(self, job: Job, rerun: bool = False) -> Any:
        """Open a graph here."""
        if self.journal is not None:
            self.journal.begin(job.checksum)
        return await super().submit(job, rerun)

    async def run(self, job: Job, rerun: bool = False) -> Any:
        """Run one job in some worker."""
        if self.resources.stop_on_first_crash and self._failed:
            raise NotStarted("not started: an earlier stage failed (--stop-on-first-crash)")
        try:
            with watched(job, self.watch):
                await self._in_worker(job)
        except Exception:
            self._failed = True
            raise

    async def _in_worker(self, job: Job) -> None:
        from distributed import KilledWorker

        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        future = self._open().submit(
            work,
            cp.dumps(job),
            self._driver,
            str(self.resources.work_dir),
            self.resources.threads(self.processes),
            self.resources.gpu_slots,
            key=f"{job.name}-{job.uid}",
            pure=False,
            # the first scans first, so that they are finished before others are begun
            priority=-self._order.setdefault(stage_and_scan(job)[1], len(self._order)),
        )
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
        await ended.wait()
        if future.status == "finished":
            return
        if future.status != "error":
            raise StageKilled(
                f"{job.name}: the dask scheduler is lost; its result is unknown ({future.status})"
            )
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise StageKilled(
                f"{job.name}: the dask workers that ran it were lost, the last one at "
                f"{error.last_worker.address}, most often for want of memory; give them more, or run fewer at once"
            ) from error
        raise error

    def _open(self) -> Any:
        if self._client is None:
            self._cluster, self._client = connected(self.scheduler, self.processes)
        return self._client

    def close(self) -> None:
        """Leave the scheduler; end the workers of this machine."""
        for each in (self._client, self._cluster):
            if each is not None:
                each.close()
        self._client = self._cluster = None

    def kill(self) -> None:
        """End the workers of this machine; elsewhere, what has begun is left to end by itself."""
        self.close()


def connected(scheduler: str | None, processes: int) -> tuple[Any, Any]:
    """A cluster on this machine, unless a scheduler is given, and the client.

    Raises
    ------
    SettingsError
        The scheduler does not answer.
    """
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            return None, Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SettingsError(f"--dask-scheduler {scheduler}: no answer ({error})") from error
    # what a process has to know before it imports anything; dask has its own defaults for some of these
    environment = {name: os.environ[name] for name in (*THREADS, *ALLOCATOR) if name in os.environ}
    with dask.config.set({"distributed.nanny.pre-spawn-environ": environment}):
        cluster = LocalCluster(
            n_workers=processes, threads_per_worker=1, memory_limit=None, dashboard_address=None
        )
    return cluster, Client(cluster, set_as_default=False)


def check_dask(scheduler: str | None) -> None:
    """Whether dask is installed and the scheduler answers.

    Raises
    ------
    SettingsError
    """
    try:
        import distributed  # noqa: F401 (only asked for)
    except ImportError as error:
        raise SettingsError("--worker dask: pip install 'gliomorph[dask]' is required") from error
    if scheduler is not None:
        with contextlib.closing(connected(scheduler, 0)[1]):
            pass
