"""Which worker runs the graphs, by the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ...config.cluster import Cluster
from ...config.resources import Resources
from .dask_worker import DaskWorker
from .pool import PoolWorker
from .progress import Watch
from .slurm.folder import live_folders
from .slurm.worker import SlurmWorker

NOBODY: Mapping[str, str] = {}


def make_worker(
    cluster: Cluster,
    resources: Resources,
    processes: int,
    console: Console,
    watch: Watch,
    runs: Mapping[str, str] = NOBODY,
) -> PoolWorker | SlurmWorker | DaskWorker:
    """The worker that was asked for.

    Parameters
    ----------
    cluster : Cluster
    resources : Resources
    processes : int
        At once, where they are on this machine.
    console : Console
        Where notices go.
    watch : callable
        Takes the events of every stage.
    runs : mapping of str to str
        By scan, the run whose id is in its graph.

    Returns
    -------
    worker : PoolWorker, SlurmWorker or DaskWorker
    """
    if cluster.worker == "slurm":

        def say(text: str) -> None:
            console.print(f"[yellow]notice[/yellow] {escape(text)}", highlight=False, soft_wrap=True)

        return SlurmWorker(cluster=cluster, resources=resources, watch=watch, say=say, runs=runs)
    if cluster.worker == "dask":
        return DaskWorker(
            scheduler=cluster.dask_scheduler, resources=resources, processes=processes, watch=watch
        )
    return PoolWorker(n_procs=processes, watch=watch, stop_on_failure=resources.stop_on_first_crash)


def describe_worker(cluster: Cluster, resources: Resources, scans: int) -> str:
    """Where the scans of a run will be worked on, in a few words."""
    if cluster.worker == "slurm":
        return f"one Slurm job a scan, of {resources.nprocs} CPUs and {resources.mem_gb:.1f} GB unless said otherwise"
    if cluster.worker == "dask" and cluster.dask_scheduler:
        return f"dask workers of {cluster.dask_scheduler}"
    return f"{resources.processes(scans)} processes of {resources.threads(scans)} threads"


def taken_over(cache: Path) -> dict[str, str]:
    """Runs whose Slurm jobs still wait or run, by scan: a graph with the same run's id finds these jobs.

    Raises
    ------
    SlurmError
        Slurm cannot be asked.
    """
    return {record.scan: record.run for _, record in live_folders(cache) if record.run}
