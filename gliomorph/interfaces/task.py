"""From a plain function on files to a Pydra task.

Pydra hashes a ``Path`` by its name and a ``File`` by its content, so paths become ``File`` ports here; folders
to write into are annotated ``str``. The task's key covers the function's own source only: the engine keeps one
cache a version of this package, which covers the rest.

Pydra knows a file by its content, which is read here once a process. Pydra itself keeps such hashes in a folder, one
file and one lock each: a lock costs more than most of our stages' own part of the engine, that of a killed process
keeps all others waiting, and a large cohort would leave a million files.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import types
import typing
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ET", "1")  # no telemetry: read when pydra is imported

from fileformats.generic import File
from pydra.compose import python
from pydra.utils.hash import Cache, register_serializer

Optional = File | None

REMEMBERED = 1 << 14
"""Files, those of some hundred scans."""


def task(function: Callable[..., Any], **outputs: Any) -> Any:
    """The Pydra task of a stage.

    Parameters
    ----------
    function : callable
        A plain function whose file inputs are annotated ``Path`` (optional and list forms too).
    outputs : types
        Names and types of what it returns, in order.

    Returns
    -------
    task : type
        ``task(n4, image=File)`` is a Pydra task class named ``N4``.
    """
    hints = typing.get_type_hints(function)
    inputs = {}
    for name, parameter in inspect.signature(function).parameters.items():
        options = {} if parameter.default is inspect.Parameter.empty else {"default": parameter.default}
        inputs[name] = python.arg(type=_port(hints[name]), **options)
    name = "".join(part.capitalize() for part in function.__name__.split("_"))
    made = python.define(
        function,
        inputs=inputs,
        outputs={key: python.out(type=kind) for key, kind in outputs.items()},
        name=name,
    )
    return by_reference(made, function.__module__)


def by_reference(made: Any, module: str) -> Any:
    """A task of Pydra that pickles name instead of hold: its classes come with every job and result else.

    Parameters
    ----------
    made : type
        Of ``python.define`` or ``workflow.define``.
    module : str
        Where it can be imported from, by its own name; elsewhere it is pickled whole.
    """
    made.__module__ = made.Outputs.__module__ = module
    made.Outputs.__qualname__ = f"{made.__name__}.Outputs"
    return made


def _port(hint: Any) -> Any:
    if hint is Path:
        return File
    if isinstance(hint, types.UnionType):
        return typing.Union[tuple(_port(part) for part in typing.get_args(hint))]  # noqa: UP007 (built at run time)
    if typing.get_origin(hint) is list:
        return list[_port(typing.get_args(hint)[0])]  # type: ignore[misc]
    return hint


@register_serializer(File)
def content_of(file: File, cache: Cache) -> Iterator[bytes]:
    """What stands for a file in the hash of a task's inputs."""
    path = Path(file.fspath)
    stat = path.stat()
    yield b"file:" + _digest(path, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)


@lru_cache(REMEMBERED)
def _digest(path: Path, *_changes: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()
