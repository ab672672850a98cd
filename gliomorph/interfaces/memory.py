"""Memory: what there is, and the peak of one stage inside a process that runs many."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path


def reset_peak() -> None:
    """Forget this process' peak, so that the next reading is that of what follows (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_gb() -> float:
    """Peak resident memory in GB since :func:`reset_peak`, or of the process where that has no effect."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        line = next(line for line in lines if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def available_memory_gb() -> float:
    """Memory this process may use, in GB: what the machine has free, within the cgroup's limit."""
    import psutil

    free = psutil.virtual_memory().available
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        return (free if limit == "max" else min(free, int(limit))) / 1e9
    except (OSError, ValueError):
        return free / 1e9


def free_gb(device: str) -> float:
    """Memory that is free on ``cpu`` or ``cuda``, in GB."""
    if device == "cpu":
        return available_memory_gb()
    import torch

    return torch.cuda.mem_get_info()[0] / 1e9
