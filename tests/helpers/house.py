"""The plan of a package, read from its source: who imports whom, circles, sizes, tests and first lines."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from gliomorph.interfaces.sources import imported

Arrows = dict[str, set[str]]
"""What each module uses, by names relative to the package, as ``interfaces.scan.n4``."""


def modules(root: Path) -> dict[str, ast.Module]:
    """Source of each module of a package; a folder stands for its ``__init__``, '' for that of the package."""
    files = sorted(root.rglob("*.py"))
    return {_name(root, file): _parsed(file.read_text()) for file in files}


_parsed = cache(ast.parse)


def folders(root: Path) -> dict[str, int]:
    """Number of modules in each folder, beside its ``__init__``."""
    return {
        _name(root, file): len(list(file.parent.glob("*.py"))) - 1
        for file in sorted(root.rglob("__init__.py"))
    }


def _name(root: Path, file: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def arrows(root: Path, for_types: bool = False) -> Arrows:
    """What each module imports of its package, inside functions too, and for type checkers only if ``for_types``."""
    known, inside = modules(root), folders(root)
    found = {}
    for name, tree in known.items():
        package = ".".join(filter(None, (root.name, name if name in inside else name.rpartition(".")[0])))
        names = set(imported(tree.body, package))
        if for_types:
            names |= {
                each
                for node in ast.walk(tree)
                if isinstance(node, ast.If)
                for each in imported(node.body, package)
            }
        used = {each.removeprefix(f"{root.name}.") for each in names if each.startswith(f"{root.name}.")}
        found[name] = {each if each in known else each.rpartition(".")[0] for each in used} - {name}
    return found


def circles(found: Mapping[str, set[str]]) -> list[list[str]]:
    """Names that reach themselves along arrows, those of one circle together."""
    reached = {start: reached_from(found, start) for start in found}
    rings = {tuple(sorted(b for b in reached[a] if a in reached[b])) for a in found if a in reached[a]}
    return sorted(map(list, rings))


def reached_from(found: Mapping[str, set[str]], start: str) -> set[str]:
    """Names at which the arrows from one arrive."""
    seen: set[str] = set()
    waiting = list(found[start])
    while waiting:
        if (each := waiting.pop()) not in seen:
            seen.add(each)
            waiting += found[each]
    return seen


def circles_of_folders(root: Path) -> list[list[str]]:
    """Circles among what lies side by side in a folder: modules, and folders with all that lies in them."""
    found = arrows(root)
    return [ring for folder in folders(root) for ring in circles(_side_by_side(found, folder))]


def _side_by_side(found: Arrows, folder: str) -> Arrows:
    start = f"{folder}." if folder else ""
    result: Arrows = {}
    for name, used in found.items():
        if name and name.startswith(start):
            child = start + name.removeprefix(start).split(".")[0]
            others = {
                start + each.removeprefix(start).split(".")[0] for each in used if each.startswith(start)
            }
            result.setdefault(child, set()).update(others - {child, start})
    return result


def against_the_rule(root: Path, floors: Sequence[Sequence[str]]) -> list[str]:
    """Imports that lead up or sideways, for type checkers too.

    Parameters
    ----------
    root : Path
        The package's folder.
    floors : sequence of sequences of str
        What lies directly in it, the highest floor first; all that may be imported from everywhere is left out.
    """
    height = {room: -number for number, floor in enumerate(floors) for room in floor}
    found = []
    for name, used in arrows(root, for_types=True).items():
        for other in used:
            here, there = name.split(".")[0], other.split(".")[0]
            if here != there and here in height and there in height and height[there] >= height[here]:
                found.append(f"{name} -> {other}")
    return sorted(found)


def functions(root: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """All functions with their names, as ``models.geometry.compose``."""
    for name, tree in modules(root).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                yield f"{name}.{node.name}", node


def lines_of_code(function: ast.FunctionDef) -> int:
    """Lines of a function without its decorators and its docstring."""
    whole = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    return whole - ((first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0)


def parameters(function: ast.FunctionDef) -> int:
    """Number of a function's parameters beside ``self`` and ``cls``."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    return len([each for each in named if each.arg not in ("self", "cls")])


def takers(root: Path, kinds: Sequence[str]) -> dict[str, list[str]]:
    """Modules whose functions take or give one of these classes, with the functions that keep it for a later call.

    What is kept in a ``partial``, a ``lambda`` or a generator comes back from a file that was called: it climbs.
    """
    found: dict[str, list[str]] = {}
    for name, function in functions(root):
        given = function.args
        hints = {each.arg: each.annotation for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
        whole = {arg for arg, hint in hints.items() if isinstance(hint, ast.Name) and hint.id in kinds}
        if whole or (isinstance(function.returns, ast.Name) and function.returns.id in kinds):
            kept = found.setdefault(name.rpartition(".")[0], [])
            kept += [name] * any(_hands_on_later(node, whole) for node in ast.walk(function))
    return found


def _hands_on_later(node: ast.AST, names: set[str]) -> bool:
    partial = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "partial"
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    values = [value for call in calls for value in (*call.args, *(word.value for word in call.keywords))]
    return (partial or isinstance(node, ast.Lambda | ast.GeneratorExp)) and any(
        isinstance(value, ast.Name) and value.id in names for value in values
    )


def without_tests(root: Path, tests: Path) -> set[str]:
    """Modules without a test file at the mirrored place: ``scan/test_n4.py`` for ``scan/n4.py``."""
    files = {name: root.joinpath(*name.split(".")) for name in modules(root).keys() - folders(root).keys()}
    return {
        name
        for name, file in files.items()
        if file.name != "__main__"
        and not (tests / file.relative_to(root).parent / f"test_{file.name}.py").exists()
    }


def first_lines(root: Path) -> dict[str, str]:
    """First line of every docstring, by module and the name of what it describes; empty lines are left out."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    return {
        f"{name}:{getattr(node, 'name', '')}:{getattr(node, 'lineno', 0)}": text.splitlines()[0]
        for name, tree in modules(root).items()
        for node in ast.walk(tree)
        if isinstance(node, kinds) and (text := ast.get_docstring(node))
    }
