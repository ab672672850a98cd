"""What is run, in which order, each run in a process of its own; records that are there are kept."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs

from gliomorph.interfaces.files.images import write_text

from . import pair

ROOT = Path(__file__).parents[2]
"""Where ``benchmarks`` is imported from."""

SYN = "syn"
SHIPPED = "metamorph-r-shipped"
"""The default of ``gliomorph``: the network that comes with it, then the iterations without ``--refine``."""


@attrs.frozen(kw_only=True)
class Method:
    """A registration method.

    Attributes
    ----------
    label : str
        In the table.
    width : int
        Channels of its network; 0 where there is none.
    devices : tuple of str
        Where it can run.
    """

    label: str
    width: int = 0
    devices: tuple[str, ...] = ("cpu", "cuda")


METHODS = {
    SYN: Method(label="SyN", devices=("cpu",)),
    "syn-cfm": Method(label="SyN, CFM", devices=("cpu",)),
    "syn-cc": Method(label="SyN, CC", devices=("cpu",)),
    "lddmm": Method(label="LDDMM"),
    "metamorphosis": Method(label="metamorphosis"),
    "metamorph-g": Method(label="MetaMorph-G", width=16),
    "metamorph-r": Method(label="MetaMorph-R", width=32),
    "metamorph-r-h60": Method(label="MetaMorph-R (h=60)", width=60),
    "voxelmorph": Method(label="VoxelMorph", width=16),
    SHIPPED: Method(label="MetaMorph-R as shipped, refined"),
}

TRAINED = "metamorph-r"
"""The method whose training step is measured."""


@attrs.frozen(kw_only=True)
class Run:
    """One measurement.

    Attributes
    ----------
    kind : {"registration", "training"}
        One registration, or one step of a training.
    method : str
        A key of :data:`METHODS`.
    device : {"cpu", "cuda"}
    shape : tuple of int
        Of the grid.
    steps : int
        T of the MetaMorph networks.
    width : int
        Channels of the network; 0 where there is none.
    threads : int
    repeat : int
        From 1.
    checkpointed : bool
        Training: time steps are computed again in the backward pass.
    """

    kind: str
    method: str
    device: str
    shape: tuple[int, ...] = attrs.field(converter=tuple)
    steps: int
    width: int
    threads: int
    repeat: int = 1
    checkpointed: bool = True

    @property
    def name(self) -> str:
        """Name of its record: all settings."""
        size = "x".join(map(str, self.shape))
        stored = "" if self.checkpointed else "_stored"
        what = f"{self.kind}_{self.method}_{self.device}_{size}_steps-{self.steps}_width-{self.width}{stored}"
        return f"{what}_threads-{self.threads}_run-{self.repeat}"


class RunError(RuntimeError):
    """A run whose process has failed."""


def registrations(
    methods: Sequence[str],
    devices: Sequence[str],
    shape: Sequence[int],
    steps: int,
    threads: int,
    repeats: int,
) -> list[Run]:
    """All methods on all their devices, then all of them again."""
    return [
        Run(
            kind="registration",
            method=method,
            device=device,
            shape=shape,
            steps=steps,
            width=METHODS[method].width,
            threads=threads,
            repeat=repeat,
        )
        for repeat in range(1, repeats + 1)
        for method in methods
        for device in METHODS[method].devices
        if device in devices
    ]


def trainings(
    devices: Sequence[str],
    shapes: Iterable[tuple[int, ...]],
    full: tuple[int, ...],
    steps: int,
    threads: int,
    width: int,
) -> list[Run]:
    """On the CPU every shape, the two smallest also without checkpoints; on CUDA the full shape."""
    ordered = sorted({*shapes, full}, key=lambda shape: (shape[0] * shape[1] * shape[2], shape))
    wanted = [("cpu", shape, True) for shape in ordered] + [("cpu", shape, False) for shape in ordered[:2]]
    return [
        Run(
            kind="training",
            method=TRAINED,
            device=device,
            shape=shape,
            steps=steps,
            width=width,
            threads=threads,
            checkpointed=checkpointed,
        )
        for device, shape, checkpointed in [*wanted, ("cuda", full, True)]
        if device in devices
    ]


def versions() -> dict[str, str]:
    """Versions of what is measured."""
    return {name: version(name) for name in ("gliomorph", "torch", "antspyx")}


def kept(run: Run, out: Path) -> dict[str, Any] | None:
    """The record of ``run`` if it is there, of the same settings and versions."""
    path = _path(run, out)
    if not path.exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text())
    same = record["settings"] == _plain(run) and record["versions"] == versions()
    return record if same else None


def perform(run: Run, out: Path) -> dict[str, Any]:
    """Measure ``run`` in a process of its own, and keep the record.

    Raises
    ------
    RunError
        With the end of what the process has said.
    """
    images = pair.write(run.shape, out)
    command = [sys.executable, "-m", "benchmarks.registration.child", json.dumps(_plain(run)), str(images)]
    # ANTs may write to the standard output whatever it is asked: the figures come through a file of their own
    measured = out / "runs" / f"{run.name}.part"
    measured.parent.mkdir(exist_ok=True)
    done = subprocess.run([*command, str(measured)], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise RunError(f"{run.name}: the process ended with status {done.returncode}\n{said}")
    record = {"settings": _plain(run), "versions": versions(), **json.loads(measured.read_text())}
    write_text(json.dumps(record, indent=1), _path(run, out))
    measured.unlink()
    return record


def _path(run: Run, out: Path) -> Path:
    return out / "runs" / f"{run.name}.json"


def _plain(run: Run) -> dict[str, Any]:
    """The settings as JSON gives them back."""
    return attrs.asdict(run) | {"shape": list(run.shape)}
