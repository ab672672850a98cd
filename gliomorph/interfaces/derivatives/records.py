"""Records of what lies in an output folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..scan.records import Remarks


def is_complete(out_dir: Path, record: Path, key: str) -> bool:
    """Whether a record exists, was made from these inputs, and all its files are there and not empty."""
    content = read_record(record)
    return content.get("key") == key and all_outputs_exist(out_dir, content)


def all_outputs_exist(out_dir: Path, record: dict[str, Any]) -> bool:
    """Whether all files that a record lists are there and not empty."""
    outputs = record.get("outputs")
    if not isinstance(outputs, list) or not outputs:
        return False
    try:
        return all((out_dir / str(name)).stat().st_size > 0 for name in outputs)
    except OSError:
        return False


def remarks_in(record: Mapping[str, Any]) -> Remarks:
    """What a scan's record says to look at; nothing where it is of somebody's making."""
    texts = {key: record.get(key) for key in ("flags", "doubts")}
    return Remarks(**{key: list(map(str, found)) for key, found in texts.items() if isinstance(found, list)})


def read_record(path: Path) -> dict[str, Any]:
    """A scan's ``_registration.json``; empty where it is not one."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
