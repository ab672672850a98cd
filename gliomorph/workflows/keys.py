"""What is done already, judged by what lies in the output folder."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import gliomorph


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


def cache_folder(work_dir: Path) -> Path:
    """Pydra's cache for this version of the code."""
    return work_dir / f"cache-{code_hash()[:12]}"
