"""The work directory before a run: failed and interrupted results go, finished ones stay.

Pydra replays the stored failure of a graph, takes what Ctrl-C left for a result, and does not notice that files are
gone: ``test_failures_are_replayed``, ``test_an_interrupted_stage_has_a_result_without_outputs``,
``test_deleted_outputs_are_not_noticed``.

Several runs may share a work directory, on several machines: each holds it by a lock of the file system (``flock``),
and the first one alone removes what others may have left.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import attrs
import cloudpickle as cp
from filelock import SoftFileLock, Timeout

from ...interfaces.files.images import write_text
from ...interfaces.files.locks import lock
from .cleaning import remove_unfinished
from .journal import left_unfinished
from .slurm.commands import SlurmError
from .slurm.folder import live_folders

IN_USE = ".in-use"
"""The file of a cache whose lock every run there holds."""
NOTE = "_outputs.json"
"""In a good result's folder: the files that it names."""


def sweep(cache: Path, alone: bool, running: Callable[[], set[str]] = set) -> int:
    """Remove results that failed or never finished.

    Parameters
    ----------
    cache : Path
        Pydra's cache folder.
    alone : bool
        No other run uses it: locks and half-made folders are then left-overs and go too.
    running : callable
        Gives the keys of what jobs of a dead driver work on all the same: these stay.

    Returns
    -------
    dropped : int
        Number of results removed.
    """
    locks, folders = list(cache.glob("*.lock")), list(cache.glob("*-*/"))
    # only now: what a job has begun by then it has reported, and what it begins later is not listed
    kept = running()
    if not alone:
        remove_unfinished(cache, left_unfinished(cache) - kept)
        return sum(_drop_if_bad(folder) for folder in folders if folder.name not in kept)
    for path in locks:
        if path.stem.removesuffix("_save") not in kept:
            path.unlink(missing_ok=True)
    if not kept:
        for info in cache.glob("*_info.json"):
            info.unlink(missing_ok=True)
    _sweep_hashes(cache.with_name("hashes"))
    left_unfinished(cache)
    bad = [folder for folder in folders if folder.name not in kept and _is_bad(folder, True)]
    for folder in bad:
        shutil.rmtree(folder, ignore_errors=True)
    return len(bad)


def _drop_if_bad(folder: Path) -> bool:
    """Remove a result that failed unless another run is at it: one that is being written looks like one cut short."""
    if not _is_bad(folder, False):
        return False
    with contextlib.suppress(Timeout), SoftFileLock(folder.with_suffix(".lock"), timeout=0):
        if _is_bad(folder, False):
            shutil.rmtree(folder, ignore_errors=True)
            return True
    return False


def _sweep_hashes(folder: Path) -> None:
    """Empty Pydra's hash cache (``PYDRA_HASH_CACHE``).

    A process killed while hashing leaves a lock that hangs all others:
    ``test_a_hash_costs_a_lock_and_a_file_and_waits_for_locks_of_the_dead``.
    Hashes go by a file's time: one that was replaced and has its old time, as after ``rsync -t`` or with a clock that
    was set back, would be taken for what it was before.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink(missing_ok=True)


def _is_bad(folder: Path, alone: bool) -> bool:
    if (folder / "_error.pklz").exists():
        return True
    result = folder / "_result.pklz"
    if not result.exists():
        return alone
    outputs = _outputs(result)
    return outputs is None or not all(_is_whole(Path(path)) for path in outputs)


def _is_whole(path: Path) -> bool:
    """Whether an output is there, and not empty as a machine that stops leaves a file."""
    try:
        return path.is_dir() or path.stat().st_size > 0
    except OSError:
        return False


def _outputs(result: Path) -> list[str] | None:
    """Files that a stored result names; None if it failed, was interrupted or cannot be read.

    They are noted beside it: to read a result takes some milliseconds, and a cohort has thousands.
    """
    note = result.with_name(NOTE)
    try:
        written = result.stat().st_mtime_ns
    except FileNotFoundError:  # another run has just removed it
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["written"] == written:
            return list(known["outputs"])
    try:
        stored = cp.loads(result.read_bytes())
    except Exception:  # a file cut short, or of another version: any reason is one to compute it again
        return None
    if stored.errored or stored.outputs is None:
        return None
    outputs = list(_paths_of(stored.outputs))
    with contextlib.suppress(OSError):
        write_text(json.dumps({"written": written, "outputs": outputs}), note)
    return outputs


def _paths_of(outputs: Any) -> Iterator[str]:
    """Every path in the values of a task's outputs, at any depth."""
    values = [outputs]
    while values:
        value = values.pop()
        if isinstance(value, os.PathLike):
            yield os.fspath(value)
        elif isinstance(value, dict):
            values += value.values()
        elif isinstance(value, (list, tuple)):
            values += value
        elif attrs.has(type(value)):
            values += [getattr(value, field.name) for field in attrs.fields(type(value))]


@attrs.frozen
class Hold:
    """A cache that a run holds."""

    cache: Path
    dropped: int
    """Results that were removed at the beginning."""
    _handle: IO[str]

    def remove_if_last(self) -> bool:
        """Remove the cache, unless another run or a Slurm job uses it.

        Returns
        -------
        removed : bool
        """
        try:
            if lock(self._handle, wait=False) != "held" or live_folders(self.cache):
                return False
        except (OSError, SlurmError):
            return False
        # the lock goes last: who comes meanwhile waits for it, and finds nothing half removed
        for path in self.cache.iterdir():
            if path.name != IN_USE:
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(self.cache, ignore_errors=True)
        return True


@contextlib.contextmanager
def swept(cache: Path) -> Iterator[Hold]:
    """Hold the cache for the time of a run, swept; several runs may hold it, only the first one removes locks.

    Yields
    ------
    hold : Hold

    Raises
    ------
    SlurmError
        Jobs of an earlier run may still be at work there, and Slurm cannot be asked.
    """
    handle, alone = _held(cache)
    with handle:
        if alone:
            dropped = sweep(cache, True, lambda: _in_slurm(cache))
            lock(handle, shared=True)
        else:
            # one after the other: what one tidies another may begin
            with (cache / ".sweeping").open("w") as turn:
                lock(turn)
                dropped = sweep(cache, False, lambda: _in_slurm(cache))
        yield Hold(cache, dropped, handle)


@contextlib.contextmanager
def shared(cache: Path) -> Iterator[None]:
    """Hold a cache that a run holds already, from another process: it stays held if that run is killed."""
    with (cache / IN_USE).open("w") as handle:
        lock(handle, shared=True)
        yield


def _held(cache: Path) -> tuple[IO[str], bool]:
    """The cache's lock, and whether nobody else has it. Who comes second waits until the first one has swept."""
    path = cache / IN_USE
    while True:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            handle = path.open("w")
        except (FileExistsError, FileNotFoundError):
            if cache.is_file() or cache.is_symlink():
                raise
            continue  # the last run removes the cache at this moment, maybe while mkdir looks what is there
        # others may be there where the file system has no locks
        alone = lock(handle, wait=False) == "held"
        if not alone:
            lock(handle, shared=True)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), path.stat()):
                return handle, alone
        handle.close()


def _in_slurm(cache: Path) -> set[str]:
    """Keys of what Slurm jobs of earlier drivers have begun and not ended."""
    try:
        return {key for folder, _ in live_folders(cache) for key in folder.unfinished()}
    except SlurmError as error:
        raise SlurmError(
            f"jobs of an earlier run may still work in {cache}, and Slurm cannot be asked ({error}): start this run "
            "where Slurm is; if no job is left, remove the folder slurm there"
        ) from error
