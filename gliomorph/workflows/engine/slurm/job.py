"""What runs inside a Slurm job, on its CPUs: ``python -m gliomorph.workflows.engine.slurm.job FOLDER``."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import cloudpickle as cp

from ....config.resources import Resources
from ....environment import collect_rarely, prepare_environment
from ....interfaces.machine.limits import available_cpus, available_memory_gb


def main(folder: Path, job: str) -> int:
    """Run the task of a job's folder and tell of every stage.

    Parameters
    ----------
    folder : Path
        As :class:`~.folder.JobFolder` prepares it: our own pickles, from our own work directory.
    job : str
        Slurm's id.

    Returns
    -------
    code : int
        0 if the result is in the cache.
    """
    collect_rarely()
    with (folder / "work.pklz").open("rb") as file:
        resources = within_allotment(cp.load(file))
        # before the task, which imports what reads the number of threads
        prepare_environment(resources.work_dir, resources.threads(1), resources.gpu_slots)
        # a hash cache of its own: a lock that a killed job leaves there would keep jobs on other machines waiting
        os.environ["PYDRA_HASH_CACHE"] = str(folder / "hashes")
        name, task = cp.load(file), cp.load(file)
    return _run(task, name, resources, folder, job)


def within_allotment(resources: Resources) -> Resources:
    """The same with the CPUs and the memory that this job has been given."""
    return attrs.evolve(resources, nprocs=available_cpus(), mem_gb=available_memory_gb())


def _run(task: Any, name: str, resources: Resources, folder: Path, job: str) -> int:
    from ..cleaning import Cleaning, remove_unfinished
    from ..pool import PoolWorker
    from ..submission import run_side_by_side, submitting
    from .folder import JobFolder

    ours = JobFolder(folder)
    remove_unfinished(ours.cache, ours.unfinished())

    worker = PoolWorker(
        n_procs=resources.processes(1),
        watch=partial(ours.tell, job),
        stop_on_failure=resources.stop_on_first_crash,
    )
    around = Cleaning().around if resources.clean_workdir else contextlib.nullcontext
    with submitting(ours.cache, worker) as submit:
        errors = run_side_by_side(submit, [(name, lambda: task)], 1, around)
    for error in errors.values():
        traceback.print_exception(error)
    if not errors and task._checksum != ours.key:
        raise RuntimeError(f"{ours.key}: the files that it reads have changed since it was submitted")
    with contextlib.suppress(OSError):
        for path in (folder / "hashes").glob("*"):
            path.unlink()
    return int(bool(errors))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), os.environ["SLURM_JOB_ID"]))
