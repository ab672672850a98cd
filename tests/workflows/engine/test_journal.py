"""Journals: of live runs they are left alone, of dead ones they tell what to tidy up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trivial

from gliomorph.workflows.engine.journal import FOLDER, journal, left_unfinished
from gliomorph.workflows.engine.pool import PoolWorker
from gliomorph.workflows.engine.submission import submitting
from gliomorph.workflows.engine.sweep import swept

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # event loops that pydra leaves open


def dead_journal(cache: Path, text: str) -> Path:
    """The journal of a run which was killed."""
    path = cache / FOLDER / "0123456789abcdef"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_dead_run_has_left_what_it_began_and_did_not_end(tmp_path: Path) -> None:
    path = dead_journal(tmp_path, "+python-a\n+python-b\n-python-a\n+python-c")
    assert left_unfinished(tmp_path) == {"python-b"}  # the last line was cut short: nothing had begun
    assert not path.exists()
    assert left_unfinished(tmp_path) == set()


def test_live_run_has_left_nothing(tmp_path: Path) -> None:
    with journal(tmp_path) as ours:
        ours.begin("python-a")
        assert left_unfinished(tmp_path) == set()
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_run_that_is_interrupted_leaves_its_journal(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), journal(tmp_path) as ours:
        ours.begin("python-a")
        raise KeyboardInterrupt
    assert left_unfinished(tmp_path) == {"python-a"}


def test_locks_of_a_run_killed_on_another_machine_go_beside_live_runs(tmp_path: Path) -> None:
    """A task of an array that is started again elsewhere would wait for its first attempt for ever."""
    cache = tmp_path / "cache"
    with swept(cache), journal(cache) as live:
        live.begin("python-theirs")
        for name in ("python-ours", "python-theirs"):
            (cache / name).mkdir()
            (cache / f"{name}.lock").write_text("4242\nelsewhere\n")
        dead_journal(cache, "+python-ours\n")
        with swept(cache):
            assert not (cache / "python-ours.lock").exists()
            assert not (cache / "python-ours").exists()
            assert (cache / "python-theirs.lock").exists()
            assert (cache / "python-theirs").exists()


def test_pool_tells_of_graphs_and_stages_and_ends_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        "gliomorph.workflows.engine.journal.Journal._write", lambda _, line: told.append(line)
    )
    graph = trivial.Chains(bad={"sub-1": "no"}, marker="")
    with submitting(tmp_path, PoolWorker(n_procs=1)) as submit:
        assert not submit(graph, raise_errors=False).errored
    begun = [line[1:] for line in told if line[0] == "+"]
    assert len(begun) == 4  # the cohort, its scan, two stages
    assert sorted(begun) == sorted(line[1:] for line in told if line[0] == "-")
    assert {key.split("-")[0] for key in begun} == {"workflow", "python"}
    assert list((tmp_path / FOLDER).iterdir()) == []


KILLED = """
import sys, trivial
from pathlib import Path
from gliomorph.workflows.engine.sweep import swept
from gliomorph.workflows.engine.pool import PoolWorker
from gliomorph.workflows.engine.submission import submitting
if __name__ == "__main__":
    root = Path(sys.argv[1])
    with swept(root / "cache"), submitting(root / "cache", PoolWorker(n_procs=2)) as submit:
        submit(trivial.Waiters(folder=sys.argv[1]))
"""


def test_stages_of_a_killed_run_are_known_to_the_next(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment)
    deadline = time.monotonic() + 120  # interpreters that import pydra; machines differ
    while len(list(tmp_path.glob("begun-*"))) < 2 and time.monotonic() < deadline:
        assert run.poll() is None, "the run ended by itself"
        time.sleep(0.1)
    run.send_signal(signal.SIGKILL)
    run.wait()
    cache = tmp_path / "cache"
    locks = [path for path in cache.glob("*.lock") if not path.name.endswith("_save.lock")]
    assert len(locks) == 3
    assert left_unfinished(cache) == {lock.stem for lock in locks}
