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
    """Memory this process may still use, in GB: what the machine has free, within what the cgroup (v2) leaves."""
    import psutil

    free = psutil.virtual_memory().available
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
    except (OSError, ValueError):  # no such group, or "max"
        return free / 1e9
    return max(0, min(free, limit - _in_use(group))) / 1e9


def _in_use(group: Path) -> int:
    """Bytes that a cgroup holds and will not give up on demand, as it would files that were not read lately."""
    try:
        current = int((group / "memory.current").read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return current - int(stat.get("inactive_file", 0))
    except (OSError, ValueError):
        return 0


def free_gb(device: str) -> float:
    """Memory that is free on ``cpu`` or ``cuda``, in GB."""
    if device == "cpu":
        return available_memory_gb()
    import torch

    return torch.cuda.mem_get_info()[0] / 1e9
