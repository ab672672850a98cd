"""The pool: a killed child fails its own stage only, children ignore Ctrl-C and do not outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cloudpickle as cp
import psutil
import pytest
import trivial
from pydra.engine.submitter import Submitter

from gliomorph.workflows.engine.failures import NotStarted, StageKilled
from gliomorph.workflows.engine.pool import PoolWorker, deaf_to_ctrl_c, remove_unsigned_locks
from gliomorph.workflows.engine.progress import StageEvent

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # event loops that pydra leaves open


class Watch:
    """Remembers what the worker tells."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.errors: dict[str, BaseException] = {}

    def __call__(self, event: StageEvent) -> None:
        name = f"{event.stage}@{event.scan}"
        self.events.append((event.kind, name))
        if event.error is not None:
            self.errors[name] = event.error

    def names(self, event: str) -> list[str]:
        return sorted(name for kind, name in self.events if kind == event)


def submit(task: Any, cache: Path, **options: Any) -> tuple[Any, Watch]:
    watch = Watch()
    worker = PoolWorker(watch=watch, **options)
    with Submitter(cache_root=cache, worker=worker) as submitter:
        return submitter(task, raise_errors=False), watch


def chains(cache: Path, bad: dict[str, str], **options: Any) -> tuple[Any, Watch]:
    return submit(trivial.Chains(bad=bad, marker=str(cache.with_name("marker"))), cache, **options)


def test_stage_whose_process_is_killed_fails_by_name_and_the_others_finish(tmp_path: Path) -> None:
    bad = {"sub-1": "no", "sub-2": "dies", "sub-3": "no", "sub-4": "no"}
    result, watch = chains(tmp_path / "cache", bad, n_procs=2)
    assert result.errored
    assert watch.names("failed") == ["die@sub-2"]
    assert isinstance(watch.errors["die@sub-2"], StageKilled)
    with pytest.raises(
        StageKilled, match="die@sub-2: its process was killed twice, most often for want of memory"
    ):
        raise watch.errors["die@sub-2"]
    doubles = [f"double@sub-{n}" for n in (1, 2, 3, 4)]
    assert watch.names("done") == sorted([*doubles, "again@sub-1", "again@sub-3", "again@sub-4"])


def test_stage_killed_once_is_run_again_and_succeeds(tmp_path: Path) -> None:
    result, watch = chains(tmp_path / "cache", {"sub-1": "dies once", "sub-2": "no"}, n_procs=2)
    assert not result.errored
    assert result.outputs.chains == 2
    assert watch.errors == {}
    assert "die@sub-1" in watch.names("done")


@pytest.mark.parametrize("error", [OSError("handle is closed"), RuntimeError("cannot schedule new futures")])
def test_stage_that_meets_a_pool_at_the_moment_it_breaks_is_run_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Breaking:
        def submit(self, *_: Any) -> Any:
            raise error

        def shutdown(self, **_: Any) -> None:
            pass

    monkeypatch.setattr(PoolWorker, "_open_pool", lambda self: Breaking())
    result, watch = chains(tmp_path / "cache", {"sub-1": "no"}, n_procs=1)
    assert not result.errored
    assert watch.errors == {}


def test_failing_stage_keeps_its_own_scan_only(tmp_path: Path) -> None:
    result, watch = chains(tmp_path / "cache", {"sub-1": "fails", "sub-2": "no"}, n_procs=1)
    assert result.errored
    assert "no 2 today" in str(watch.errors["fail@sub-1"])
    assert "again@sub-2" in watch.names("done")


def test_after_the_first_crash_nothing_more_is_started(tmp_path: Path) -> None:
    bad = {"sub-1": "fails", "sub-2": "no", "sub-3": "no"}
    _, watch = chains(tmp_path / "cache", bad, n_procs=1, stop_on_failure=True)
    told = [event for event, _ in watch.events]
    assert "start" not in told[told.index("failed") :]
    assert not any(isinstance(error, NotStarted) for error in watch.errors.values())


def test_second_submission_runs_nothing(tmp_path: Path) -> None:
    _, first = chains(tmp_path / "cache", {"sub-1": "no"}, n_procs=1)
    result, second = chains(tmp_path / "cache", {"sub-1": "no"}, n_procs=1)
    assert first.names("done") == ["again@sub-1", "double@sub-1"]
    assert second.names("done") == []
    assert not result.errored


def test_children_ignore_ctrl_c(tmp_path: Path) -> None:
    result, watch = submit(trivial.AskChild(number=0), tmp_path / "cache", n_procs=1)
    assert watch.names("done") == ["ask@child"]
    assert result.outputs.handling == str(signal.SIG_IGN)


def test_a_process_holds_ctrl_c_back_from_its_first_moment() -> None:
    """While it imports it cannot ignore it yet."""
    text = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    with deaf_to_ctrl_c():
        child = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert child.stdout == "True\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_pickled_worker_leaves_its_processes_behind() -> None:
    """Jobs carry their worker into the child; pools and terminals cannot travel."""
    worker = PoolWorker(n_procs=3, watch=Watch())
    worker._open_pool()
    try:
        copy = cp.loads(cp.dumps(worker))
    finally:
        worker.close()
    assert (copy.n_procs, copy._pool, copy._gates) == (3, None, {})


SLEEPERS = """
import sys, trivial
from pydra.engine.submitter import Submitter
from gliomorph.workflows.engine.pool import PoolWorker
if __name__ == "__main__":
    with Submitter(cache_root=sys.argv[1] + "/cache", worker=PoolWorker(n_procs=2)) as submit:
        submit(trivial.Sleepers(folder=sys.argv[1] + "/pids"))
"""


def test_children_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths, "PYDRA_HASH_CACHE": str(tmp_path / "hashes")}
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment)
    try:
        deadline = time.monotonic() + 120  # two spawned interpreters import pydra; machines differ
        while len(list(pids.iterdir())) < 2 and time.monotonic() < deadline:
            assert parent.poll() is None, "the parent ended by itself"
            time.sleep(0.1)
        children = [psutil.Process(int(path.name)) for path in pids.iterdir()]
        assert len(children) == 2
    finally:
        parent.kill()
        parent.wait()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []


def test_only_old_locks_without_a_signature_are_removed(tmp_path: Path) -> None:
    """A child killed between making its lock and signing it would keep all others waiting."""
    for name in ("old.lock", "signed.lock", "fresh.lock", "other"):
        (tmp_path / name).touch()
    (tmp_path / "signed.lock").write_text("1234\nhost\n")
    for name in ("old.lock", "signed.lock", "other"):
        os.utime(tmp_path / name, (time.time() - 60, time.time() - 60))
    remove_unsigned_locks(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"signed.lock", "fresh.lock", "other"}
