"""Limits of control groups, nested and of both versions, and of a Slurm job: the least one counts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gliomorph.interfaces.machine import limits
from gliomorph.interfaces.machine.limits import (
    System,
    available_cpus,
    available_memory_gb,
    cpu_limit,
    memory_left,
)

Machine = Callable[..., System]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A system with these groups' files, its process in these groups, and these variables."""

    def write(files: dict[str, str], groups: str = "0::/\n", **environment: str) -> System:
        (tmp_path / "membership").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return System(membership=tmp_path / "membership", groups=tmp_path / "cgroup", environment=environment)

    return write


V1 = "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/a\n0::/\n"
JOB = {"SLURM_JOB_ID": "7"}


@pytest.mark.parametrize(
    ("groups", "files", "cpus"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2.5),
        ("0::/\n", {"cpu.max": "x"}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "400000 100000", "a/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "100000 100000", "a/cpu.max": "150000 100000"}, 1.0),
        ("0::/not/here\n", {"cpu.max": "300000 100000"}, 3.0),
        ("0::/a\n", {"other/cpu.max": "100000 100000", "a/cpu.max": "max 100000"}, None),
        (V1, {"cpu,cpuacct/a/cpu.cfs_quota_us": "-1", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"}, None),
        (V1, {"cpu,cpuacct/a/cpu.cfs_quota_us": "50000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"}, 0.5),
        (V1, {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3.0),
        (V1, {"unified/cpu.max": "200000 100000"}, 2.0),
    ],
)
def test_cpus_are_those_of_the_narrowest_group(
    machine: Machine, groups: str, files: dict[str, str], cpus: float | None
) -> None:
    assert cpu_limit(machine(files, groups)) == cpus


@pytest.mark.parametrize(
    ("groups", "files", "left"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/\n", {"memory.max": "1000"}, 1000),
        ("0::/\n", {"memory.max": "1000", "memory.current": "400", "memory.stat": ""}, 600),
        ("0::/\n", {"memory.max": "1000", "memory.current": "1001", "memory.stat": ""}, 0),
        ("0::/\n", {"memory.max": "1000", "memory.current": "unknown", "memory.stat": ""}, 1000),
        (
            "0::/\n",
            {"memory.max": "1000", "memory.current": "400", "memory.stat": "anon 9\ninactive_file 300\n"},
            900,
        ),
        ("0::/a/b\n", {"a/b/memory.max": "900", "a/memory.max": "700", "memory.max": "max"}, 700),
        (V1, {"memory/a/b/memory.limit_in_bytes": "9223372036854771712"}, None),
        (
            V1,
            {
                "memory/a/b/memory.limit_in_bytes": "9223372036854771712",
                "memory/a/memory.limit_in_bytes": "1000",
                "memory/a/memory.usage_in_bytes": "500",
                "memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 100\n",
            },
            600,
        ),
    ],
)
def test_memory_is_what_the_narrowest_group_leaves(
    machine: Machine, groups: str, files: dict[str, str], left: int | None
) -> None:
    assert memory_left(machine(files, groups)) == left


@pytest.mark.parametrize(
    ("variables", "cpus", "left"),
    [
        ({}, None, None),
        ({"SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "8"}, 4, None),
        ({"SLURM_CPUS_ON_NODE": "8", "SLURM_MEM_PER_CPU": "2"}, 8, 16 << 20),
        ({"SLURM_MEM_PER_NODE": "3", "SLURM_CPUS_ON_NODE": "8", "SLURM_MEM_PER_CPU": "2"}, 8, 3 << 20),
        ({"SLURM_MEM_PER_NODE": "0"}, None, None),
        ({"SLURM_MEM_PER_CPU": "2"}, None, None),
        ({"SLURM_CPUS_PER_TASK": "many", "SLURM_MEM_PER_NODE": "much"}, None, None),
    ],
)
def test_a_job_of_slurm_is_a_limit_and_its_variables_outside_of_a_job_are_none(
    machine: Machine, variables: dict[str, str], cpus: float | None, left: int | None
) -> None:
    inside = machine({}, **variables, **JOB)
    assert (cpu_limit(inside), memory_left(inside)) == (cpus, left)
    outside = machine({}, **variables)
    assert (cpu_limit(outside), memory_left(outside)) == (None, None)


def test_job_and_groups_count_together(machine: Machine) -> None:
    files = {"cpu.max": "300000 100000", "memory.max": "5000000"}
    assert cpu_limit(machine(files, **JOB, SLURM_CPUS_PER_TASK="2")) == 2
    assert cpu_limit(machine(files, **JOB, SLURM_CPUS_PER_TASK="4")) == 3
    assert memory_left(machine(files, **JOB, SLURM_MEM_PER_NODE="1")) == 1 << 20


def test_without_a_list_of_groups_the_top_is_read(machine: Machine, tmp_path: Path) -> None:
    system = machine({"cpu.max": "200000 100000"})
    (tmp_path / "membership").unlink()
    assert cpu_limit(system) == 2.0


def test_defaults_of_the_command_line_follow(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gliomorph.interfaces.machine.limits.os.sched_getaffinity", lambda _: set(range(6)))
    assert available_cpus(machine({})) == 6
    assert available_cpus(machine({"cpu.max": "250000 100000"})) == 2
    assert available_cpus(machine({"cpu.max": "50000 100000"})) == 1
    assert available_memory_gb(machine({"memory.max": "1000000"})) == pytest.approx(0.001)
    assert available_memory_gb(machine({"memory.max": "max"})) > 0.001


def test_memory_that_is_free_on_the_cpu_is_what_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "available_memory_gb", lambda: 1.5)
    assert limits.free_gb("cpu") == 1.5


def test_cpu_time_counts_programs_that_were_waited_for() -> None:
    before = limits.cpu_seconds()
    subprocess.run([sys.executable, "-S", "-c", "sum(range(10**6))"], check=True)
    assert limits.cpu_seconds() > before


def test_peak_is_that_of_what_follows() -> None:
    limits.reset_peak()
    before = limits.peak_gb()
    held = bytearray(200_000_000)
    assert limits.peak_gb() >= before + 0.15
    assert len(held) == 200_000_000
