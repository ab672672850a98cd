"""A GPU that was asked for is used or missed aloud."""

import errno
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
import torch

from gliomorph.interfaces.files.locks import lock
from gliomorph.interfaces.machine import device as module
from gliomorph.interfaces.machine.device import (
    DeviceError,
    Rung,
    borrowed,
    choose_device,
    device_names,
    first_that_fits,
    slot_of,
)


@pytest.mark.parametrize(
    ("gpu", "present", "device"),
    [
        ("none", True, "cpu"),
        ("none", False, "cpu"),
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("all", True, "cuda"),
    ],
)
def test_device(monkeypatch, gpu, present, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present)
    assert choose_device(gpu) == device


def test_missing_gpu_is_refused_when_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        DeviceError, match="--gpu all: torch sees no CUDA device here; use --gpu auto or --gpu none"
    ):
        choose_device("all")


@pytest.fixture
def slots(monkeypatch, tmp_path):
    """Two GPUs, and the folder of their slots."""
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def test_stages_spread_over_the_gpus_before_they_share_one(slots, monkeypatch):
    monkeypatch.setenv("GLIOMORPH_GPU_SLOTS", "2")
    with ExitStack() as stack:
        held = [stack.enter_context(borrowed("auto")) for _ in range(4)]
    assert held == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]


def test_who_finds_no_slot_waits_for_one(slots, monkeypatch):
    waits = []
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        first.enter_context(borrowed("all"))
        stack.enter_context(borrowed("all"))

        def wait(seconds):
            waits.append(seconds)
            first.close()

        monkeypatch.setattr(module.time, "sleep", wait)
        with borrowed("all") as device:
            assert device == "cuda:0"
    assert waits == [module.POLL_SECONDS]


def test_slot_of_a_stage_that_fails_is_free_again(slots):
    for _ in range(3):
        with pytest.raises(ValueError, match="no luck"), borrowed("auto") as device:
            raise ValueError("no luck")
        assert device == "cuda:0"


HOLDER = """
import sys, time
from gliomorph.interfaces.machine.device import slot_of
with slot_of(["gpu"], 1):
    print("held", flush=True)
    time.sleep(600)
"""


def test_slot_of_a_process_that_is_killed_is_free_again(slots):
    """And a slot is one for all processes."""
    environment = {**os.environ, "TMPDIR": str(slots), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        (path,) = (slots / f"gliomorph-gpu-{os.getuid()}").iterdir()
        with path.open("w") as handle:
            assert lock(handle, wait=False) == "busy"
    finally:
        holder.kill()
        holder.communicate()
    with slot_of(["gpu"], 1) as number:
        assert number == 0


def test_errors_of_the_stage_are_its_own(slots):
    with pytest.raises(BlockingIOError, match="a pipe"), borrowed("all"):
        raise BlockingIOError("a pipe")


def test_file_system_without_locks_keeps_nobody_waiting(slots, monkeypatch):
    def none(handle, operation):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("gliomorph.interfaces.files.locks.fcntl.flock", none)
    with borrowed("all") as first, borrowed("all") as second:
        assert first == second == "cuda:0"


def test_gpus_are_told_apart_by_their_names_and_not_by_the_numbers_of_a_process(monkeypatch):
    monkeypatch.setattr(module.socket, "gethostname", lambda: "node")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,MIG-GPU/1/0")
    assert device_names(2) == ["node-2", "node-MIG-GPU-1-0"]
    assert device_names(1) == ["node-0"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert device_names(2) == ["node-0", "node-1"]


def test_without_a_gpu_no_slot_is_needed(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(module, "slot_of", None)
    for word in ("auto", "none"):
        with borrowed(word) as device:
            assert device == "cpu"


SHORT = [
    torch.OutOfMemoryError("x"),
    RuntimeError("CUDA out of memory. Tried"),
    RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
]


@pytest.mark.parametrize("error", SHORT)
@pytest.mark.parametrize(("short", "taken"), [(0, "whole"), (1, "half"), (2, "cpu")])
def test_ways_are_tried_until_memory_suffices(slots, error, short, taken):
    tried = []

    def way(name):
        def compute():
            tried.append(name)
            if len(tried) <= short:
                raise error
            return name

        return compute

    def on_gpu(device):
        return [
            Rung(compute=way("whole"), device=device),
            Rung(compute=way("half"), device=device, notice="coarser"),
        ]

    result, rung = first_that_fits("auto", on_gpu, Rung(compute=way("cpu"), device="cpu", notice="slower"))
    assert result == taken == tried[-1] and len(tried) == short + 1
    assert (rung.device, rung.notice) == {
        "whole": ("cuda:0", ""),
        "half": ("cuda:0", "coarser"),
        "cpu": ("cpu", "slower"),
    }[taken]


def test_the_slot_is_given_back_before_the_cpu_takes_over(slots):
    def on_cpu():
        with borrowed("all") as device:
            return device

    def short():
        raise torch.OutOfMemoryError("x")

    last = Rung(compute=on_cpu, device="cpu")
    assert first_that_fits("all", lambda device: [Rung(compute=short, device=device)], last)[0] == "cuda:0"


def test_other_errors_are_errors(slots):
    def wrong():
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        first_that_fits(
            "auto", lambda device: [Rung(compute=wrong, device=device)], Rung(compute=int, device="cpu")
        )


def test_without_a_gpu_nothing_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    last = Rung(compute=lambda: 1, device="cpu", notice="slower")
    result, rung = first_that_fits("auto", lambda device: pytest.fail("no GPU"), last)
    assert (result, rung.notice) == (1, "")
