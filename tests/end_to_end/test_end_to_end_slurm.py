"""A cohort through a real Slurm of one node: whatever is cancelled or killed, the outputs are those of the pool.

One thread a process: with more, ANTs adds in another order and its registrations differ in the last digits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import slurm_cluster
import tiny_networks
from cohorts import Place
from runs import NETWORK, Run, comparable, ran, relocated

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "docs" / "scripts" / "gliomorph-array.sbatch"


@pytest.fixture(scope="module")
def cluster() -> Iterator[slurm_cluster.Cluster]:
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:  # a short name: munge's socket lies there
        found = slurm_cluster.started(Path(folder) / "s")
        try:
            yield found
        finally:
            found.stop()


def methods(place: Place) -> list[str]:
    """One that is learned, one that is not."""
    learned = ["--registration-weights", str(place.root / NETWORK), "--refine", "1"]
    return ["--registration", "affine", "metamorph-r", *learned]


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three subjects by ``--worker pool``."""
    place = Place(tmp_path_factory.mktemp("pooled")).prepare(["01", "02", "03"])
    tiny_networks.write_tiny(place.root, "metamorph-r", NETWORK)
    return ran(place, *methods(place))


@pytest.fixture
def place(pooled: Run, tmp_path: Path) -> Place:
    """The same data elsewhere, nothing computed yet."""
    found = relocated(pooled, tmp_path)
    tiny_networks.write_tiny(found.root, "metamorph-r", NETWORK)
    return found


def options(place: Place, *more: str) -> list[str]:
    return [*methods(place), "--worker", "slurm", "--nprocs", "1", "--mem", "2", *more]


def start(place: Place, cluster: slurm_cluster.Cluster, *more: str) -> subprocess.Popen[bytes]:
    with (place.root / "log.txt").open("ab") as log:
        return subprocess.Popen(
            place.command(*options(place, *more)), cwd=place.cwd, env=place.environment(**cluster.environment()),
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def until(condition: Callable[[], Any], seconds: float = 300) -> Any:
    """What a condition gives once it holds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return found


def ours(cluster: slurm_cluster.Cluster, since: int, *states: str) -> list[tuple[str, str, str]]:
    """Jobs submitted after another one, in some states."""
    return [job for job in cluster.jobs() if int(job[0]) > since and (not states or job[1] in states)]


def last_job(cluster: slurm_cluster.Cluster) -> int:
    return max((int(job[0]) for job in cluster.jobs()), default=0)


def test_cancelled_job_and_killed_driver_leave_the_outputs_of_the_pool(
    cluster: slurm_cluster.Cluster, pooled: Run, place: Place
) -> None:
    assert pooled.answer.code == 0, pooled.answer.text
    since, log = last_job(cluster), place.root / "log.txt"
    driver = start(place, cluster)
    until(lambda: place.executed() >= 4 or driver.poll() is not None)
    cancelled = until(lambda: ours(cluster, since, "RUNNING"))[0]
    cluster.call("scancel", cancelled[0])
    until(lambda: f"Slurm job {cancelled[0]} is CANCELLED; it is submitted once more" in log.read_text())
    until(lambda: len(ours(cluster, since)) >= 4)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    alive = ours(cluster, since, "RUNNING", "PENDING")
    assert alive, "all jobs had ended before the driver was killed"
    answer = place.run(*options(place), **cluster.environment())
    assert answer.code == 0, answer.text
    assert "of an earlier run is waited for" in answer.text
    names = [name.rsplit("-", 1)[0] for _, _, name in ours(cluster, since, "COMPLETED")]
    scans = [f"gliomorph-sub-{subject}" for subject in ("01", "02", "03")]
    assert sorted(names) == ["gliomorph-group", *scans]  # none of them twice
    assert [name for _, _, name in ours(cluster, since, "CANCELLED")] == [cancelled[2]]
    assert comparable(place) == comparable(pooled.place)
    again = place.run(*options(place), **cluster.environment())
    assert again.code == 0
    assert len(ours(cluster, since)) == 5


def test_ctrl_c_cancels_the_jobs(cluster: slurm_cluster.Cluster, place: Place) -> None:
    since = last_job(cluster)
    driver = start(place, cluster)
    until(lambda: len(ours(cluster, since)) == 3)
    time.sleep(1)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=60) == 130
    text = (place.root / "log.txt").read_text()
    assert "3 Slurm jobs cancelled" in text
    assert "Traceback" not in text
    until(lambda: len(ours(cluster, since, "CANCELLED")) == 3)


def test_job_beyond_its_time_is_named_with_its_state(cluster: slurm_cluster.Cluster, place: Place) -> None:
    """Slurm's limits are whole minutes; the job stands still in place of working."""
    since = last_job(cluster)
    driver = start(place, cluster, "--participant-label", "01", "--slurm-args=--time=1")
    ((job, _, _),) = until(lambda: ours(cluster, since, "RUNNING"))
    stopped = until(lambda: processes_of(place))
    for process in stopped:
        process.suspend()
    assert driver.wait(timeout=300) == 1
    text = (place.root / "log.txt").read_text()
    assert f"failed sub-01 Slurm job: Slurm job {job} is TIMEOUT" in text
    assert "it reached its time limit: give more with --slurm-args='--time=…'" in text
    assert len(ours(cluster, since)) == 1


def processes_of(place: Place) -> list[psutil.Process]:
    """Processes that run the job of a place."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "gliomorph.workflows.engine.slurm.job" in words and words[-1].startswith(str(place.root)):
            found.append(process)
    return found


def test_jobs_with_a_gpu_leave_the_outputs_of_the_pool(
    cluster: slurm_cluster.Cluster, pooled: Run, place: Place
) -> None:
    since = last_job(cluster)
    gpu = ["--slurm-args=--partition=gpu --gres=gpu:1"]
    answer = place.run(
        *options(place, *gpu), "--participant-label", "01", **cluster.environment(), levels=["participant"]
    )
    assert answer.code == 0, answer.text
    scan = {name: value for name, value in comparable(place).items() if name.startswith("sub-01/")}
    assert scan == {
        name: value for name, value in comparable(pooled.place).items() if name.startswith("sub-01/")
    }
    jobs = cluster.call("squeue", "--noheader", "--states=all", "--format=%A|%P|%j").splitlines()
    partitions = [
        (name.rsplit("-", 1)[0], where)
        for job, where, name in (line.split("|") for line in jobs)
        if int(job) > since
    ]
    assert partitions == [("gliomorph-sub-01", "gpu")]


def test_array_script_of_the_documents_leaves_the_outputs_of_the_pool(
    cluster: slurm_cluster.Cluster, pooled: Run, place: Place
) -> None:
    since = last_job(cluster)
    (place.root / "subjects.txt").write_text("01\nsub-02\n03\n")
    command = place.command(*methods(place), levels=["participant"])
    program, folders, rest = command[:3], command[3:5], command[6:]
    environment = place.environment(**cluster.environment(), GLIOMORPH=" ".join(program))
    submitted = [
        "sbatch",
        "--wait",
        "--array=0-2",
        f"--output={place.root}/task-%a.log",
        "--cpus-per-task=1",
        "--mem=2G",
    ]
    done = subprocess.run(
        [*submitted, str(SCRIPT), str(place.root / "subjects.txt"), *folders, *rest],
        env={**environment, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        cwd=place.cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    logs = "\n".join(path.read_text() for path in sorted(place.root.glob("task-*.log")))
    assert done.returncode == 0, done.stderr + logs
    assert len(ours(cluster, since, "COMPLETED")) == 3
    answer = place.run(*methods(place), levels=["group"])
    assert answer.code == 0, answer.text
    assert comparable(place) == comparable(pooled.place)


def test_dask_workers_that_are_jobs_leave_the_outputs_of_the_pool(
    cluster: slurm_cluster.Cluster, pooled: Run, place: Place
) -> None:
    """The script of the documents, by Slurm in place of PBS, LSF or SGE."""
    pytest.importorskip("dask_jobqueue", reason="pip install dask-jobqueue")
    since = last_job(cluster)
    script = SCRIPT.with_name("dask_jobs.py")
    command = [sys.executable, str(script), "slurm", "--jobs", "2", "--memory", "2GB", "--"]
    done = subprocess.run(
        [*command, *place.command(*methods(place), "--worker", "dask")],
        cwd=place.cwd, env=place.environment(**cluster.environment()), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(ours(cluster, since)) == 2
    assert comparable(place) == comparable(pooled.place)
