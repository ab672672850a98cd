"""From a plain function on files to a Pydra task.

A stage is written with ``Path`` and with records: frozen attrs classes. Here alone they become what Pydra knows, and
turn back when the task runs. Three kinds of parameter and of returned value are told apart by their annotation:

``Path``, also optional, in a list or as the values of a dict
    A port of type ``File``, which Pydra hashes by its content; a ``Path`` it hashes by its name. Folders to write into
    are annotated ``str``.
:class:`~.records.Record`, also optional, in a list or as the values of a dict
    One port that holds the record, which is hashed by its values, its files by their content.
:class:`~.records.Ports`
    A port for each field: a long signature is grouped for whoever reads it, while each value is connected by itself. ::

        @attrs.frozen(kw_only=True) class Registered(Ports):
            forward: Path inverse: Path

        def warp(image: Path, registered: Registered) -> WarpedFiles: ...

        Warp = task(warp, "files") Warp(image=n4.image, forward=register.forward, inverse=register.inverse)

The task's key covers the function's module and all that this one imports, where Pydra's covers the function's own
source only: a stage whose code has changed runs again. ``test_a_path_is_known_by_its_name`` and
``test_the_key_of_a_task_covers_its_own_source_only`` of
``tests/workflows/engine/test_pydra_contracts.py`` fail when Pydra mends this.

Pydra knows a file by its content, which is read here once a process. Pydra itself keeps such hashes in a folder, one
file and one lock each: a lock costs more than most of our stages' own part of the engine, that of a killed process
keeps all others waiting, and a large cohort would leave a million files
(``test_a_hash_costs_a_lock_and_a_file_and_waits_for_locks_of_the_dead``).
"""

from __future__ import annotations

import functools
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

import attrs
from fileformats.generic import File
from pydra.compose import python
from pydra.utils.hash import Cache, bytes_repr_function, hash_single, register_serializer

from .files.text import simpleitk_reason
from .records import Ports, Record
from .sources import code_of_module

REMEMBERED = 1 << 14
"""Files, those of some hundred scans."""


class StageError(ValueError):
    """What SimpleITK threw in a stage, by its reason, with the files that the stage has read."""


def task(function: Callable[..., Any], *outputs: str) -> Any:
    """The Pydra task of a stage.

    Parameters
    ----------
    function : callable
        A plain function, its parameters and what it returns annotated as above.
    outputs : str
        Names of what it returns, in order; none where it returns :class:`~.records.Ports`.

    Returns
    -------
    task : type
        ``task(n4, "image", "info")`` is a Pydra task class named ``N4``.
    """
    hints = typing.get_type_hints(function)
    found = hints.pop("return")

    @functools.wraps(function)
    def stage(**given: Any) -> Any:
        values = {name: _with_paths(value) for name, value in given.items()}
        for name, hint in hints.items():
            if _is_ports(hint):
                values[name] = hint(**{field.name: values.pop(field.name) for field in attrs.fields(hint)})
        returned = _called(function, values)
        return tuple(attrs.asdict(returned, recurse=False).values()) if _is_ports(found) else returned

    ports = [
        port
        for parameter in inspect.signature(function).parameters.values()
        for port in _ports_of(parameter, hints[parameter.name])
    ]
    stage.__signature__ = inspect.Signature(ports)  # type: ignore[attr-defined]
    stage.__annotations__ = {port.name: port.annotation for port in ports}
    if _is_ports(found):
        returns = typing.get_type_hints(found)
    else:
        kinds = (found,) if len(outputs) == 1 else typing.get_args(found)
        returns = dict(zip(outputs, kinds, strict=True))
    name = "".join(part.capitalize() for part in function.__name__.split("_"))
    stage.__doc__ = None  # Pydra's parser stops at a value that is named and typed, and not described
    made = python.define(
        stage, outputs={key: python.out(type=_port(kind)) for key, kind in returns.items()}, name=name
    )
    made.__doc__ = stage.__doc__ = function.__doc__
    made.stage, stage.__qualname__ = staticmethod(stage), f"{name}.stage"  # where unpickling finds it
    return by_reference(made, function.__module__)


def _called(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    try:
        return function(**values)
    except RuntimeError as error:
        if reason := simpleitk_reason(str(error)):
            files = ", ".join(value.name for value in values.values() if isinstance(value, Path))
            raise StageError(f"{files}: {reason}") from error
        raise


def by_reference(made: Any, module: str) -> Any:
    """Let a task of Pydra be pickled by its name; else its classes come with every job and result.

    ``test_classes_of_tasks_are_pickled_whole`` fails when Pydra does so itself.

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


def _is_ports(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Ports)


def _ports_of(parameter: inspect.Parameter, hint: Any) -> list[inspect.Parameter]:
    """Ports of a function's parameter: one, or one for each field of a group."""
    kind, none = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    if not _is_ports(hint):
        return [parameter.replace(kind=kind, annotation=_port(hint))]
    hints = typing.get_type_hints(hint)
    return [
        inspect.Parameter(
            field.name,
            kind,
            default=none if field.default is attrs.NOTHING else field.default,
            annotation=_port(hints[field.name]),
        )
        for field in attrs.fields(hint)
    ]


def _port(hint: Any) -> Any:
    if hint is Path:
        return File
    parts = tuple(_port(part) for part in typing.get_args(hint))
    if isinstance(hint, types.UnionType):
        return typing.Union[parts]  # noqa: UP007 (built at run time)
    origin = typing.get_origin(hint)
    return origin[parts] if origin in (list, dict) else hint


def _with_paths(value: Any) -> Any:
    """A port's value with ``Path`` in place of ``File``."""
    if isinstance(value, File):
        return Path(value)
    if isinstance(value, list):
        return [_with_paths(part) for part in value]
    if isinstance(value, dict):
        return {key: _with_paths(part) for key, part in value.items()}
    return value


@register_serializer(Record)
def values_of(record: Record, cache: Cache) -> Iterator[bytes]:
    """What stands for a record in the hash of a task's inputs."""
    yield f"{type(record).__qualname__}:".encode()
    for field in attrs.fields(type(record)):
        yield f"{field.name}=".encode()
        yield from _bytes_of(getattr(record, field.name), cache)


def _bytes_of(value: Any, cache: Cache) -> Iterator[bytes]:
    """What stands for a record's value in a hash; every container is followed, for it may hold files."""
    if isinstance(value, Path):
        yield b"file:" + _content(value)
    elif isinstance(value, dict):
        yield f"dict:{len(value)}:".encode()
        for key in sorted(value):
            yield from _bytes_of(key, cache)
            yield from _bytes_of(value[key], cache)
    elif isinstance(value, (list, tuple)):
        yield f"list:{len(value)}:".encode()
        for part in value:
            yield from _bytes_of(part, cache)
    else:
        yield hash_single(value, cache)


@register_serializer(types.FunctionType)
def source_of(function: types.FunctionType, cache: Cache) -> Iterator[bytes]:
    """What stands for a stage's function in the hash of a task's inputs: its module and all that this one imports."""
    yield from bytes_repr_function(function, cache)
    yield code_of_module(function.__module__).encode()


@register_serializer(File)
def content_of(file: File, cache: Cache) -> Iterator[bytes]:
    """What stands for a file in the hash of a task's inputs."""
    yield b"file:" + _content(Path(file.fspath))


def _content(path: Path) -> bytes:
    stat = path.stat()
    return _digest(path, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)


@lru_cache(REMEMBERED)
def _digest(path: Path, *_changes: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()
