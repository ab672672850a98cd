"""One run in a process of its own, and what that process spent; its worker processes are not counted."""

from __future__ import annotations

import contextlib
import cProfile
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
from rich.console import Console

from gliomorph.config.settings import Settings
from gliomorph.environment import prepare_environment
from gliomorph.workflows import run
from gliomorph.workflows.checks import validation
from gliomorph.workflows.checks.validation import check_folders
from gliomorph.workflows.scan import graph as scan_graph

PHASES = {"plan": (run, "plan_scans"), "sweep": (run, "swept"), "scans": (run, "run_participants")}
"""Functions whose time is taken: the plan (query, hashes, records), the sweep of the cache, the scans."""


@attrs.frozen(kw_only=True)
class Spent:
    """What a run took.

    Attributes
    ----------
    code : int
        Its exit code.
    seconds : float
        In all, imports not counted.
    wall, cpu : dict of str to float
        Seconds of each of :data:`PHASES`, on the clock and of this process' own work.
    peak_gb : float
        Resident memory of the driver.
    """

    code: int
    seconds: float
    wall: dict[str, float]
    cpu: dict[str, float]
    peak_gb: float


def drive(settings: Settings, profile: Path | None = None) -> Spent:
    """Run the participant level with stages without work, in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as alone:
        return alone.submit(_drive, settings, profile).result()


def _drive(settings: Settings, profile: Path | None) -> Spent:
    from .stages import WITHOUT_WORK

    wall, cpu = dict.fromkeys(PHASES, 0.0), dict.fromkeys(PHASES, 0.0)

    @contextlib.contextmanager
    def clock(phase: str) -> Iterator[None]:
        start, used = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            wall[phase] += time.perf_counter() - start
            cpu[phase] += time.process_time() - used

    def timed(phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            with clock(phase):
                return function(*args, **options)

        return call

    @contextlib.contextmanager
    def timed_entry(manager: Any) -> Iterator[Any]:
        with contextlib.ExitStack() as stack:
            with clock("sweep"):
                entered = stack.enter_context(manager)
            yield entered

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.multiple(scan_graph, **WITHOUT_WORK))
        # the room that real scans would take is not needed
        stack.enter_context(mock.patch.object(validation, "check_disk", lambda *_: ""))
        for phase in ("plan", "scans"):
            module, name = PHASES[phase]
            stack.enter_context(mock.patch.object(module, name, timed(phase, getattr(module, name))))
        module, name = PHASES["sweep"]
        real = getattr(module, name)
        stack.enter_context(
            mock.patch.object(module, name, lambda *args, **options: timed_entry(real(*args, **options)))
        )
        profiler = stack.enter_context(cProfile.Profile()) if profile else None
        check_folders(settings.output_dir, settings.resources.work_dir)
        prepare_environment(settings.resources.work_dir, settings.resources.threads(1))
        start = time.perf_counter()
        code = run.run(settings, ["gliomorph"], Console(quiet=True))
        seconds = time.perf_counter() - start
    if profiler and profile:
        profiler.dump_stats(profile)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return Spent(code=code, seconds=seconds, wall=wall, cpu=cpu, peak_gb=peak_gb)
