"""Whether the worker can run the stages."""

from __future__ import annotations

from ...config.cluster import Cluster
from ...config.option import SettingsError
from ..engine.dask_worker import check_dask
from ..engine.slurm import commands as slurm


def check_worker(cluster: Cluster) -> None:
    """Whether the worker can do anything at all on this machine.

    Raises
    ------
    SettingsError
        Before anything runs.
    """
    if cluster.worker == "dask":
        check_dask(cluster.dask_scheduler)
    if cluster.worker != "slurm":
        return
    if missing := slurm.missing_commands():
        raise SettingsError(
            f"--worker slurm: {', '.join(missing)} not found: start gliomorph where jobs can be submitted, "
            "a login node and not inside a container (docs/clusters.md has what to do there)"
        )
