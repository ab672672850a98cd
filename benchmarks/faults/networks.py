"""Faults of weights: what is no safetensors, what lies about itself, and pickles, which are never loaded."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from gliomorph.interfaces.networks.registration import shipped_network
from gliomorph.interfaces.networks.segmentation import shipped_student

from .fault import Fault, Inject, Kind
from .world import World


class Bomb:
    """Makes a file ``hostile`` wherever it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


def _pickled(content: bytes, marker: Path, rng: Random) -> bytes:
    return pickle.dumps(Bomb(marker), protocol=rng.choice([2, 4]))


def _zipped(content: bytes, marker: Path, rng: Random) -> bytes:
    held = BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb(marker), protocol=2))
        archive.writestr("archive/version", "3\n")
    return held.getvalue()


def _cut(content: bytes, marker: Path, rng: Random) -> bytes:
    return content[: rng.randrange(1, len(content))]


def _empty(content: bytes, marker: Path, rng: Random) -> bytes:
    return b""


def _noise(content: bytes, marker: Path, rng: Random) -> bytes:
    return rng.randbytes(5000)


def _long_header(content: bytes, marker: Path, rng: Random) -> bytes:
    return (rng.choice([2**63, 2**40, len(content)])).to_bytes(8, "little") + content[8:]


def _header(change: Callable[[dict[str, Any], Random], None]) -> Callable[[bytes, Path, Random], bytes]:
    def spoil(content: bytes, marker: Path, rng: Random) -> bytes:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        change(header, rng)
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + content[8 + size :]

    return spoil


def _beyond(header: dict[str, Any], rng: Random) -> None:
    name = rng.choice([key for key in header if key != "__metadata__"])
    header[name]["data_offsets"] = [10**12, 10**12 + 4]


def _shape(header: dict[str, Any], rng: Random) -> None:
    name = rng.choice([key for key in header if key != "__metadata__"])
    header[name]["shape"] = [1, *header[name]["shape"]]


def _renamed(header: dict[str, Any], rng: Random) -> None:
    name = rng.choice([key for key in header if key != "__metadata__"])
    header[f"<script>hostile()</script>/../{name}"] = header.pop(name)


def _no_metadata(header: dict[str, Any], rng: Random) -> None:
    header.pop("__metadata__")


def _settings(**values: Any) -> Callable[[dict[str, Any], Random], None]:
    def change(header: dict[str, Any], rng: Random) -> None:
        known = json.loads(header["__metadata__"]["network"])
        for member in known.get("members", [known]):
            member |= values
        header["__metadata__"]["network"] = json.dumps(known)

    return change


def _not_finite(content: bytes, marker: Path, rng: Random) -> bytes:
    size = int.from_bytes(content[:8], "little")
    start = 8 + size + 4 * rng.randrange(1000)
    return content[:start] + np.float32(rng.choice([np.nan, np.inf])).tobytes() + content[start + 4 :]


REFUSED: dict[str, Callable[[bytes, Path, Random], bytes]] = {
    "a pickle": _pickled,
    "a zipped pickle": _zipped,
    "cut short": _cut,
    "zero length": _empty,
    "random bytes": _noise,
    "header of a false length": _long_header,
    "tensor beyond the end": _header(_beyond),
    "no settings": _header(_no_metadata),
}
"""The run does not start."""

FAILING: dict[str, Callable[[bytes, Path, Random], bytes]] = {
    "false shape": _header(_shape),
    "tensor of another name": _header(_renamed),
    "not finite": _not_finite,
    "settings out of bounds": _header(_settings(width=10**9)),
    "unknown setting": _header(_settings(hostile="<script>hostile()</script>")),
}
"""The scan that needs it fails: tensors are looked at where they are used."""


def _given(name: str, spoil: Callable[[bytes, Path, Random], bytes]) -> Inject:
    """As ``--weights`` or ``--registration-weights``."""

    def inject(world: World, subject: str, rng: Random) -> Fault:
        source = (
            shipped_student("T1w") if (segments := rng.random() < 0.5) else shipped_network("metamorph-r")
        )
        assert source is not None
        path = world.bids / "network.safetensors"
        path.write_bytes(spoil(source.read_bytes(), world.root / "cwd" / "hostile", rng))
        option = "--weights" if segments else "--registration-weights"
        learned = () if segments else ("--registration", "rigid", "metamorph-r")
        return Fault(
            detail=f"{option}: {name}", options=(option, str(path), *learned), codes=(2,), said=option
        )

    return inject


def _used(name: str, spoil: Callable[[bytes, Path, Random], bytes]) -> Inject:
    """The network that has to segment a scan without a mask."""

    def inject(world: World, subject: str, rng: Random) -> Fault:
        source = shipped_student("T1w")
        assert source is not None
        path = world.bids / "network.safetensors"
        path.write_bytes(spoil(source.read_bytes(), world.root / "cwd" / "hostile", rng))
        world.labels(subject).unlink()
        world.table(subject).unlink()
        scan = {f"sub-{subject}": "network.safetensors: "}
        options = ("--weights", str(path))
        return Fault(
            detail=f"sub-{subject} without a mask, {name}",
            options=options,
            failed=scan,
            levels=("participant",),
        )

    return inject


def kinds() -> list[Kind]:
    """All of them."""
    found = [
        Kind(name=f"weights: {name}", inject=_given(name, spoil), share=2 if "pickle" in name else 1)
        for name, spoil in REFUSED.items()
    ]
    return found + [
        Kind(name=f"weights: {name}", inject=_used(name, spoil)) for name, spoil in FAILING.items()
    ]
