"""Which files of gliomorph a result depends on: modules by what they import, pages by their templates as well.

What a module imports is read from its source, so that nothing heavy is imported to know it: relative and absolute
imports, those inside functions too, but none for type checkers only. Files are named relative to the package.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

from .methods import REGISTRY

PACKAGE = "gliomorph"
ROOT = Path(__file__).parents[1]
HTML = "interfaces/reports/html"
REGISTER = "interfaces/registration/solve.py"
"""What imports registration methods by their names in the registry."""
TEMPLATE_NAME = re.compile(rb"[\w-]+\.html\.j2")
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where a statement holds others."""


@cache
def code_of(files: tuple[str, ...], *alone: str) -> str:
    """Hash of some files and of all that they use, the same wherever the package lies.

    Parameters
    ----------
    files : tuple of str
        Such as ``interfaces/scan/n4.py``.
    alone : str
        Further files, without what they use.

    Returns
    -------
    code : str
        sha256 of names and contents.
    """
    digest = hashlib.sha256()
    for name in sorted(closure(files) | set(alone)):
        content = (ROOT / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def code_of_module(name: str) -> str:
    """Hash of a module, by its full name, and of all that it uses; empty for one that is not of gliomorph."""
    file = file_of(name)
    return code_of((file,)) if file else ""


def closure(files: Iterable[str]) -> frozenset[str]:
    """Files that some files use, directly or not, and these themselves.

    Packages on the way to a module are run when it is imported, and count; but for those that hold no code, and for
    gliomorph itself, which holds the version.
    """
    found: set[str] = set()
    waiting = list(files)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += used_by(name)
    return frozenset(name for name in found if not _is_empty(name))


@cache
def used_by(name: str) -> frozenset[str]:
    """Files that a module or a template names itself, and the packages that it lies in."""
    content = (ROOT / name).read_bytes()
    found = {f"{HTML}/{template.decode()}" for template in TEMPLATE_NAME.findall(content)}
    if not name.endswith(".py"):
        return frozenset(found)
    package = ".".join((PACKAGE, *Path(name).parts[:-1]))
    for module in (package, *imported(ast.parse(content).body, package)):
        parts = module.split(".")
        found |= {file for end in range(2, len(parts) + 1) if (file := file_of(".".join(parts[:end])))}
    if name == REGISTER:
        found |= {f"interfaces/registration/{method.module}.py" for method in REGISTRY.values()}
    return frozenset(found)


def imported(statements: Iterable[ast.stmt], package: str) -> Iterator[str]:
    """Full names in the imports of a module of ``package``: of modules, and what may be modules in ``from`` lines."""
    for each in statements:
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            base = resolve_name("." * each.level + (each.module or ""), package)
            yield from (f"{base}.{alias.name}" for alias in each.names)
        elif isinstance(each, ast.If) and getattr(each.test, "id", "") == "TYPE_CHECKING":
            yield from imported(each.orelse, package)
        else:
            for block in BLOCKS:
                yield from imported(getattr(each, block, ()), package)


@cache
def file_of(module: str) -> str | None:
    """The file of a module or package below gliomorph; None for what is neither."""
    first, *parts = module.split(".")
    if first != PACKAGE or not parts:
        return None
    name = "/".join(parts)
    return next((file for file in (f"{name}.py", f"{name}/__init__.py") if (ROOT / file).is_file()), None)


def _is_empty(name: str) -> bool:
    """Whether a package's file holds nothing but its docstring."""
    if not name.endswith("__init__.py"):
        return False
    statements = ast.parse((ROOT / name).read_bytes()).body
    return all(isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in statements)
