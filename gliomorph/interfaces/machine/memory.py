"""Memory: what there is, and the peak of one stage inside a process that runs many."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

from .limits import System, memory_left

SYSTEM = System()
"""This machine."""


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


def available_memory_gb(system: System = SYSTEM) -> float:
    """Memory this process may still use, in GB: what the machine has free, within what its limits leave."""
    import psutil

    free, left = psutil.virtual_memory().available, memory_left(system)
    return (free if left is None else min(free, left)) / 1e9


def free_gb(device: str) -> float:
    """Memory that is free on ``cpu`` or a GPU of torch's, in GB."""
    if device == "cpu":
        return available_memory_gb()
    import torch

    return torch.cuda.mem_get_info(device)[0] / 1e9
