"""Options of where a run is worked on: this machine, or a cluster."""

from __future__ import annotations

import attrs

from .option import SettingsError, option
from .resources import SLURM_CPUS
from .sbatch import check_sbatch

WORKERS = ("pool", "slurm", "dask")
OPEN_GRAPHS = 200
"""Scans whose stages are handed out at a time: the driver holds each one's graph in memory."""


@attrs.frozen(kw_only=True)
class Cluster:
    """Who does the work."""

    worker: str = option(choices=WORKERS, default="pool", page="clusters.md",
        help=f"pool: this machine; slurm: jobs of --nprocs CPUs (default: {SLURM_CPUS}) and --mem GB each; dask: the "
        "workers of dask.distributed (default: %(default)s)")  # fmt: skip
    slurm_args: str = option(metavar="ARGS", default="", page="clusters.md",
        help="further arguments of sbatch, in one word: --slurm-args='--partition=long --time=4:00:00'")  # fmt: skip
    requeue: bool = option("--no-requeue", default=True, page="clusters.md",
        help="do not submit jobs once more that were cancelled or preempted, or whose node failed")  # fmt: skip
    dask_scheduler: str | None = option(metavar="ADDRESS", default=None, page="clusters.md",
        help="of a running dask.distributed, as in tcp://host:8786 (default: workers on this machine)")  # fmt: skip

    def __attrs_post_init__(self) -> None:
        """Options of a worker are refused beside another one."""
        for worker, given in (
            ("slurm", {"--slurm-args": self.slurm_args, "--no-requeue": not self.requeue}),
            ("dask", {"--dask-scheduler": self.dask_scheduler}),
        ):
            options = [name for name, value in given.items() if value]
            if options and self.worker != worker:
                raise SettingsError(
                    f"{', '.join(options)}: of --worker {worker}, and the worker is {self.worker}: "
                    f"add --worker {worker}, or leave it out"
                )
        try:
            check_sbatch(self.slurm_args)
        except ValueError as error:
            raise SettingsError(f"--slurm-args: {error}") from error

    def scans_at_once(self, scans: int, processes: int) -> int:
        """Scans that are worked on at a time.

        On this machine one more than processes, so that none waits for the last stage; elsewhere as many as there are,
        but of graphs that are opened here not more than :data:`OPEN_GRAPHS`.
        """
        if self.worker == "pool" or (self.worker == "dask" and self.dask_scheduler is None):
            return min(scans, processes + 1)
        return scans if self.worker == "slurm" else min(scans, OPEN_GRAPHS)
