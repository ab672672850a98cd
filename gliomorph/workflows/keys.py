"""What is done already, judged by what lies in the output folder."""

from __future__ import annotations

import errno
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import gliomorph

from ..interfaces.group.atlas.stage import read_record


def content_hash(path: Path | None) -> str:
    """sha256 of a file's bytes; of nothing, an empty string.

    Raises
    ------
    OSError
        There is no such file, it cannot be read, or it is a pipe or a device, which have no end.
    """
    if path is None:
        return ""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "a file is required, this is a folder, a pipe or a device", str(path))
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@cache
def code_hash() -> str:
    """sha256 of what computes: interfaces and models. Results of other code are not taken for ours."""
    root = Path(gliomorph.__file__).parent
    files = sorted(p for part in ("interfaces", "models") for p in (root / part).rglob("*") if p.is_file())
    digest = hashlib.sha256(gliomorph.__version__.encode())
    for path in files:
        if "__pycache__" not in path.parts:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def key_of(**inputs: Any) -> str:
    """One hash of everything given, by name."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def code_key(inputs_key: str) -> str:
    """The key of a result: its inputs and the code that made it."""
    return key_of(inputs=inputs_key, code=code_hash())


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
