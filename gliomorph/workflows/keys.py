"""Keys of results: the inputs and options that they depend on, and the code that computes them.

The code of a scan's results is that of its stages and of every module that they import, no more: pages, training,
evaluation, command line, engine and version number may change, and no scan is computed again. Networks enter with the
inputs, each by the hash of its own weights.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import gliomorph

from ..interfaces.methods import REGISTRY

SCAN_GRAPH = "workflows.scan.graph"
"""The scan's graph, whose stages are the imported modules of :data:`STAGES`."""
STAGES = "interfaces.scan."
GRID = "interfaces.datasets.template_files"
"""Makes the working grid, on which the stages meet; its name is no input of theirs."""
PAGES = ("interfaces.reports.scan.stage", "interfaces.derivatives.publish")
SUMS = ("interfaces.group.atlas.stage", "interfaces.group.regions.places")
GROUP = (
    *SUMS,
    "interfaces.group.associations.stage",
    "interfaces.reports.group.stage",
    "interfaces.derivatives.publish_group",
)
DATA = {"interfaces.reports.pages": "interfaces/reports/html"}
"""Folders that modules read beside their code."""


def scan_code() -> str:
    """Hash of the code that a scan's results depend on: the graph's wiring and the stages with all that they import."""
    return _hash((*scan_stages(), GRID), SCAN_GRAPH)


def scan_stages() -> list[str]:
    """Modules of the stages in the scan's graph, and of the registration methods, which are imported by name."""
    methods = {f"interfaces.{method.module}" for method in REGISTRY.values()}
    return [*(name for name in _imports(SCAN_GRAPH) if name.startswith(STAGES)), *sorted(methods)]


def page_code() -> str:
    """Hash of the code that writes a scan's page and puts its files in place."""
    return _hash(PAGES)


def sums_code() -> str:
    """Hash of the code of the atlas' sums and of the tumours' places, which are kept from run to run."""
    return _hash(SUMS)


def group_code() -> str:
    """Hash of the code of the group level: maps, tables, tests and the cohort's page."""
    own = sorted(path.stem for path in (_root() / "workflows" / "group").glob("*.py"))
    return _hash(GROUP, *(f"workflows.group.{name}" for name in own if name != "__init__"))


def closure(roots: Iterable[str]) -> frozenset[str]:
    """Every module of the package that some modules import, directly or through others, with these modules themselves.

    Parameters
    ----------
    roots : iterable of str
        Module names below ``gliomorph``, as in ``interfaces.scan.n4``.

    Returns
    -------
    modules : frozenset of str
        Imports inside functions count, those for type checkers alone do not. The package's own ``__init__`` (its
        version) is left out.
    """
    seen: set[str] = set()
    todo = [*roots]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += _imports(name)
    return frozenset(seen)


def key_of(**inputs: Any) -> str:
    """One hash of everything given, by name."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def code_key(inputs_key: str) -> str:
    """The key of a scan's result: its inputs and the code that made it."""
    return key_of(inputs=inputs_key, code=scan_code())


def cache_folder(work_dir: Path) -> Path:
    """Pydra's cache for this code of the scans' stages; tasks that other code goes into take its hash as an input."""
    return work_dir / f"cache-{scan_code()[:12]}"


def _root() -> Path:
    return Path(gliomorph.__file__).parent


@cache
def _hash(roots: tuple[str, ...], *files: str) -> str:
    """Hash of the closure of ``roots``, its data, and of single ``files`` without what they import."""
    root = _root()
    modules = closure(roots)
    folders = [root / folder for name, folder in DATA.items() if name in modules]
    paths = {_file(name) for name in (*modules, *files)} | {p for f in folders for p in f.glob("*.*")}
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _file(module: str) -> Path:
    path = _root().joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Modules of the package that a module imports, and the packages that hold them, whose ``__init__`` runs first."""
    file = _file(module)
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    found = {".".join(package[: i + 1]) for i in range(len(package))}
    for node in _statements(ast.parse(file.read_text(encoding="utf-8"))):
        base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
        for alias in node.names:
            name = ".".join([*base, alias.name])
            if _file(name).is_file():
                found.add(name)
            elif base:
                found.add(".".join(base))
    return tuple(sorted(found - {module}))


def _statements(tree: ast.AST) -> Iterator[ast.ImportFrom]:
    """Relative imports at any depth, but for those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        else:
            yield from _statements(node)
