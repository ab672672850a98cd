"""What tests of whole trainings look at, and how they end one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

EPOCHS = 3
"""Epochs of the trainings in :mod:`training_fixtures`."""


class Killed(Exception):
    """Stands for whatever ends a process."""


def stop_at(start: str) -> Callable[[str], None]:
    """A report that ends the training at a line that begins so."""

    def report(line: str) -> None:
        if line.startswith(start):
            raise Killed

    return report


def kill(*_: object) -> None:
    """A progress that ends the training at its first step."""
    raise Killed


def no_epoch(*_: object) -> None:
    """A progress that is never told of any."""
    raise AssertionError("an epoch was started")


def trained(folder: Path) -> Path:
    """The weights that a training left."""
    return next(folder.glob("*.safetensors"))


def card_of(folder: Path) -> dict[str, Any]:
    """The card beside them."""
    card: dict[str, Any] = json.loads(trained(folder).with_suffix(".json").read_text())
    return card


def same(one: Any, other: Any) -> bool:
    """Equality of nested values, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
