"""Where torch computes: which GPU, who has it, and what is done when its memory does not suffice."""

from __future__ import annotations

import gc
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import attrs

from ..files.locks import lock

GPU_SLOTS = "GLIOMORPH_GPU_SLOTS"
"""Names how many stages use one GPU at a time."""
GPU_CHOICES = ("auto", "all", "none")
SHORT = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
"""What errors of torch say where a GPU's memory does not suffice."""
POLL_SECONDS = 0.2

Result = TypeVar("Result")


class DeviceError(RuntimeError):
    """A GPU was asked for and there is none."""


def choose_device(gpu: str) -> str:
    """``cuda`` or ``cpu``.

    Parameters
    ----------
    gpu : str
        ``auto`` takes a GPU if there is one, ``all`` requires one, ``none`` keeps to the CPU.

    Raises
    ------
    DeviceError
        ``all`` without a usable GPU.
    """
    if gpu == "none":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if gpu == "all":
        raise DeviceError("--gpu all: torch sees no CUDA device here; use --gpu auto or --gpu none")
    return "cpu"


@contextmanager
def borrowed(gpu: str) -> Iterator[str]:
    """``cuda:N`` of which a slot is held, or ``cpu``, as :func:`choose_device` says.

    A GPU has as many slots as ``GLIOMORPH_GPU_SLOTS`` says, one by default, for all processes that share the folder
    of temporary files, as those of a run do. Where all are taken this waits; a process that dies gives its slot back.

    Yields
    ------
    device : str
        As torch names it.
    """
    if choose_device(gpu) == "cpu":
        yield "cpu"
        return
    import torch

    names = device_names(torch.cuda.device_count())
    with slot_of(names, int(os.environ.get(GPU_SLOTS, "1"))) as number:
        try:
            yield f"cuda:{number}"
        finally:
            torch.cuda.empty_cache()  # the next one with a slot of this GPU is another process


def device_names(count: int) -> list[str]:
    """What tells the GPUs of this machine apart, by the numbers that torch gives them."""
    visible = [word.strip() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    names = visible if len(visible) == count and all(visible) else list(map(str, range(count)))
    return ["".join(sign if sign.isalnum() else "-" for sign in f"{socket.gethostname()}-{n}") for n in names]


@contextmanager
def slot_of(names: Sequence[str], slots: int) -> Iterator[int]:
    """The number of a device with a free slot, held for the block; the first slots of all devices go first."""
    folder = Path(tempfile.gettempdir()) / f"gliomorph-gpu-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for slot in range(slots):
            for number, name in enumerate(names):
                with (folder / f"{name}-{slot}").open("w") as handle:
                    # where the file system has no locks, a slot is everybody's
                    if lock(handle, wait=False) != "busy":
                        yield number
                        return
        time.sleep(POLL_SECONDS)


@attrs.frozen(kw_only=True)
class Rung(Generic[Result]):
    """One way to a result."""

    compute: Callable[[], Result]
    device: str
    notice: str = ""
    """What has to be told where this way was taken."""


def first_that_fits(
    gpu: str, on_gpu: Callable[[str], Sequence[Rung[Result]]], on_cpu: Rung[Result]
) -> tuple[Result, Rung[Result]]:
    """The result of the first way for which memory suffices: those on a GPU, if there is one, then the CPU.

    Parameters
    ----------
    gpu : str
        As for :func:`choose_device`.
    on_gpu : callable
        Gives the ways on a device, the wanted one first.
    on_cpu : Rung
        Its notice is told only where a GPU's memory did not suffice.

    Returns
    -------
    result : any
    rung : Rung
        The way that was taken, its notice empty if nothing has to be told.

    Raises
    ------
    DeviceError
        As :func:`choose_device`.
    """
    with borrowed(gpu) as device:
        rungs = [] if device == "cpu" else on_gpu(device)
        for rung in rungs:
            try:
                return rung.compute(), rung
            except Exception as error:
                if not is_short_of_gpu_memory(error):
                    raise
            _release()  # not before the error is gone, which holds what was computed
    return on_cpu.compute(), on_cpu if rungs else attrs.evolve(on_cpu, notice="")


def is_short_of_gpu_memory(error: BaseException) -> bool:
    """Whether an error of torch says that a GPU's memory does not suffice."""
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SHORT)


def _release() -> None:
    import torch

    gc.collect()
    torch.cuda.empty_cache()
