"""Which worker runs the graphs, by the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from ...config.settings import Settings
from .dask_worker import DaskWorker
from .pool import PoolWorker
from .slurm.folder import live_folders
from .slurm.worker import SlurmWorker

NOBODY: Mapping[str, str] = {}


def make_worker(
    settings: Settings,
    processes: int,
    console: Console,
    watch: Callable[[str, Any, BaseException | None], None],
    runs: Mapping[str, str] = NOBODY,
) -> PoolWorker | SlurmWorker | DaskWorker:
    """The worker that was asked for.

    Parameters
    ----------
    settings : Settings
    processes : int
        At once, where they are on this machine.
    console : Console
        Where notices go.
    watch : callable
        As for :class:`~.worker.PoolWorker`.
    runs : mapping of str to str
        By scan, the run whose id is in its graph.

    Returns
    -------
    worker : PoolWorker, SlurmWorker or DaskWorker
    """
    if settings.worker == "slurm":

        def say(text: str) -> None:
            console.print(f"[yellow]notice[/yellow] {escape(text)}", highlight=False, soft_wrap=True)

        return SlurmWorker(settings=settings, watch=watch, say=say, runs=runs)
    if settings.worker == "dask":
        return DaskWorker(settings=settings, processes=processes, watch=watch)
    return PoolWorker(
        n_procs=processes,
        watch=watch,
        stop_on_failure=settings.stop_on_first_crash,
    )


def describe_worker(settings: Settings, scans: int) -> str:
    """Where the scans of a run will be worked on, in a few words."""
    if settings.worker == "slurm":
        what = f"one Slurm job a {settings.slurm_jobs}"
        return f"{what}, of {settings.nprocs} CPUs and {settings.mem_gb:.1f} GB unless said otherwise"
    if settings.worker == "dask" and settings.dask_scheduler:
        return f"dask workers of {settings.dask_scheduler}"
    return f"{settings.processes(scans)} processes of {settings.threads(scans)} threads"


def taken_over(cache: Path) -> dict[str, str]:
    """Runs whose Slurm jobs still wait or run, by scan: a graph with the same run's id finds these jobs.

    Raises
    ------
    SlurmError
        Slurm cannot be asked.
    """
    return {record.scan: record.run for _, record in live_folders(cache) if record.run}
