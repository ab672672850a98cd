"""Graphs through Slurm, whose commands are played by :mod:`fake_slurm`: jobs, failures, drivers that die."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import cloudpickle
import pytest
import trivial
from changed_settings import changed
from fake_slurm import FakeSlurm

from gliomorph.config.settings import Settings
from gliomorph.workflows.engine.failures import NotStarted, StageFailed
from gliomorph.workflows.engine.progress import StageEvent
from gliomorph.workflows.engine.slurm.folder import JobFolder, Record, job_folders, live_folders
from gliomorph.workflows.engine.slurm.worker import JobFailed, SlurmWorker, sbatch_arguments
from gliomorph.workflows.engine.submission import run_alone, run_side_by_side, submitting
from gliomorph.workflows.engine.sweep import swept

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # event loops that pydra leaves open


class Driver:
    """A worker, what it has told, and the folders that it works in."""

    def __init__(self, settings: Settings) -> None:
        self.cache = settings.resources.work_dir / "cache"
        self.events: list[tuple[str, str]] = []
        self.errors: dict[str, BaseException] = {}
        self.said: list[str] = []
        self.worker = SlurmWorker(
            cluster=settings.cluster, resources=settings.resources, watch=self.watch, say=self.said.append
        )

    def watch(self, event: StageEvent) -> None:
        name = f"{event.stage}@{event.scan}"
        self.events.append((event.kind, name))
        if event.error is not None:
            self.errors[name] = event.error

    def names(self, event: str) -> list[str]:
        return sorted(name for kind, name in self.events if kind == event)

    def run(self, bad: dict[str, str], at_once: int = 9) -> dict[str, Exception]:
        """Run a chain of stages for each scan; the errors by scan."""
        marker = str(self.cache.with_name("marker"))
        graphs = [
            (scan, partial(trivial.Chain, number=3**number, scan=scan, bad=how, marker=marker))
            for number, (scan, how) in enumerate(bad.items())
        ]
        with swept(self.cache), submitting(self.cache, self.worker) as submit:
            return run_side_by_side(submit, graphs, at_once)

    def run_alone(self, task: Any, name: str) -> Any:
        with swept(self.cache), submitting(self.cache, self.worker) as submit:
            return run_alone(submit, task, name)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of these tests take a second."""
    monkeypatch.setattr(SlurmWorker, "_interval", lambda _: 0.2)


@pytest.fixture
def settings(any_settings: Settings) -> Settings:
    return changed(any_settings, worker="slurm")


def test_a_scan_is_one_job_and_its_stages_are_told(fake_slurm: FakeSlurm, settings: Settings) -> None:
    driver = Driver(settings)
    assert list(driver.run({"sub-1": "no", "sub-2": "fails"})) == ["sub-2"]
    assert len(fake_slurm.jobs()) == 2
    assert driver.names("done") == ["again@sub-1", "double@sub-1", "double@sub-2"]
    assert driver.names("failed") == ["fail@sub-2"]
    error = driver.errors["fail@sub-2"]
    assert isinstance(error, StageFailed)
    assert str(error) == "no 6 today"
    assert "in Fail" in str(error.__cause__)


def test_a_job_that_has_done_its_work_leaves_nothing_beside_its_result(
    fake_slurm: FakeSlurm, settings: Settings
) -> None:
    driver = Driver(settings)
    assert not driver.run({"sub-1": "no"})
    assert list(job_folders(driver.cache)) == []
    again = Driver(settings)
    assert not again.run({"sub-1": "no"})
    assert len(fake_slurm.jobs()) == 1


def test_stage_by_itself_is_a_job_by_its_name(fake_slurm: FakeSlurm, settings: Settings) -> None:
    driver = Driver(settings)
    assert driver.run_alone(trivial.Double(number=4), "tests@group").out == 8
    (job,) = fake_slurm.jobs()
    assert job["name"].startswith("gliomorph-tests-group-")
    assert driver.events == [("start", "tests@group"), ("done", "tests@group")]


def test_graph_of_the_group_is_one_job_by_its_name(fake_slurm: FakeSlurm, settings: Settings) -> None:
    driver = Driver(settings)
    graph = trivial.Chains(bad={"sub-1": "no", "sub-2": "no"}, marker="")
    assert driver.run_alone(graph, "group").chains == 2
    (job,) = fake_slurm.jobs()
    assert job["name"].startswith("gliomorph-group-")
    assert "again@sub-2" in driver.names("done")


@pytest.mark.parametrize("state", ["CANCELLED", "NODE_FAIL"])
def test_job_that_was_taken_away_is_submitted_once_more(
    fake_slurm: FakeSlurm, settings: Settings, state: str
) -> None:
    fake_slurm.next_jobs(state, "RUN")
    driver = Driver(settings)
    assert not driver.run({"sub-1": "no"})
    assert driver.said == [f"sub-1: Slurm job 1 is {state}; it is submitted once more"]
    assert len(fake_slurm.jobs()) == 2


def failure(driver: Driver, scan: str) -> str:
    error = driver.errors[f"Slurm job@{scan}"]
    assert isinstance(error, JobFailed)
    return str(error)


def test_job_that_is_taken_away_twice_fails_its_own_scan(fake_slurm: FakeSlurm, settings: Settings) -> None:
    fake_slurm.next_jobs("CANCELLED", "CANCELLED")
    driver = Driver(settings)
    driver.run({"sub-1": "no"})
    text = failure(driver, "sub-1")
    assert text.startswith(
        "Slurm job 2 is CANCELLED (exit code 0:15); it was cancelled twice; its last words: "
    )
    assert "told to end as CANCELLED; its log: " in text
    assert "told to end" in str(driver.errors["Slurm job@sub-1"].__cause__)


def test_without_requeue_nothing_is_submitted_again(fake_slurm: FakeSlurm, settings: Settings) -> None:
    fake_slurm.next_jobs("NODE_FAIL")
    driver = Driver(changed(settings, requeue=False))
    driver.run({"sub-1": "no"})
    assert "Slurm job 1 is NODE_FAIL (exit code 0:15); its node failed; " in failure(driver, "sub-1")
    (call,) = fake_slurm.calls("sbatch")
    assert "--no-requeue" in call


@pytest.mark.parametrize(
    ("state", "way_out"),
    [("TIMEOUT", "--time=…"), ("OUT_OF_MEMORY", "with --mem"), ("DEADLINE", "--deadline=…")],
)
def test_job_that_was_too_large_fails_with_what_to_do(
    fake_slurm: FakeSlurm, settings: Settings, state: str, way_out: str
) -> None:
    fake_slurm.next_jobs(state)
    driver = Driver(settings)
    driver.run({"sub-1": "no"})
    text = failure(driver, "sub-1")
    assert f"Slurm job 1 is {state}" in text
    assert way_out in text


def test_refused_job_fails_with_the_words_of_sbatch(fake_slurm: FakeSlurm, settings: Settings) -> None:
    driver = Driver(changed(settings, slurm_args="--refuse"))
    driver.run({"sub-1": "no"})
    assert "not submitted: sbatch: sbatch: error: invalid partition specified" in failure(driver, "sub-1")


def test_silent_slurm_is_waited_for(fake_slurm: FakeSlurm, settings: Settings) -> None:
    driver = Driver(settings)

    def silence() -> None:
        while not fake_slurm.jobs():
            time.sleep(0.01)
        fake_slurm.break_down(answers_after=3)

    other = threading.Thread(target=silence)
    other.start()
    assert not driver.run({"sub-1": "no"})
    other.join()
    assert len(fake_slurm.jobs()) == 1
    assert [text.split(":")[0] for text in driver.said] == ["Slurm does not answer, it is asked again"]


def test_after_the_first_crash_nothing_more_is_submitted(fake_slurm: FakeSlurm, settings: Settings) -> None:
    fake_slurm.next_jobs("TIMEOUT")
    driver = Driver(changed(settings, stop_on_first_crash=True))
    errors = driver.run({"sub-1": "no", "sub-2": "no"}, at_once=1)
    assert isinstance(errors["sub-2"], NotStarted)
    assert len(fake_slurm.jobs()) == 1


DRIVER = """
import sys, cloudpickle, trivial
from pathlib import Path
from gliomorph.workflows.engine.slurm.worker import SlurmWorker
from gliomorph.workflows.engine.sweep import swept
from gliomorph.workflows.engine.submission import run_side_by_side, submitting
if __name__ == "__main__":
    SlurmWorker._interval = lambda _: 0.2
    settings, tasks = cloudpickle.loads(Path(sys.argv[1]).read_bytes())
    cache = settings.resources.work_dir / "cache"
    worker = SlurmWorker(cluster=settings.cluster, resources=settings.resources, say=print)
    with swept(cache), submitting(cache, worker) as submit:
        run_side_by_side(submit, [(name, lambda task=task: task) for name, task in tasks.items()], 2)
"""


def start_driver(settings: Settings, folder: Path) -> subprocess.Popen[str]:
    """A driver of two stages that go on when a file ``go`` appears."""
    tasks = {f"wait@{number}": trivial.Wait(folder=str(folder), number=number) for number in (1, 2)}
    (folder / "driver.py").write_text(DRIVER)
    (folder / "driver.pklz").write_bytes(cloudpickle.dumps((settings, tasks)))
    return subprocess.Popen(
        [sys.executable, str(folder / "driver.py"), str(folder / "driver.pklz")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def until(condition: Any, seconds: float = 60) -> None:
    """Wait for something; machines differ."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kill_driver_of_two_jobs(settings: Settings, folder: Path) -> None:
    """The jobs of :func:`start_driver` have begun when it dies."""
    first = start_driver(settings, folder)
    until(lambda: len(list(folder.glob("begun-*"))) == 2)
    first.kill()
    first.communicate()


def test_next_driver_takes_over_the_jobs_of_one_that_was_killed_even_before_it_wrote_an_id(
    fake_slurm: FakeSlurm, settings: Settings, tmp_path: Path
) -> None:
    kill_driver_of_two_jobs(settings, tmp_path)
    cache = settings.resources.work_dir / "cache"
    locks = {path.name for path in cache.glob("python-*.lock")}
    assert len(locks) == 2
    unwritten, *_ = job_folders(cache)
    record = unwritten.record()
    assert record is not None
    unwritten.remember(attrs.evolve(record, job=""))
    before = len(fake_slurm.calls("squeue"))
    second = start_driver(settings, tmp_path)
    until(lambda: len(fake_slurm.calls("squeue")) > before + 3)  # swept, taken over, asked for
    assert locks <= {path.name for path in cache.glob("python-*.lock")}
    (tmp_path / "go").touch()
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert said.count("of an earlier run is waited for") == 2
    assert len(fake_slurm.jobs()) == 2
    assert {job["state"] for job in fake_slurm.jobs()} == {"COMPLETED"}


def test_ctrl_c_cancels_the_jobs_and_says_so(
    fake_slurm: FakeSlurm, settings: Settings, tmp_path: Path
) -> None:
    driver = start_driver(settings, tmp_path)
    until(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
    driver.send_signal(signal.SIGINT)
    said, _ = driver.communicate(timeout=60)
    assert "2 Slurm jobs cancelled" in said
    assert {job["state"] for job in fake_slurm.jobs()} == {"CANCELLED"}


def test_jobs_that_could_not_be_cancelled_are_named(fake_slurm: FakeSlurm, settings: Settings) -> None:
    driver = Driver(settings)
    driver.worker._waiting = {"7": None}  # type: ignore[dict-item]
    fake_slurm.break_down(answers_after=1)
    driver.worker.kill()
    (said,) = driver.said
    assert said.startswith(
        "Slurm jobs may go on (7), they could not be cancelled: squeue: slurm_load_jobs error"
    )


def test_what_a_dead_job_has_left_is_removed_by_the_next_one(
    fake_slurm: FakeSlurm, settings: Settings, tmp_path: Path
) -> None:
    """A lock of another machine's process would keep its stage waiting for ever."""
    driver = Driver(settings)
    chain = trivial.Chain(number=1, scan="sub-1", bad="no", marker="")
    stage = trivial.Double(number=1)
    folder = JobFolder(driver.cache / "slurm" / chain._checksum)
    folder.path.mkdir(parents=True)
    folder.tell("77", StageEvent(kind="start", stage="double", scan="sub-1", key=stage._checksum))
    (driver.cache / stage._checksum).mkdir()
    for key in (chain._checksum, stage._checksum):
        (driver.cache / f"{key}.lock").write_text("4242\nelsewhere\n")
    with submitting(driver.cache, driver.worker) as submit:  # not swept: the driver has gone on all the time
        run_alone(submit, chain, "sub-1")
    assert len(fake_slurm.jobs()) == 1


def test_records_of_live_jobs_are_found_by_name(fake_slurm: FakeSlurm, settings: Settings) -> None:
    cache = settings.resources.work_dir / "cache"
    for key, name in (("workflow-a", "lives"), ("workflow-b", "is-over")):
        folder = JobFolder(cache / "slurm" / key)
        folder.path.mkdir(parents=True)
        folder.remember(Record(name=name, job="", node="sub-1", run="r1"))
    assert live_folders(cache) == []
    (fake_slurm.folder / "job-5.json").write_text(
        json.dumps({"id": "5", "name": "lives", "state": "RUNNING", "code": "0:0"})
    )
    ((folder, record),) = live_folders(cache)
    assert (folder.key, record.job, record.scan, record.run) == ("workflow-a", "5", "sub-1", "r1")


def test_events_are_read_on_and_half_a_line_is_left(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    assert folder.events("1") == ([], 0)
    start = StageEvent(kind="start", stage="n4", scan="sub-1", key="a")
    done = attrs.evolve(start, kind="done", seconds=2.5)
    folder.tell("1", start)
    first, read = folder.events("1")
    folder.tell("1", done)
    whole = folder.events_file("1").read_text()
    folder.events_file("1").write_text(whole[:-9])
    assert folder.events("1", read) == ([], read)
    folder.events_file("1").write_text(whole)
    second, _ = folder.events("1", read)
    assert first + second == [start, done]
    assert folder.unfinished() == {tmp_path.name}


def test_script_quotes_what_it_runs(settings: Settings, tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "a b; touch evil" / "slurm" / "python-1")
    script = folder.prepare(trivial.Double(number=1), settings.resources, "sub-1\ntouch evil")
    lines = script.read_text().splitlines()
    assert lines[1] == "# sub-1-touch-evil"
    assert lines[-1].startswith("exec ")
    assert "'" + str(folder.path) + "'" in lines[-1]


@pytest.mark.parametrize(
    ("memory", "ours"), [("", ["--mem=2000M"]), (" --mem=9G", []), (" --mem-per-cpu=9G", [])]
)
def test_given_arguments_come_after_ours_and_may_say_the_memory(
    settings: Settings, memory: str, ours: list[str]
) -> None:
    found = changed(settings, slurm_args="-p gpu --comment='two words'" + memory)
    given = ["-p", "gpu", "--comment=two words", *memory.split()]
    assert sbatch_arguments(found.cluster, found.resources) == ["--cpus-per-task=1", *ours, *given]


def test_questions_grow_rarer_with_the_number_of_jobs(settings: Settings, monkeypatch: Any) -> None:
    monkeypatch.undo()
    worker = SlurmWorker(cluster=settings.cluster, resources=settings.resources)
    seconds = []
    for number in (1, 40, 200, 5000):
        worker._waiting = dict.fromkeys(map(str, range(number)))  # type: ignore[arg-type]
        seconds.append(worker._interval())
    assert seconds == [2.0, 2.0, 10.0, 30.0]


def test_garbled_events_end_the_wait_instead_of_prolonging_it(
    fake_slurm: FakeSlurm, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def garbled(*_: Any) -> Any:
        raise ValueError("no JSON")

    monkeypatch.setattr(JobFolder, "events", garbled)
    driver = Driver(settings)
    driver.run({"sub-1": "no"})
    assert str(driver.errors["Slurm job@sub-1"]) == "no JSON"
