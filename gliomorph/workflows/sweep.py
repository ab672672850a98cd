"""The work directory before a run: failed and interrupted results go, finished ones stay.

Pydra replays a stored failure, and keeps what Ctrl-C left as a result without outputs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cloudpickle as cp


def sweep(cache: Path, alone: bool) -> int:
    """Remove results that failed or never finished.

    Parameters
    ----------
    cache : Path
        Pydra's cache folder.
    alone : bool
        No other run uses it: locks and half-made folders are then left-overs and go too.

    Returns
    -------
    dropped : int
        Number of results removed.
    """
    dropped = 0
    if alone:
        for lock in cache.glob("*.lock"):
            lock.unlink(missing_ok=True)
        for info in cache.glob("*_info.json"):
            info.unlink(missing_ok=True)
        _sweep_hashes(cache.with_name("hashes"))
    for folder in cache.glob("*-*/"):
        if _is_bad(folder, alone):
            shutil.rmtree(folder, ignore_errors=True)
            dropped += 1
    return dropped


def _sweep_hashes(folder: Path) -> None:
    """Pydra's hash cache (``PYDRA_HASH_CACHE``): a process killed while hashing leaves a lock that hangs all others.

    Hashes go by a file's time: one that was replaced and has its old time, as after ``rsync -t`` or with a clock that
    was set back, would be taken for what it was before.
    """
    for path in folder.glob("*"):
        if path.is_file():
            path.unlink(missing_ok=True)


def _is_bad(folder: Path, alone: bool) -> bool:
    if (folder / "_error.pklz").exists():
        return True
    result = folder / "_result.pklz"
    if not result.exists():
        return alone
    try:
        stored = cp.loads(result.read_bytes())
    except Exception:  # a file cut short, or of another version: any reason is one to compute it again
        return True
    return bool(stored.errored) or stored.outputs is None or not _outputs_exist(stored.outputs)


def _outputs_exist(outputs: object) -> bool:
    """Whether every file that a stored result names is still there, and not empty as a machine that stops leaves it."""
    values = list(vars(outputs).values()) if hasattr(outputs, "__dict__") else []
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += value.values()
        elif isinstance(value, (list, tuple)):
            values += value
        elif isinstance(value, os.PathLike) and not (Path(value).exists() and Path(value).stat().st_size):
            return False
    return True


@contextlib.contextmanager
def swept(cache: Path) -> Iterator[int]:
    """Hold the cache for the time of a run, swept; several runs may hold it, only the first one removes locks.

    Yields
    ------
    dropped : int
        Number of results removed.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".in-use").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            dropped = sweep(cache, alone=True)
        except BlockingIOError:
            dropped = sweep(cache, alone=False)
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield dropped
