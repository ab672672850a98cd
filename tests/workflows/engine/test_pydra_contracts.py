"""Faults of plain Pydra that the engine works around: each test fails when Pydra has mended one, and says what can go.

Nothing of gliomorph is used here, so that a test is a reproduction for whoever reports the fault.
``docs/engine.md`` lists them.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle as cp
import pytest
from fileformats.generic import File
from pydra.compose import python, workflow
from pydra.engine import job as pydra_job
from pydra.engine.job import PydraFileLock
from pydra.engine.submitter import NodeExecution, Submitter
from pydra.engine.workflow import Workflow
from pydra.utils.hash import PersistentCache, hash_function
from pydra.workers import base
from pydra.workers.cf import ConcurrentFuturesWorker
from pydra.workers.slurm import SlurmWorker

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # event loops that pydra leaves open


class Elsewhere(base.Worker):
    """Runs a copy of a job, as a worker with processes does, but in this one."""

    _plugin_name = "elsewhere"

    async def run(self, job: Any, rerun: bool = False) -> Any:
        return cp.loads(cp.dumps(job)).run(rerun)


@python.define(outputs={"out": int})
def Flaky(marker: str) -> int:
    """Fails until a file is there."""
    if not Path(marker).exists():
        raise ValueError("not yet")
    return 1


@python.define(outputs={"out": int})
def Interrupted(number: int) -> int:
    raise KeyboardInterrupt


@python.define(outputs={"out": File})
def Write(number: int) -> File:
    Path("out.txt").write_text(str(number))
    return File("out.txt")


@python.define(outputs={"out": int})
def Double(number: int) -> int:
    return 2 * number


@python.define(outputs={"out": int})
def Sum(first: int, second: int, third: int) -> int:
    return first + second + third


@workflow.define(outputs={"out": int})
def OneFlaky(marker: str) -> int:
    return workflow.add(Flaky(marker=marker), name="flaky").out


@workflow.define(outputs={"out": int})
def Doubles(count: int) -> int:
    for number in range(count):
        workflow.add(Double(number=number), name=f"double-{number}")
    return count


@workflow.define(outputs={"out": int})
def ReadThrice(number: int) -> int:
    one = workflow.add(Double(number=number), name="one").out
    return workflow.add(Sum(first=one, second=one, third=one), name="sum").out


class OneByOne(Elsewhere):
    """Ends one job after the other, as a pool of one process does."""

    _one: asyncio.Lock | None = None

    async def run(self, job: Any, rerun: bool = False) -> Any:
        self._one = self._one or asyncio.Lock()
        async with self._one:
            for _ in range(9):
                await asyncio.sleep(0)  # the graph notices that the last one has ended
            return await super().run(job, rerun)

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_one": None}


def run(task: Any, cache: Path, worker: type[base.Worker] = Elsewhere) -> Any:
    with Submitter(cache_root=cache, worker=worker()) as submit:
        return submit(task, raise_errors=False)


def still(fault: bool, what: str, code: str) -> None:
    """The fault is there; else what can go."""
    assert fault, f"Pydra mends this: {what}. Remove {code}, its line in docs/engine.md, and this test."


@pytest.fixture(autouse=True)
def forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither the hash cache nor the graphs of other tests."""
    monkeypatch.setenv("PYDRA_HASH_CACHE", str(tmp_path / "hashes"))
    Workflow.clear_cache()
    yield
    Workflow.clear_cache()


# ---------------------------------------------------------------- the worker


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python itself no longer forks there")
def test_worker_cf_forks() -> None:
    worker = ConcurrentFuturesWorker(n_procs=1)
    how = worker.pool._mp_context.get_start_method()
    worker.close()
    still(how == "fork", "worker cf starts its processes afresh", "the spawned pool of engine/pool.py")


KILLED = """
import os, signal, sys, time
from pydra.compose import python, workflow
from pydra.engine.submitter import Submitter
@python.define(outputs={"out": int})
def Die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
@python.define(outputs={"out": int})
def Live(number: int) -> int:
    time.sleep(0.5)
    return number
@workflow.define(outputs={"out": int})
def Both(number: int) -> int:
    workflow.add(Live(number=number), name="live")
    workflow.add(Die(number=number), name="die")
    return number
if __name__ == "__main__":
    with Submitter(cache_root=sys.argv[1], worker="cf", n_procs=2) as submit:
        submit(Both(number=1), raise_errors=False)
"""


def test_a_killed_child_fails_the_other_jobs_of_worker_cf(tmp_path: Path) -> None:
    """In an interpreter of its own, that nothing but Pydra was imported into before the fork."""
    script, cache = tmp_path / "killed.py", tmp_path / "cache"
    script.write_text(KILLED)
    environment = os.environ | {"NO_ET": "1"}
    subprocess.run(
        [sys.executable, str(script), str(cache)],
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    good = list(cache.glob("python-*/_result.pklz"))
    still(cache.is_dir() and not good, "the others live on", "the second try, alone, of engine/pool.py")


@pytest.mark.parametrize("signature", ["", "4242\nanother-host\n"])
def test_old_locks_without_owner_or_of_another_machine_are_waited_for(tmp_path: Path, signature: str) -> None:
    lock = tmp_path / "python-1.lock"
    lock.write_text(signature)
    os.utime(lock, (time.time() - 86400, time.time() - 86400))

    async def wait() -> bool:
        try:
            await asyncio.wait_for(PydraFileLock(lock).__aenter__(), timeout=0.3)
        except TimeoutError:
            return True
        return False

    code = (
        "engine/journal.py and remove_unfinished" if signature else "remove_unsigned_locks of engine/pool.py"
    )
    still(asyncio.run(wait()), f"an old lock signed {signature!r} is broken", code)


def test_results_are_read_from_disk_for_every_input_that_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load = pydra_job.load_result

    def counting(checksum: str, *more: Any, **options: Any) -> Any:
        result = load(checksum, *more, **options)
        read.extend([checksum] * (result is not None))
        return result

    monkeypatch.setattr(pydra_job, "load_result", counting)
    assert run(ReadThrice(number=1), tmp_path / "cache").outputs.out == 6
    most = max(read.count(checksum) for checksum in read)
    still(most > 3, "a result stays in memory", "_cached_result in engine/pool.py")


def test_there_is_no_worker_dask() -> None:
    still(
        "dask" not in base.Worker.available_plugins(),
        "it brings one",
        "engine/dask_worker.py, if that suffices",
    )


def test_worker_slurm_asks_an_accounting_daemon_and_requeues_cancelled_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of Slurm are played: a job that was cancelled, by whomever."""
    calls: list[str] = []
    answers = {"sbatch": "Submitted batch job 7", "squeue": "", "sacct": "7  CANCELLED  0:15", "scontrol": ""}

    class Over(Exception):
        pass

    async def answer(command: str, *_: Any, **__: Any) -> tuple[int, str, str]:
        calls.append(command)
        if command == "scontrol":
            raise Over
        return 0, answers[command], ""

    monkeypatch.setattr(base, "read_and_display_async", answer)
    with Submitter(cache_root=tmp_path / "cache", worker=Elsewhere()) as submit:
        job = pydra_job.Job(Double(number=1), submitter=submit, name="double")
        with pytest.raises(Over):
            asyncio.run(SlurmWorker().run(job))
    still(
        calls == ["sbatch", "squeue", "sacct", "scontrol"],
        "it does neither",
        "engine/slurm, as far as that suffices",
    )


# ---------------------------------------------------------------- graphs of many scans


def test_a_graph_looks_at_all_its_nodes_whenever_one_of_them_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = NodeExecution.update_status

    def counting(node: Any) -> None:
        nonlocal looks
        looks += 1
        look(node)

    monkeypatch.setattr(NodeExecution, "update_status", counting)
    found = []
    for count in (8, 24):
        looks = 0
        run(Doubles(count=count), tmp_path / f"cache-{count}", OneByOne)
        found.append(looks)
    still(
        found[1] > 5 * found[0],
        f"three times the nodes cost {found} looks",
        "run_side_by_side of engine/submission.py",
    )


def test_graphs_are_kept_when_they_are_done(tmp_path: Path) -> None:
    run(Doubles(count=1), tmp_path / "cache")
    still(
        bool(Workflow._constructed_cache),
        "they are forgotten",
        "Workflow.clear_cache in engine/submission.py",
    )


def test_a_graph_leaves_its_driver_in_its_own_folder_while_it_runs(tmp_path: Path) -> None:
    """Where two of them are open, the later one takes the earlier one's folder for home."""
    seen: list[str] = []

    class Watching(Elsewhere):
        async def run(self, job: Any, rerun: bool = False) -> Any:
            seen.append(os.getcwd())
            return await super().run(job, rerun)

    home = os.getcwd()
    with Submitter(cache_root=tmp_path / "cache", worker=Watching()) as submit:
        submit(Doubles(count=1))
    still(seen != [home], "the folder stays", "os.chdir in engine/submission.py")


# ---------------------------------------------------------------- what a run leaves in the cache


def test_failures_are_replayed(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    assert run(OneFlaky(marker=str(marker)), tmp_path / "cache").errored
    marker.touch()
    Workflow.clear_cache()  # another process
    again = run(OneFlaky(marker=str(marker)), tmp_path / "cache")
    still(again.errored, "a graph that failed is run again", "the search for _error.pklz in engine/sweep.py")


def test_an_interrupted_stage_has_a_result_without_outputs(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Interrupted(number=1), tmp_path / "cache")
    again = None
    with contextlib.suppress(KeyboardInterrupt):
        again = run(Interrupted(number=1), tmp_path / "cache")
    fault = again is not None and not again.errored and again.outputs is None
    still(fault, "it is run again", "the look at outputs in engine/sweep.py")


def test_deleted_outputs_are_not_noticed(tmp_path: Path) -> None:
    first = Path(run(Write(number=1), tmp_path / "cache").outputs.out)
    first.unlink()
    again = run(Write(number=1), tmp_path / "cache")
    still(
        not again.errored and not first.exists(),
        "the stage is run again",
        "the look at files in engine/sweep.py",
    )


def test_the_cache_keeps_the_stages_of_a_graph_that_is_done(tmp_path: Path) -> None:
    run(Doubles(count=2), tmp_path / "cache")
    left = len(list((tmp_path / "cache").glob("python-*/_result.pklz")))
    options = set(inspect.signature(Submitter.__init__).parameters)
    known = {"cache_root", "clean_stale_locks", "readonly_caches"}
    still(
        left == 2 and {name for name in options if "cache" in name or "clean" in name} == known,
        "it can be told to clean up",
        "engine/cleaning.py",
    )


# ---------------------------------------------------------------- keys


def helper() -> int:
    return 1


@python.define(outputs={"out": int})
def UsesHelper(number: int) -> int:
    return number + helper()


def test_the_key_of_a_task_covers_its_own_source_only(monkeypatch: pytest.MonkeyPatch) -> None:
    before = UsesHelper(number=1)._checksum
    monkeypatch.setattr(sys.modules[__name__], "helper", lambda: 2)
    still(
        UsesHelper(number=1)._checksum == before,
        "it covers what the function calls",
        "source_of in interfaces/task.py",
    )


def test_a_path_is_known_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("before")
    before = hash_function(path)
    path.write_text("after")
    still(
        hash_function(path) == before,
        "its content counts",
        "the change of Path to File in interfaces/task.py",
    )


def test_a_hash_costs_a_lock_and_a_file_and_waits_for_locks_of_the_dead(tmp_path: Path) -> None:
    during: list[str] = []

    def calculate() -> bytes:
        during.extend(path.suffix for path in (tmp_path / "h").iterdir())
        return b"hash"

    PersistentCache(tmp_path / "h").get_or_calculate_hash(("file", 1), calculate)
    fault = during == [".lock"] and len(list((tmp_path / "h").iterdir())) == 1
    still(fault, "it does not", "content_of in interfaces/task.py and _sweep_hashes in engine/sweep.py")


def test_classes_of_tasks_are_pickled_whole() -> None:
    def doubled(number: int) -> int:
        return 2 * number

    made = python.define(doubled, outputs={"out": int})
    still(made.__module__ != __name__, "they are pickled by name", "by_reference in interfaces/task.py")


def test_pydras_workers_cannot_be_imported_before_its_jobs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from pydra.workers import base"], capture_output=True, check=False,
        env=os.environ | {"NO_ET": "1"},
    )  # fmt: skip
    still(done.returncode != 0, "they can", "the comments beside 'from pydra.engine.job import Job'")


def test_the_document_lists_every_fault() -> None:
    text = (Path(__file__).parents[3] / "docs" / "engine.md").read_text(encoding="utf-8")
    faults = {name for name in globals() if name.startswith("test_")} - {
        "test_the_document_lists_every_fault"
    }
    assert {name for name in faults if f"`{name}`" not in text} == set()
