"""What a result depends on: what Python imports for it, as the source says, and the templates of pages."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest

from gliomorph.interfaces import sources
from gliomorph.interfaces.methods import REGISTRY
from gliomorph.interfaces.sources import closure, code_of_module, file_of
from gliomorph.workflows.keys import GRID, GROUP, PAGES, SCAN_GRAPH, SUMS

IMPORTS = """
import importlib, json, os, sys
from pathlib import Path
for other in ("SimpleITK", "h5py", "jinja2", "matplotlib.pyplot", "pandas", "pydra.compose.python", "torch"):
    importlib.import_module(other)
import gliomorph
root = Path(gliomorph.__file__).parent
for number, steps in enumerate(json.loads(sys.argv[1])):
    if os.fork():
        assert os.wait()[1] == 0
        continue
    loaded = []
    for files in steps:
        for file in files:
            importlib.import_module(
                "gliomorph." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            )
        names = [module.__file__ for name, module in sys.modules.items() if name.startswith("gliomorph.")]
        loaded.append([Path(name).relative_to(root).as_posix() for name in names])
    Path(sys.argv[2], str(number)).write_text(json.dumps(loaded))
    os._exit(0)
"""


def loaded(imports: Sequence[Sequence[Sequence[str]]], folder: Path) -> list[list[set[str]]]:
    """Files of gliomorph that Python has run after each step of imports, but for packages without code.

    Each list of steps begins in a process of its own, that has the libraries of others and nothing of gliomorph.
    """
    subprocess.run([sys.executable, "-c", IMPORTS, json.dumps(imports), folder], check=True)
    found = [json.loads((folder / str(number)).read_text()) for number in range(len(imports))]
    return [[{name for name in names if not sources._is_empty(name)} for names in steps] for steps in found]


STAGES = {
    "scans": [GRID, *(file for file in sources.used_by(SCAN_GRAPH) if file.startswith("interfaces/scan/"))],
    "pages": list(PAGES),
    "sums": list(SUMS),
    "group": list(GROUP),
}


def test_closure_is_what_python_imports(tmp_path: Path) -> None:
    closures = [{name for name in closure(files) if name.endswith(".py")} for files in STAGES.values()]
    runs = loaded(
        [[files, sorted(found)] for files, found in zip(STAGES.values(), closures, strict=True)], tmp_path
    )
    for found, (at_once, in_the_end) in zip(closures, runs, strict=True):
        # environment is imported by gliomorph itself
        assert at_once - {"environment.py"} <= found
        # further ones are imported when they are needed: inside functions, or by modules that are
        assert in_the_end <= found | {"environment.py"}
        for name in found - at_once:
            assert any(name in sources.used_by(other) for other in found - {name})


def test_scans_depend_on_no_room_but_those_that_compute_them() -> None:
    known = closure(STAGES["scans"])
    assert "models/registration/metamorphosis.py" in known
    others = (
        "cli/",
        "config/",
        "evaluation/",
        "training/",
        "interfaces/reports/",
        "models/synthesis/",
        "models/atlas/",
        "workflows/",
    )
    assert not [name for name in known if name.startswith(others)]


def test_no_module_that_computes_imports_by_a_name_in_a_variable() -> None:
    computing = closure([*STAGES["scans"], *STAGES["group"]])
    # the registry of methods does, and its modules count; so do faces, for others than the package itself
    assert {f"interfaces/registration/{method.module}.py" for method in REGISTRY.values()} <= computing
    for name in (
        name
        for name in computing
        if name.endswith(".py") and name not in ("interfaces/methods.py", "face.py")
    ):
        tree = ast.parse((sources.ROOT / name).read_bytes())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not names & {"import_module", "importlib", "__import__", "exec", "eval"}, name


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of a few files."""
    files = {
        "__init__.py": "from .unused import y\n",
        "unused.py": "",
        "a/__init__.py": '"""Nothing."""\n',
        "a/stage.py": """
            from typing import TYPE_CHECKING
            import gliomorph
            import gliomorph.c
            from .. import d
            from ..b import f, g
            if TYPE_CHECKING:
                from ..unused import y
            else:
                from .other import z
            def inside():
                try:
                    from .late import x
                except ImportError:
                    import json
                render("page.html.j2")
            """,
        "a/other.py": "",
        "a/late.py": "",
        "b/__init__.py": "from .f import f\n",
        "b/f.py": "",
        "b/g.py": "",
        "b/h.py": "",
        "c.py": "",
        "d.py": "",
        "interfaces/reports/html/page.html.j2": '{% include "part.html.j2" %}',
        "interfaces/reports/html/part.html.j2": "",
        "interfaces/reports/html/unused.html.j2": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    for function in (sources.used_by, sources.file_of, sources.code_of):
        function.cache_clear()
    yield tmp_path
    for function in (sources.used_by, sources.file_of, sources.code_of):
        function.cache_clear()


def test_closure_follows_every_import_that_is_executed_and_the_templates_that_are_named(
    written: Path,
) -> None:
    modules = {"a/stage.py", "a/other.py", "a/late.py", "b/__init__.py", "b/f.py", "b/g.py", "c.py", "d.py"}
    pages = {f"{sources.HTML}/page.html.j2", f"{sources.HTML}/part.html.j2"}
    assert closure(["a/stage.py"]) == modules | pages


def test_code_changes_with_contents_and_names(written: Path) -> None:
    before = code_of_module("gliomorph.b.f")
    assert before != code_of_module("gliomorph.b.g")
    sources.code_of.cache_clear()
    (written / "b/h.py").write_text("1")
    assert code_of_module("gliomorph.b.f") == before
    sources.code_of.cache_clear()
    (written / "b/f.py").write_text("1")
    assert code_of_module("gliomorph.b.f") != before


def test_modules_of_others_have_no_code_of_ours() -> None:
    assert code_of_module("json") == code_of_module("gliomorph") == code_of_module("gliomorph.none") == ""
    assert file_of("gliomorph.interfaces.scan.n4") == "interfaces/scan/n4.py"
