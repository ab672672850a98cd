"""What the system lets this process use: control groups, version 1 and 2, and the job of a Slurm cluster.

A process is in one group of each hierarchy, and every group above it limits it too. A container that sees the
machine's path of its group, and not the group there, finds its limits at the top.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

UNLIMITED = 1 << 60
"""Bytes: what version 1 writes for no limit is above."""


@attrs.frozen(kw_only=True)
class System:
    """Where limits are read."""

    membership: Path = Path("/proc/self/cgroup")
    """Names the groups of this process."""
    groups: Path = Path("/sys/fs/cgroup")
    """Where the hierarchies are mounted."""
    environment: Mapping[str, str] = attrs.field(factory=lambda: os.environ)
    """Slurm's variables count where there is a job."""


SYSTEM = System()
"""This machine."""


def cpu_limit(system: System) -> float | None:
    """CPUs that the groups and the job allow; None without a limit."""
    found = [*_quotas(system), *_slurm_cpus(system.environment)]
    return min(found, default=None)


def memory_left(system: System) -> int | None:
    """Bytes that the groups and the job leave; None without a limit.

    What a group holds and gives up on demand, files that were not read lately, counts as left.
    """
    found = [*_left_in_groups(system), *_slurm_memory(system.environment)]
    return min(found, default=None)


def _quotas(system: System) -> Iterator[float]:
    for group in _groups(system, "cpu"):
        try:
            quota, period = (group / "cpu.max").read_text().split()
        except (OSError, ValueError):
            quota, period = _word(group / "cpu.cfs_quota_us"), _word(group / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):  # neither "max" nor -1
            yield int(quota) / int(period)


def _left_in_groups(system: System) -> Iterator[int]:
    for group in _groups(system, "memory"):
        for limit, used, idle in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most = _word(group / limit)
            if most.isdigit() and int(most) < UNLIMITED:
                yield max(0, int(most) - _held(group, used, idle))


def _held(group: Path, used: str, idle: str) -> int:
    """Bytes that a group holds and will not give up."""
    try:
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int((group / used).read_text()) - int(stat.get(idle, 0))
    except (OSError, ValueError):
        return 0


def _groups(system: System, controller: str) -> Iterator[Path]:
    """This process' groups that a controller may limit, from its own one to the top of each hierarchy."""
    for names, path in _memberships(system.membership):
        if names and controller not in names.split(","):
            continue
        tops = [names, controller] if names else ["", "unified"]
        for top in dict.fromkeys(system.groups / name for name in tops):
            own = top / path.lstrip("/")
            yield from (
                group for group in (own, *own.parents) if group.is_relative_to(top) and group.is_dir()
            )


def _memberships(membership: Path) -> list[tuple[str, str]]:
    """Controllers and group of every hierarchy; version 2 names no controllers, and is all there is if unknown."""
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        lines = []
    return [(line[1], line[2]) for line in lines if len(line) == 3] or [("", "/")]


def _slurm_cpus(environment: Mapping[str, str]) -> list[float]:
    """CPUs of this Slurm task, or of the whole node where the job does not set CPUs per task."""
    if "SLURM_JOB_ID" not in environment:
        return []
    found = [environment.get(name, "") for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")]
    return [float(word) for word in found if word.isdigit() and int(word)][:1]


def _slurm_memory(environment: Mapping[str, str]) -> list[int]:
    """In MB a node, or a CPU of it; 0 is all that the node has."""
    if "SLURM_JOB_ID" not in environment:
        return []
    node, cpu, cpus = (
        environment.get(name, "")
        for name in ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE")
    )
    if node.isdigit() and int(node):
        return [int(node) << 20]
    return [int(cpu) * int(cpus) << 20] if cpu.isdigit() and cpus.isdigit() and int(cpu) * int(cpus) else []


def _word(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


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


def cpu_seconds() -> float:
    """CPU time of all threads of this process so far, and of the programs that it has waited for, in seconds."""
    return sum(os.times()[:4])


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


def available_cpus(system: System = SYSTEM) -> int:
    """CPUs this process may use, by its affinity, the quotas of its cgroups and the job of a cluster."""
    cpus, limit = len(os.sched_getaffinity(0)), cpu_limit(system)
    return cpus if limit is None else max(1, min(cpus, int(limit)))
