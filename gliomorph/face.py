"""A package's face: names of its modules, each imported when it is first asked for."""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def face(package: str, file: str) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """What makes a package a face: its ``__all__``, ``__getattr__`` and ``__dir__``.

    The names are those that its ``if TYPE_CHECKING:`` imports: type checkers and people read the same lines.

    Parameters
    ----------
    package, file : str
        ``__name__`` and ``__file__`` of the package.
    """
    modules = {
        alias.name: each.module
        for block in ast.parse(Path(file).read_bytes()).body
        if isinstance(block, ast.If)
        for each in block.body
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
    }

    def found(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"{package} has no attribute {name!r}", name=name)
        return getattr(import_module(f".{modules[name]}", package), name)

    return sorted(modules), found, lambda: sorted(modules)
