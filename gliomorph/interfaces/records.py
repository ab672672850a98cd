"""Bases of the records that stages take and return; :mod:`~.task` makes Pydra's ports of them."""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen
class Record:
    """Base of frozen attrs classes that travel through one port."""


@attrs.frozen
class Ports:
    """Base of frozen attrs classes whose fields are a task's ports, each by its own name."""


def as_dict(record: Record) -> dict[str, Any]:
    """The fields of a record that are set, in their order, as its JSON holds them."""
    return attrs.asdict(record, filter=lambda _, value: value is not None)
