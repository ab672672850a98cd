"""Networks that stages use: read from disk and checked once a process, for it meets many scans."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .brain import load_brain
from .registration import load_network
from .segmentation import load_student

if TYPE_CHECKING:
    from ...models.brain_extraction import BrainNetworks, BrainSettings
    from ...models.registration.networks import RegistrationNetwork
    from .segmentation import Member

HELD = 4
"""Files at a time."""


def loaded_student(path: Path, modality: str) -> list[Member]:
    """As :func:`~.segmentation.load_student`; the networks are shared, and not to be changed."""
    return _student(path, _change(path), modality)


def loaded_network(path: Path, method: str) -> RegistrationNetwork:
    """As :func:`~.registration.load_network`; the network is shared, and not to be changed."""
    return _network(path, _change(path), method)


def loaded_brain(path: Path) -> tuple[BrainNetworks, BrainSettings]:
    """As :func:`~.brain.load_brain`; the networks are shared, and not to be changed."""
    return _brain(path, _change(path))


@lru_cache(HELD)
def _student(path: Path, _change: tuple[int, ...], modality: str) -> list[Member]:
    return load_student(path, modality)


@lru_cache(HELD)
def _network(path: Path, _change: tuple[int, ...], method: str) -> RegistrationNetwork:
    return load_network(path, method)


@lru_cache(HELD)
def _brain(path: Path, _change: tuple[int, ...]) -> tuple[BrainNetworks, BrainSettings]:
    return load_brain(path)


def _change(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError:  # told by the reader, with its own words
        return ()
    return stat.st_size, stat.st_ino, stat.st_mtime_ns
