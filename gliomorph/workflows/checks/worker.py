"""Whether the worker can run the stages."""

from __future__ import annotations

import fnmatch

from ...config.option import SettingsError
from ...config.settings import Settings
from ..engine.dask_worker import check_dask
from ..engine.slurm import commands as slurm
from ..scan.graph import STAGES

GROUP_STAGES = ("tests", "atlas", "report", "publish")


def check_worker(settings: Settings) -> None:
    """Whether the worker can do anything at all on this machine.

    Raises
    ------
    SettingsError
        Before anything runs.
    """
    if settings.cluster.worker == "dask":
        check_dask(settings)
    if settings.cluster.worker != "slurm":
        return
    if missing := slurm.missing_commands():
        raise SettingsError(
            f"--worker slurm: {', '.join(missing)} not found: start gliomorph where jobs can be submitted, "
            "a login node and not inside a container (docs/clusters.md has what to do there)"
        )
    known = [*STAGES, *GROUP_STAGES, *(f"register {method}" for method in settings.processing.registration)]
    for pattern in settings.cluster.stage_args:
        if not any(fnmatch.fnmatchcase(stage, pattern) for stage in known):
            raise SettingsError(
                f"--slurm-stage-args {pattern}=…: no such stage; the stages are {', '.join(known)}"
            )
