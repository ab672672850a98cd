"""The registry of registration methods: one line makes a method known everywhere."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from gliomorph.interfaces import nipype
from gliomorph.interfaces.methods import METHODS, NEEDED, REGISTRY

DOCUMENT = Path(__file__).parents[2] / "docs" / "usage.md"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_function_of_one_problem(name: str) -> None:
    module, _, function = REGISTRY[name].function.partition(":")
    solver = getattr(import_module(f"gliomorph.interfaces.registration.{module}"), function)
    assert list(inspect.signature(solver).parameters) == ["problem"]
    assert solver.__doc__


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_nipype_interface_and_plausible_sizes(name: str) -> None:
    method = REGISTRY[name]
    assert getattr(nipype, method.face).preset == {"method": name}
    assert 0.1 < method.memory_gb[1] <= method.memory_gb[0] < 16
    assert 0 < method.work_gb[1] <= method.work_gb[0] < 4
    assert method.modality_gb is None or 0 < method.modality_gb[1] <= method.modality_gb[0] < 4


def test_names_in_files_are_all_different() -> None:
    assert len({method.face for method in REGISTRY.values()}) == len(METHODS)
    assert len({name.replace("-", "") for name in METHODS}) == len(METHODS)
    assert set(NEEDED) < set(METHODS)


def test_document_lists_every_method_in_the_registry_s_words() -> None:
    table = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    rows = {line.split("`")[1]: line.split("|")[2].strip() for line in table}
    assert {name: rows.get(name) for name in METHODS} == {name: m.text for name, m in REGISTRY.items()}


def test_registry_loads_no_heavy_library() -> None:
    code = (
        "import sys, gliomorph.interfaces.methods; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'SimpleITK', 'pydra')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
