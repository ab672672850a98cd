"""Names of a package's face are imported when they are first asked for, and no earlier."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys

import house
import pytest

import gliomorph
from gliomorph.interfaces.sources import ROOT, imported

FACES = ("gliomorph.interfaces", "gliomorph.models")


@pytest.mark.parametrize("name", FACES)
def test_every_name_of_a_face_is_there(name: str) -> None:
    face = importlib.import_module(name)
    assert face.__all__ == dir(face) and len(face.__all__) > 15
    for each in face.__all__:
        found = getattr(face, each)
        assert getattr(found, "__name__", each) == each, "a task is called as its face says"
        assert getattr(importlib.import_module(found.__module__), each, found) is found


def test_the_face_of_interfaces_shows_every_task() -> None:
    tasks = {
        found
        for file in (ROOT / "interfaces").rglob("*.py")
        for found in re.findall(r"^(\w+) = task\(", file.read_text(), re.MULTILINE)
    }
    assert set(gliomorph.interfaces.__all__) == tasks


@pytest.mark.parametrize("name", FACES)
def test_a_name_that_a_face_lacks_is_named(name: str) -> None:
    with pytest.raises(AttributeError, match=f"{name} has no attribute 'Regster'"):
        _ = importlib.import_module(name).Regster
    with pytest.raises(ImportError, match="cannot import name 'Regster'"):
        exec(f"from {name} import Regster")


@pytest.mark.parametrize("name", FACES)
def test_a_face_imports_nothing_that_is_heavy(name: str) -> None:
    code = f"import sys, {name}; print([each for each in ('torch', 'pydra', 'numpy') if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_itself_imports_from_modules_and_not_from_faces() -> None:
    """What a result depends on is read from these imports."""
    faces = {f"{name}.{each}" for name in FACES for each in importlib.import_module(name).__all__}
    inside = house.folders(ROOT)
    for name, tree in house.modules(ROOT).items():
        package = name if name in inside else name.rpartition(".")[0]
        assert not faces & set(imported(ast.iter_child_nodes(tree), f"gliomorph.{package}".rstrip("."))), name
