"""What Slurm has given to this process' job, by its environment: nothing outside a job."""

from __future__ import annotations

import os

GB_PER_MB = 1024**2 / 1e9
"""Slurm counts memory in MiB and calls them MB."""


def allotted_cpus() -> int | None:
    """CPUs of the job on this node: those of its task where they were asked for, else all."""
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        if (number := _number(name)) is not None:
            return number
    return None


def allotted_memory_gb() -> float | None:
    """Memory of the job on this node in GB, where it has a limit."""
    if (per_node := _number("SLURM_MEM_PER_NODE")) is not None:
        return per_node * GB_PER_MB
    per_cpu, cpus = _number("SLURM_MEM_PER_CPU"), _number("SLURM_CPUS_ON_NODE") or allotted_cpus()
    return per_cpu * cpus * GB_PER_MB if per_cpu is not None and cpus is not None else None


def _number(name: str) -> int | None:
    """A positive number from the environment; ``--mem=0``, all of a node, is no limit."""
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() and int(text) > 0 else None
