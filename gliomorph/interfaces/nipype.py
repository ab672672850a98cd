"""Our stages as Nipype interfaces, for workflows that mix them with those of ANTs, FSL or FreeSurfer.

Each has the inputs and outputs of the Pydra task of its name and runs the same function, in the node's folder. A
registration method is an input of ``Register``; ``SyNCFM`` and its like are that interface with the method set.
Records are dictionaries here; the files of ``Warp`` and ``RegisterPair`` are outputs by name too.
"""

from __future__ import annotations

import inspect
import os
import types
import typing
from pathlib import Path
from typing import Any, ClassVar

os.environ.setdefault("NO_ET", "1")  # no telemetry: read when nipype is imported

import attrs
from fileformats.generic import File as PydraFile
from nipype.interfaces import base
from nipype.interfaces.base import isdefined, traits
from pydra.utils import get_fields

from .machine.device import GPU_CHOICES
from .methods import DEFORMABLE, METHODS, PAIR_METHOD, REGISTRY, SPEEDS
from .pairs.records import PairFiles
from .pairs.sides import LINEAR
from .pairs.stage import THRESHOLD_MM
from .pairs.stage import RegisterPair as RegisterPairTask
from .records import Record, as_dict
from .scan.align import Align as AlignTask
from .scan.brain import Brain as BrainTask
from .scan.carry import Carry as CarryTask
from .scan.channels import Channels as ChannelsTask
from .scan.coregister import Coregister as CoregisterTask
from .scan.crop import Crop as CropTask
from .scan.crop import CropMask as CropMaskTask
from .scan.further import Further as FurtherTask
from .scan.match import Match as MatchTask
from .scan.measure import Measure as MeasureTask
from .scan.n4 import N4 as N4Task
from .scan.records import WarpedFiles
from .scan.register import Register as RegisterTask
from .scan.segment import Segment as SegmentTask
from .scan.tumor import Tumor as TumorTask
from .scan.warp import Warp as WarpTask

DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "gpu": "auto",
    "refine": 0,
    "speed": "default",
    "reading": {},
    "extraction": {},
    "deformable": PAIR_METHOD,
    "voxel_mm": 0.0,
    "threshold_mm": THRESHOLD_MM,
}
"""Defaults of inputs that a Pydra task requires."""
CHOICES = {
    "method": METHODS,
    "speed": tuple(SPEEDS),
    "linear": LINEAR,
    "deformable": ("", *DEFORMABLE),
    "gpu": GPU_CHOICES,
    "kind": ("mask", "dseg"),
}


class StageInterface(base.BaseInterface):
    """Abstract: the function of a Pydra task behind Nipype's inputs and outputs."""

    function: ClassVar[Any]
    kinds: ClassVar[dict[str, Any]]
    """The kinds of its inputs, as Pydra knows them."""
    preset: ClassVar[dict[str, Any]]
    """Inputs of the function that are set once and for all."""
    returned: ClassVar[list[str]]
    parts: ClassVar[tuple[str, ...]]
    """Files of a returned record that are outputs by name, too."""

    def _run_interface(self, runtime: Any) -> Any:
        given = {name: _argument(getattr(self.inputs, name), kind) for name, kind in self.kinds.items()}
        found = type(self).function(**given, **self.preset)
        values = found if len(self.returned) > 1 else [found]
        self._found = dict(zip(self.returned, values, strict=True))
        return runtime

    def _list_outputs(self) -> dict[str, Any]:
        found = {name: _plain(value) for name, value in self._found.items() if value is not None}
        return found | {name: path for name, path in found.get("files", {}).items() if name in self.parts}


def interface(task: Any, name: str = "", **preset: Any) -> type[StageInterface]:
    """The Nipype interface of a Pydra task.

    Parameters
    ----------
    task : type
        Made by :func:`~gliomorph.interfaces.task.task`.
    name : str
        The task's if not given.
    preset : any
        Inputs that are set, and no inputs of the interface.

    Returns
    -------
    interface : type
        With the help of the function.
    """
    function = next(field.default for field in get_fields(task) if field.name == "function")
    inputs = {field.name: field.type for field in get_fields(task) if field.name not in {"function", *preset}}
    outputs = {field.name: field.type for field in get_fields(task.Outputs)}
    kind = outputs.get("files")
    parts = tuple(attrs.fields_dict(kind)) if kind in (WarpedFiles, PairFiles) else ()
    name = name or task.__name__
    body = {
        "input_spec": _spec(
            f"{name}.input_spec",
            base.BaseInterfaceInputSpec,
            {key: _trait(kind, key) for key, kind in inputs.items()},
        ),
        "output_spec": _spec(
            f"{name}.output_spec",
            base.TraitedSpec,
            {key: _trait(kind) for key, kind in (outputs | dict.fromkeys(parts, PydraFile)).items()},
        ),
        "function": staticmethod(function),
        "kinds": inputs,
        "preset": preset,
        "returned": list(outputs),
        "parts": parts,
        "__doc__": inspect.getdoc(function),
        "__module__": __name__,
    }
    return type(name, (StageInterface,), body)


def _spec(place: str, kind: type, its: dict[str, Any]) -> type:
    """A class of inputs or outputs; ``place`` is where unpickling, in Nipype's worker processes, finds it."""
    return type(place.replace(".", "_"), (kind,), its | {"__module__": __name__, "__qualname__": place})


def _trait(kind: Any, name: str = "") -> Any:
    """The trait of an input, or without a name that of an output."""
    parts = typing.get_args(kind)
    optional = isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union
    item = _item(kind)
    options: dict[str, Any] = {"mandatory": not (optional or item)} if name else {}
    if name in DEFAULTS:
        options = {"usedefault": True}
    if name in CHOICES:
        values = CHOICES[name]
        return traits.Enum(DEFAULTS.get(name, values[0]), values, **options)
    if kind is PydraFile or (PydraFile in parts and optional):
        return base.File(exists=True, **options)
    if item:
        each = base.File(exists=True) if item is PydraFile else traits.Dict()
        return (base.InputMultiObject if name else traits.List)(each, **options)
    if kind is int:
        return traits.Int(DEFAULTS.get(name, 0), **options)
    if kind is float:
        return traits.Float(DEFAULTS.get(name, 0.0), **options)
    if kind is str:
        return traits.Str(**options)
    if kind is bool:
        return traits.Bool(False, usedefault=True)
    return traits.Dict(DEFAULTS.get(name, {}), **options)


def _item(kind: Any) -> Any:
    """What a list, also an optional one, holds; None for what is no list."""
    lists = (each for each in (kind, *typing.get_args(kind)) if typing.get_origin(each) is list)
    return next((typing.get_args(each)[0] for each in lists), None)


def _argument(value: Any, kind: Any) -> Any:
    """What the function takes: paths and records, None for what was not given."""
    item = _item(kind)
    if not isdefined(value):
        return [] if item else None
    if item:
        return [_argument(part, item) for part in value]
    kinds = (kind, *typing.get_args(kind))
    if record := next((each for each in kinds if isinstance(each, type) and issubclass(each, Record)), None):
        hints = typing.get_type_hints(record)
        return record(**{name: _field(part, hints[name]) for name, part in value.items()})
    return Path(value) if PydraFile in kinds else value


def _field(value: Any, hint: Any) -> Any:
    """A record's value, of a record of its own or a path."""
    return _argument(value, PydraFile if Path in (hint, *typing.get_args(hint)) else hint)


def _plain(value: Any) -> Any:
    """Paths as text, which Nipype's files are, and records as dictionaries."""
    if attrs.has(type(value)):
        value = as_dict(value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, os.PathLike) else value


Brain = interface(BrainTask)
Carry = interface(CarryTask)
Channels = interface(ChannelsTask)
Coregister = interface(CoregisterTask)
Further = interface(FurtherTask)
N4 = interface(N4Task)
Tumor = interface(TumorTask)
Align = interface(AlignTask)
Match = interface(MatchTask)
Crop = interface(CropTask)
CropMask = interface(CropMaskTask)
Segment = interface(SegmentTask)
Register = interface(RegisterTask)
Warp = interface(WarpTask)
Measure = interface(MeasureTask)
RegisterPair = interface(RegisterPairTask)

globals().update({m.face: interface(RegisterTask, m.face, method=name) for name, m in REGISTRY.items()})
