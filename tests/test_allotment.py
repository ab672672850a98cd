"""What a job of Slurm was given, by its environment."""

import pytest

from gliomorph.allotment import allotted_cpus, allotted_memory_gb
from gliomorph.settings import available_cpus

NAMES = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU")


@pytest.fixture(autouse=True)
def no_job(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_outside_a_job_nothing_is_known():
    assert allotted_cpus() is None
    assert allotted_memory_gb() is None


@pytest.mark.parametrize(
    ("environment", "cpus", "memory"),
    [
        ({"SLURM_CPUS_ON_NODE": "8", "SLURM_MEM_PER_NODE": "4000"}, 8, 4.194304),
        ({"SLURM_CPUS_ON_NODE": "8", "SLURM_CPUS_PER_TASK": "2", "SLURM_MEM_PER_CPU": "1000"}, 2, 8.388608),
        ({"SLURM_CPUS_PER_TASK": "2", "SLURM_MEM_PER_CPU": "1000"}, 2, 2.097152),
        ({"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_NODE": "0"}, 4, None),  # all of the node
        ({"SLURM_CPUS_PER_TASK": "many", "SLURM_MEM_PER_CPU": "-1"}, None, None),
    ],
)
def test_job_is_given_what_its_variables_say(monkeypatch, environment, cpus, memory):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert allotted_cpus() == cpus
    assert allotted_memory_gb() == (None if memory is None else pytest.approx(memory))


def test_a_job_uses_no_more_than_it_was_given(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert available_cpus() == 1
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "100000")
    assert available_cpus() < 100000
