"""Whatever is imported is asked for by the package, so that a fresh machine has it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"gliomorph", "benchmarks"} | {file.stem for file in (ROOT / "tests" / "helpers").glob("*.py")}
REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9._-]+)", re.MULTILINE)


def normal(name: str) -> str:
    """Name of a distribution as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(*extras: str) -> set[str]:
    """Distributions that the package, with these extras, asks for."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lists = [config["options"]["install_requires"]]
    lists += [config["options.extras_require"][extra] for extra in extras]
    return {normal(name) for text in lists for name in REQUIREMENT.findall(text)}


def imported(folder: str) -> Iterator[tuple[str, str]]:
    """Every module from outside that a folder's files import, and the file."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in {name.split(".")[0] for name in names} - OURS - sys.stdlib_module_names:
                yield name, str(file.relative_to(ROOT))


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("gliomorph", ("dask", "dicom", "hd-bet", "survival")), ("tests", ("test",)), ("benchmarks", ("test",))],
)
def test_what_is_imported_is_asked_for(folder: str, extras: tuple[str, ...]) -> None:
    distributions = packages_distributions()
    known = asked_for(*extras)
    missing = {
        f"{name} ({file})"
        for name, file in imported(folder)
        if not known & {normal(each) for each in (name, *distributions.get(name, ()))}
    }
    assert not missing


def test_what_is_asked_for_is_pinned() -> None:
    pins = {normal(name) for name in REQUIREMENT.findall((ROOT / "constraints.txt").read_text())}
    assert asked_for("dask", "dicom", "docs", "hd-bet", "survival", "test") - pins - {"torch"} == set()
