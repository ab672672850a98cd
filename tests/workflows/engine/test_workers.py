"""Which worker is made, and what keeps it from running."""

from __future__ import annotations

from pathlib import Path

from changed_settings import changed
from fake_slurm import FakeSlurm
from rich.console import Console

from gliomorph.config.settings import Settings
from gliomorph.workflows.engine.pool import PoolWorker
from gliomorph.workflows.engine.slurm.folder import JobFolder, Record
from gliomorph.workflows.engine.slurm.worker import SlurmWorker
from gliomorph.workflows.engine.workers import describe_worker, make_worker, taken_over


def watch(*_: object) -> None:
    pass


def test_worker_is_that_of_the_settings(any_settings: Settings, slurm_settings: Settings) -> None:
    pool = make_worker(any_settings.cluster, any_settings.resources, 3, Console(), watch)
    assert isinstance(pool, PoolWorker)
    assert pool.n_procs == 3
    assert isinstance(
        make_worker(slurm_settings.cluster, slurm_settings.resources, 3, Console(), watch), SlurmWorker
    )


def test_runs_are_taken_over_while_a_job_of_theirs_is_alive(fake_slurm: FakeSlurm, tmp_path: Path) -> None:
    assert taken_over(tmp_path / "cache") == {}
    for key, node in (("python-a", "n4@sub-01"), ("workflow-b", "sub-02"), ("workflow-c", "group")):
        folder = JobFolder(tmp_path / "cache" / "slurm" / key)
        folder.path.mkdir(parents=True)
        folder.remember(Record(name=key, node=node, run=f"run-of-{node}"))
    for number, name in (("1", "python-a"), ("2", "workflow-c")):
        text = f'{{"id": "{number}", "name": "{name}", "state": "PENDING", "code": ""}}'
        (fake_slurm.folder / f"job-{number}.json").write_text(text)
    assert taken_over(tmp_path / "cache") == {"sub-01": "run-of-n4@sub-01", "group": "run-of-group"}


def test_where_scans_will_run_is_said(any_settings: Settings, slurm_settings: Settings) -> None:
    assert describe_worker(any_settings.cluster, any_settings.resources, 3) == "1 processes of 1 threads"
    assert describe_worker(slurm_settings.cluster, slurm_settings.resources, 3).startswith(
        "one Slurm job a scan, of 1 CPUs and 2.0 GB"
    )
    by_dask = changed(any_settings, worker="dask", dask_scheduler="tcp://a:1")
    assert describe_worker(by_dask.cluster, by_dask.resources, 3) == "dask workers of tcp://a:1"
