"""A worker that has Slurm do the work: one job for each scan, or whatever else is submitted.

The driver only submits, asks for all jobs at once now and then, and reports; it may die: jobs go on, and the next
driver takes over those that still wait or run. Whether a job has done its work is judged by its result on disk.

Pydra's own worker needs ``sacct`` and requeues what a user cancels, for ever:
``test_worker_slurm_asks_an_accounting_daemon_and_requeues_cancelled_jobs``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from pydra.engine.job import Job  # before pydra.workers, which it imports in a circle
from pydra.engine.result import load_result
from pydra.workers import base

from ....config.cluster import Cluster
from ....config.resources import Resources
from ..failures import Elsewhere, NotStarted, StageFailed
from ..journal import Journal
from ..progress import StageEvent, Watch, nobody
from . import commands as slurm
from .folder import FOLDER, JobFolder, Record

RESULT_SECONDS = 30
"""How long the result of a completed job may take to show on this machine's view of a shared file system."""


class JobFailed(RuntimeError):
    """A Slurm job that ended without its result: the message has its state and what to do."""


@attrs.define(eq=False)
class _Attempt:
    """A job that is waited for."""

    job: str
    folder: JobFolder
    ended: asyncio.Future[str]
    read: int = 0
    failure: BaseException | None = None


@attrs.define
class SlurmWorker(base.Worker):
    """Runs everything that is submitted as one Slurm job, with the stages in it."""

    _plugin_name = "gliomorph-slurm"
    cluster: Cluster = attrs.field(kw_only=True)
    resources: Resources = attrs.field(kw_only=True)
    """Resources and options of the jobs."""
    watch: Watch = nobody
    """Takes the events of every stage."""
    say: Callable[[str], None] = attrs.field(default=lambda _: None)
    """Called with what the user should know."""
    runs: Mapping[str, str] = attrs.field(factory=dict)
    """By scan, the run whose id is in its graph."""
    journal: Journal | None = attrs.field(default=None, init=False, eq=False, repr=False)
    _waiting: dict[str, _Attempt] = attrs.field(factory=dict, init=False, eq=False, repr=False)
    _names: set[str] = attrs.field(factory=set, init=False, eq=False, repr=False)
    _live: dict[str, str] | None = attrs.field(default=None, init=False, eq=False, repr=False)
    _tasks: dict[str, Any] = attrs.field(factory=dict, init=False, eq=False, repr=False)
    _failed: bool = attrs.field(default=False, init=False)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return state | {
            "_waiting": {},
            "_tasks": {},
            "_live": None,
            "watch": None,
            "say": None,
            "journal": None,
        }

    @property
    def stopping(self) -> bool:
        """Whether nothing more is started."""
        return self.resources.stop_on_first_crash and self._failed

    async def submit(self, job: Job, rerun: bool = False) -> Any:
        """Hand a graph to Slurm as a whole: it is opened where the job runs."""
        return await self.run(job, rerun)

    async def run(self, job: Job, rerun: bool = False) -> Any:
        """Wait for the result of a job, of an earlier driver's where there is one."""
        try:
            await self._through_slurm(job)
        except Exception as error:
            self._fail(job, error)
            raise
        return load_result(job.checksum, [job.cache_root])

    def _fail(self, job: Job, error: Exception) -> None:
        self._failed = True
        if not isinstance(error, StageFailed):  # which the job itself has reported
            scan = self._record(job).scan
            self.watch(StageEvent(kind="failed", stage="Slurm job", scan=scan, error=error))
        if self.stopping:
            with contextlib.suppress(
                slurm.SlurmError
            ):  # those that go on all the same are reported as they end
                slurm.cancel(self._waiting, waiting_only=True)

    async def _through_slurm(self, job: Job) -> None:
        if _has_result(job):
            return
        folder = JobFolder(job.cache_root / FOLDER / job.checksum)
        attempt = await self._taken_over(folder, job) or await self._submitted(folder, job)
        for again in (self.cluster.requeue, False):
            state = await attempt.ended
            folder.forget()
            if await _shows_result(job, state):
                folder.remove()
                return
            if self.stopping:
                raise NotStarted("not run: an earlier one failed (--stop-on-first-crash)")
            if attempt.failure is not None:
                raise attempt.failure
            if not (again and state in slurm.TAKEN_AWAY):
                break
            self.say(f"{job.name}: Slurm job {attempt.job} is {state}; it is submitted once more")
            attempt = await self._submitted(folder, job)
        raise await asyncio.to_thread(_job_failure, attempt, state, self.cluster.requeue)

    async def _taken_over(self, folder: JobFolder, job: Job) -> _Attempt | None:
        """The job of an earlier driver that still waits or runs, by its id or, where that was not written, by name."""
        async with self._tasks.setdefault("asking", asyncio.Lock()):
            if self._live is None:
                self._live = await asyncio.to_thread(slurm.live_jobs_by_name)
        record = self._record(job)
        known = self._live.get(record.name)
        if known is None:
            return None
        self.say(f"{job.name}: Slurm job {known} of an earlier run is waited for")
        return self._follow(known, folder, record)

    async def _submitted(self, folder: JobFolder, job: Job) -> _Attempt:
        if self.stopping:
            raise NotStarted("not started: an earlier one failed (--stop-on-first-crash)")
        script = await asyncio.to_thread(folder.prepare, job.task, self.resources, job.name)
        arguments = sbatch_arguments(self.cluster, self.resources)
        record = self._record(job)
        # before it is submitted: a driver that dies in between leaves a job that can be found by its name
        folder.remember(record)
        self._names.add(record.name)
        while True:
            async with self._tasks.setdefault("submitting", asyncio.Lock()):
                try:
                    known = await asyncio.to_thread(slurm.submit, script, record.name, folder.path, arguments)
                    return self._follow(known, folder, record)
                except slurm.SlurmError as error:
                    # as many as a user may have: the next one when another has ended
                    if "limit" not in str(error).lower() or not self._waiting:
                        raise JobFailed(f"not submitted: {error}") from error
            await asyncio.sleep(self._interval())

    def _record(self, job: Job) -> Record:
        digest = hashlib.sha256(f"{job.cache_root}\0{job.checksum}".encode()).hexdigest()
        # readable, and of this task in this work directory only
        record = Record(name=slurm.job_name(f"gliomorph-{job.name}-{digest[:12]}"), node=job.name)
        return attrs.evolve(record, run=self.runs.get(record.scan, ""))

    def _follow(self, known: str, folder: JobFolder, record: Record) -> _Attempt:
        folder.remember(attrs.evolve(record, job=known))
        self._names.add(record.name)
        attempt = _Attempt(known, folder, asyncio.get_running_loop().create_future())
        self._waiting[known] = attempt
        poll = self._tasks.get("poll")
        if poll is None or poll.done():
            self._tasks["poll"] = asyncio.create_task(self._poll())
        return attempt

    def _interval(self) -> float:
        """Seconds between two questions: the more jobs, the fewer questions."""
        return min(30.0, max(2.0, len(self._waiting) / 20))

    async def _poll(self) -> None:
        """Ask for all jobs at once until none is waited for; while Slurm does not answer, nothing is concluded."""
        silent = False
        while self._waiting:
            await asyncio.sleep(self._interval())
            asked = list(self._waiting)
            try:
                known = await asyncio.to_thread(slurm.states, asked)
            except slurm.SlurmError as error:
                if not silent:
                    self.say(f"Slurm does not answer, it is asked again: {error}")
                silent = True
                continue
            silent = False
            for job in asked:
                self._look_at(self._waiting[job], known.get(job, slurm.FORGOTTEN))

    def _look_at(self, attempt: _Attempt, state: str) -> None:
        """Pass on what a job has reported; wake up who waits for it if it is over."""
        try:
            self._replay(attempt)
        except Exception as error:  # nobody else would hear of it, and all would wait for ever
            del self._waiting[attempt.job]
            attempt.ended.set_exception(error)
            return
        if not slurm.is_live(state):
            del self._waiting[attempt.job]
            if not attempt.ended.done():
                attempt.ended.set_result(state)

    def _replay(self, attempt: _Attempt) -> None:
        """Pass on what a job has reported of its stages since the last time."""
        events, attempt.read = attempt.folder.events(attempt.job, attempt.read)
        for event in events:
            attempt.failure = attempt.failure or event.error
            self.watch(event)

    def kill(self) -> None:
        """Cancel all jobs of this driver, also one whose id has not come back yet."""
        try:
            ours = {job for name, job in slurm.live_jobs_by_name().items() if name in self._names}
            slurm.cancel(ours)
        except slurm.SlurmError as error:
            left = ", ".join(self._waiting) or "none is known"
            self.say(f"Slurm jobs may go on ({left}), they could not be cancelled: {error}")
            return
        if ours:
            self.say(f"{len(ours)} Slurm job{'s' * (len(ours) != 1)} cancelled")


def sbatch_arguments(cluster: Cluster, resources: Resources) -> list[str]:
    """Arguments of ``sbatch``; of two that contradict each other the later one counts."""
    given = shlex.split(cluster.slurm_args)
    words = ["--no-requeue"] if not cluster.requeue else []
    words.append(f"--cpus-per-task={resources.nprocs}")
    if not any(word.startswith(("--mem", "--exclusive")) for word in given):
        words.append(f"--mem={round(resources.mem_gb * 1000)}M")
    return [*words, *given]


def _has_result(job: Job) -> bool:
    result = load_result(job.checksum, [job.cache_root])
    return result is not None and not result.errored and result.outputs is not None


async def _shows_result(job: Job, state: str) -> bool:
    """Whether a job that ended has left its result, which may come late to this machine."""
    for _ in range(RESULT_SECONDS if state == "COMPLETED" else 1):
        if _has_result(job):
            return True
        await asyncio.sleep(1)
    return False


WAYS_OUT = {
    "TIMEOUT": "it reached its time limit: give more with --slurm-args='--time=…'",
    "DEADLINE": "its deadline passed: give another with --slurm-args='--deadline=…'",
    "OUT_OF_MEMORY": "it ran out of memory: give more with --mem",
    "CANCELLED": "it was cancelled",
    "PREEMPTED": "jobs of higher priority took its place",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node did not start",
    slurm.FORGOTTEN: "Slurm does not know it any more, and it left no result",
    "COMPLETED": "it ended without a result",
}


def _job_failure(attempt: _Attempt, state: str, requeue: bool) -> JobFailed:
    """State, exit code, last words and what to do."""
    code = slurm.ending(attempt.job).exit_code
    words = attempt.folder.last_words(attempt.job)
    parts = [
        f"Slurm job {attempt.job} is {state}" + (f" (exit code {code})" if code not in ("", "0:0") else "")
    ]
    if state in WAYS_OUT:
        parts.append(WAYS_OUT[state] + (" twice" if requeue and state in slurm.TAKEN_AWAY else ""))
    if words:
        parts.append(f"its last words: {words[-1]}")
    error = JobFailed("; ".join([*parts, f"its log: {attempt.folder.log_file(attempt.job)}"]))
    error.__cause__ = Elsewhere("\n".join(words) + "\n")
    return error
