"""Failed, interrupted and half-made results go; good ones and those of a run beside stay."""

from __future__ import annotations

import multiprocessing as mp
import os
import shutil
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import cloudpickle as cp
import pytest
import trivial
from fake_slurm import FakeSlurm
from fileformats.generic import File
from pydra.engine.submitter import Submitter

from gliomorph.interfaces.scan.n4 import N4
from gliomorph.interfaces.scan.records import BiasInfo, WarpedFiles
from gliomorph.interfaces.scan.warp import Warp
from gliomorph.workflows.engine.progress import StageEvent
from gliomorph.workflows.engine.slurm.commands import SlurmError
from gliomorph.workflows.engine.slurm.folder import JobFolder, Record
from gliomorph.workflows.engine.sweep import sweep, swept


def outputs_of(**values: Any) -> Any:
    """As those of Pydra's tasks: a class of attrs, with slots."""
    return attrs.make_class("Outputs", list(values))(**values)


def result(cache: Path, name: str, *, errored: bool = False, **values: Any) -> Path:
    folder = cache / name
    folder.mkdir(parents=True)
    outputs = values["outputs"] if "outputs" in values else outputs_of(**values or {"out": 1})
    (folder / "_result.pklz").write_bytes(cp.dumps(SimpleNamespace(errored=errored, outputs=outputs)))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """One result of every sort, and a lock."""
    root = tmp_path / "cache"
    file = tmp_path / "file.nii.gz"
    file.write_bytes(b"voxels")
    empty = tmp_path / "empty.nii.gz"
    empty.touch()
    gone = tmp_path / "gone.nii.gz"
    result(root, "python-good", image=file, files={"a": [file]})
    result(root, "python-failed", errored=True)
    result(root, "python-interrupted", outputs=None)
    result(root, "python-gone", image=gone)
    result(root, "python-emptied", image=empty)
    result(root, "python-gonewithin", files={"a": [file, gone]})
    result(root, "python-gonerecord", files=[outputs_of(image=gone)])
    (result(root, "python-error") / "_error.pklz").touch()
    (result(root, "python-cut") / "_result.pklz").write_bytes(b"\x80\x05half")
    (root / "python-started").mkdir()
    (root / "templates").mkdir()
    (root / "python-good.lock").touch()
    (root / "python-good_info.json").touch()
    return root


BAD = {"failed", "interrupted", "gone", "gonewithin", "gonerecord", "emptied", "error", "cut"}


def left(cache: Path) -> set[str]:
    return {path.name.removeprefix("python-") for path in cache.iterdir()}


def test_alone_all_left_overs_go(cache: Path) -> None:
    assert sweep(cache, alone=True) == len(BAD) + 1
    assert left(cache) == {"good", "templates"}


def test_beside_another_run_its_locks_and_running_stages_stay(cache: Path) -> None:
    assert sweep(cache, alone=False) == len(BAD)
    assert left(cache) == {"good", "started", "templates", "good.lock", "good_info.json"}


def test_sweeping_twice_changes_nothing_more(cache: Path) -> None:
    sweep(cache, alone=True)
    assert sweep(cache, alone=True) == 0


def test_good_results_are_read_once_and_their_files_looked_for_every_time(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(cache, alone=True)
    read: list[bytes] = []
    monkeypatch.setattr("gliomorph.workflows.engine.sweep.cp.loads", read.append)
    assert sweep(cache, alone=False) == 0
    assert read == []
    (cache.parent / "file.nii.gz").unlink()
    assert sweep(cache, alone=False) == 1
    assert "good" not in left(cache)


def test_result_that_is_written_anew_is_read_anew(cache: Path) -> None:
    sweep(cache, alone=True)
    path = cache / "python-good" / "_result.pklz"
    path.write_bytes(cp.dumps(SimpleNamespace(errored=True, outputs=None)))
    os.utime(path, ns=(1, 1))
    assert sweep(cache, alone=False) == 1


def test_missing_cache_is_made(tmp_path: Path) -> None:
    with swept(tmp_path / "new" / "cache") as hold:
        assert hold.dropped == 0
        assert (tmp_path / "new" / "cache").is_dir()


def test_real_results_stay_and_real_failures_go(tmp_path: Path) -> None:
    for task in (trivial.Double(number=2), trivial.Fail(number=2)):
        with Submitter(cache_root=tmp_path, worker="debug") as submit:
            submit(task, raise_errors=False)
    before = sorted(path.name for path in tmp_path.glob("python-*/"))
    assert len(before) == 2
    assert sweep(tmp_path, alone=True) == 1
    (kept,) = tmp_path.glob("python-*/")
    assert cp.loads((kept / "_result.pklz").read_bytes()).outputs.out == 4


def test_real_results_go_with_any_of_their_files(tmp_path: Path) -> None:
    images = [tmp_path / f"{name}.nii.gz" for name in "ab"]
    for image in images:
        image.write_bytes(b"voxels")
    required = [field.name for field in attrs.fields(WarpedFiles) if field.default is attrs.NOTHING]
    files = WarpedFiles(**dict.fromkeys(required, images[0]) | {"warped": images[1]})
    cache = tmp_path / "cache"
    result(
        cache,
        "python-n4",
        outputs=N4.Outputs(image=File(images[0]), info=BiasInfo(bias_min=0.9, bias_max=1.1)),
    )
    result(cache, "python-warp", outputs=Warp.Outputs(files=files))
    assert sweep(cache, alone=True) == 0
    images[1].unlink()
    assert sweep(cache, alone=True) == 1
    assert left(cache) == {"n4"}
    images[0].write_bytes(b"")
    assert sweep(cache, alone=True) == 1


def _hold(cache: str, ready: Any, leave: Any) -> None:
    with swept(Path(cache)):
        ready.set()
        leave.wait(60)


def test_locks_go_only_when_no_other_process_holds_the_cache(cache: Path) -> None:
    context = mp.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(str(cache), ready, leave))
    other.start()
    try:
        assert ready.wait(60)
        lock = cache / "python-theirs.lock"
        lock.touch()
        (cache / "python-theirs").mkdir()
        with swept(cache):
            assert lock.exists()
            assert (cache / "python-theirs").exists()
        # leaving does not take the other's hold away
        with swept(cache):
            assert lock.exists()
    finally:
        leave.set()
        other.join(60)
    assert other.exitcode == 0
    with swept(cache):
        assert not lock.exists()
        assert not (cache / "python-theirs").exists()


def test_second_run_keeps_its_hold_after_the_first_has_left(cache: Path) -> None:
    first, second, third = swept(cache), swept(cache), swept(cache)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    lock = cache / "python-ours.lock"
    lock.touch()
    with third:
        assert lock.exists()
    second.__exit__(None, None, None)


def test_hashes_go_when_alone(cache: Path) -> None:
    """A killed process' lock would keep Pydra waiting for ever; a changed file with its old time has an old hash."""
    hashes = cache.with_name("hashes")
    hashes.mkdir()
    (hashes / "a").write_bytes(b"0" * 16)
    for name in ("b.lock", "b"):
        (hashes / name).touch()
    sweep(cache, alone=False)
    assert {path.name for path in hashes.iterdir()} == {"a", "b", "b.lock"}
    sweep(cache, alone=True)
    assert list(hashes.iterdir()) == []


def test_result_that_another_run_is_writing_is_not_taken_for_one_cut_short(cache: Path) -> None:
    (cache / "python-cut.lock").write_text(f"{os.getppid()}\n{socket.gethostname()}\n")
    assert sweep(cache, alone=False) == len(BAD) - 1
    assert (cache / "python-cut").exists()
    assert (cache / "python-cut.lock").exists()


def test_what_jobs_of_a_dead_driver_work_on_stays(cache: Path) -> None:
    (cache / "python-started.lock").touch()
    (cache / "python-started_save.lock").touch()
    assert sweep(cache, alone=True, running=lambda: {"python-started"}) == len(BAD)
    started = {"started", "started.lock", "started_save.lock", "good_info.json"}
    assert left(cache) == {"good", "templates", *started}


def test_locks_made_while_running_jobs_are_asked_for_stay(cache: Path) -> None:
    def running() -> set[str]:
        (cache / "python-new.lock").touch()
        (cache / "python-new").mkdir()
        return set()

    sweep(cache, alone=True, running=running)
    assert {"new", "new.lock"} <= left(cache)


def test_run_after_a_dead_driver_sweeps_around_its_jobs(cache: Path, fake_slurm: FakeSlurm) -> None:
    folder = JobFolder(cache / "slurm" / "workflow-a")
    folder.path.mkdir(parents=True)
    folder.remember(Record(name="alive", job="1", node="sub-1"))
    folder.tell("1", StageEvent(kind="start", stage="brain", scan="sub-1", key="python-started"))
    (fake_slurm.folder / "job-1.json").write_text(
        '{"id": "1", "name": "alive", "state": "RUNNING", "code": ""}'
    )
    with swept(cache):
        assert (cache / "python-started").exists()
        assert not (cache / "python-good.lock").exists()


def test_run_where_jobs_may_be_and_slurm_is_not_says_what_to_do(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = JobFolder(cache / "slurm" / "workflow-a")
    folder.path.mkdir(parents=True)
    folder.remember(Record(name="alive", job="1", node="sub-1"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        SlurmError, match=r"Slurm cannot be asked .*if no job is left, remove the folder slurm"
    ):
        swept(cache).__enter__()


def test_only_the_last_run_removes_the_cache(cache: Path) -> None:
    first, second = swept(cache), swept(cache)
    hold = first.__enter__()
    other = second.__enter__()
    assert not hold.remove_if_last()
    first.__exit__(None, None, None)
    assert cache.exists()
    assert other.remove_if_last()
    assert not cache.exists()
    second.__exit__(None, None, None)


def test_run_that_starts_while_the_cache_is_removed_makes_a_new_one(cache: Path) -> None:
    first = swept(cache)
    hold = first.__enter__()
    started: list[bool] = []

    def start() -> None:
        with swept(cache):
            started.append((cache / ".in-use").exists())

    assert hold.remove_if_last()
    other = threading.Thread(target=start)
    other.start()
    other.join(10)
    first.__exit__(None, None, None)
    assert started == [True]


def test_run_whose_cache_goes_while_mkdir_looks_at_it_makes_a_new_one(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a folder is there and then is not, ``Path.mkdir(exist_ok=True)`` says that a file is in its place."""
    make = os.mkdir

    def gone_meanwhile(path: Path, *mode: int) -> None:
        monkeypatch.setattr(os, "mkdir", make)
        shutil.rmtree(cache)
        raise FileExistsError(path)

    monkeypatch.setattr(os, "mkdir", gone_meanwhile)
    with swept(cache) as hold:
        assert hold.dropped == 0
        assert left(cache) == {".in-use"}


def test_file_or_dead_link_in_place_of_the_cache_is_an_error(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to("nowhere")
    for path in (file, link):
        with pytest.raises(FileExistsError, match=path.name):
            swept(path).__enter__()


def test_the_lock_of_a_cache_is_the_last_to_be_removed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that starts meanwhile waits for it; without it, it would find and use folders that are going."""
    remove, before = shutil.rmtree, []

    def recorded(path: Path, *args: Any, **options: Any) -> None:
        before.append(left(cache))
        remove(path, *args, **options)

    with swept(cache) as hold:
        monkeypatch.setattr(shutil, "rmtree", recorded)
        assert hold.remove_if_last()
    assert len(before) > 1
    assert all(".in-use" in names for names in before)
    assert before[-1] == {".in-use"}


def test_many_runs_at_once_on_one_cache_do_not_meet(tmp_path: Path) -> None:
    """Each makes, uses and removes it; nobody finds it gone while it is held."""
    cache, errors = tmp_path / "cache", []

    def start(number: int) -> None:
        try:
            for _ in range(20):
                with swept(cache) as hold:
                    (cache / f"mine-{number}.txt").write_text("here")
                    assert (cache / f"mine-{number}.txt").read_text() == "here"
                    hold.remove_if_last()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
