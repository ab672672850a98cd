"""Where torch computes."""

from __future__ import annotations

GPU_CHOICES = ("auto", "all", "none")


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
