"""Environment of this process and its children: set once, before anything heavy is imported."""

from __future__ import annotations

import atexit
import gc
import getpass
import logging
import os
import socket
from pathlib import Path

ALLOCATOR = {
    # glibc maps and unmaps every large tensor otherwise, which costs more than the arithmetic on CPU
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)

LOG_LEVEL = "GLIOMORPH_LOG_LEVEL"
"""Names the level at which stages write to the log; nothing is written without it."""


def collect_rarely() -> None:
    """Search for garbage rarely, and not once more at the end: a fifth of the time that a process starts and ends.

    Imports make a million objects that all stay. What is no part of a cycle goes at once all the same.
    """
    gc.set_threshold(10_000)
    atexit.register(gc.freeze)


def start_logging() -> None:
    """In a child: write the stages' log to standard error, where the environment asks for one."""
    if level := os.environ.get(LOG_LEVEL):
        logging.basicConfig(format="%(asctime)s %(name)s %(message)s", datefmt="%H:%M:%S")
        logging.getLogger("gliomorph").setLevel(level)


def name_user() -> None:
    """Where the system does not know the user, as in a container, give a name, and a home that is not there.

    Pydra and pybids ask for them when they are imported, and fail without an answer; Nipype would write to a
    folder ``~`` in the current one. The home is the one that Debian gives to users without.
    """
    if not os.path.isabs(os.path.expanduser("~")):
        os.environ["HOME"] = "/nonexistent"
    try:
        getpass.getuser()
    except (KeyError, OSError):  # the one before Python 3.13, the other since
        os.environ["LOGNAME"] = f"uid{os.getuid()}"


def template_folders() -> tuple[Path, ...]:
    """Folders named in ``GLIOMORPH_TEMPLATES``, separated as in ``PATH``."""
    named = os.environ.get("GLIOMORPH_TEMPLATES", "")
    return tuple(Path(part) for part in named.split(os.pathsep) if part)


def prepare_environment(work_dir: Path, threads: int, gpu_slots: int = 1) -> None:
    """Keep every cache and temporary file in the work directory, and set the threads of children.

    Parameters
    ----------
    work_dir : Path
        Made if missing.
    threads : int
        Of each worker process.
    gpu_slots : int
        Stages on one GPU at a time.
    """
    from .interfaces.machine.device import GPU_SLOTS

    scratch = work_dir / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "TMPDIR": str(scratch),
        "MPLCONFIGDIR": str(scratch / "matplotlib"),
        "MPLBACKEND": "Agg",
        "XDG_CACHE_HOME": str(scratch / "cache"),
        # of this machine: another one cannot tell that the owner of a lock there is no more, and would wait for ever
        "PYDRA_HASH_CACHE": str(work_dir / "hashes" / socket.gethostname()),
        GPU_SLOTS: str(gpu_slots),
        "NO_ET": "1",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "ignore"),
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin on a busy machine cost ten times the work
        **ALLOCATOR,
        **{name: str(threads) for name in THREADS},
    }
    logging.getLogger("pydra").setLevel(logging.CRITICAL)  # our own summary reports failures
    if not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ["HOME"] = str(scratch)
