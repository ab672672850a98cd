"""What the documents say can be run, and what they point to is there."""

import re
from pathlib import Path

import numpy as np
import pytest

from gliomorph.interfaces.methods import SPEEDS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / ".github").rglob("*.*")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
IN_THE_IMAGE = {"gliomorph-check"}
"""Commands that containers have and a package has not."""


def snippets():
    text = (ROOT / "docs" / "methods.md").read_text()
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("code", snippets())
def test_python_in_the_methods_runs(code, tmp_path):
    x, y, z = np.meshgrid(*map(np.arange, (24, 24, 20)), indexing="ij")
    fixed = (((x - 12) ** 2 + (y - 12) ** 2 + (z - 10) ** 2) < 64).astype(np.float32)
    mask = np.zeros(fixed.shape, np.uint8)
    mask[10:13, 10:13, 9:12] = 1
    names = {
        "moving": np.roll(fixed, 1, 0) * (1 - mask),
        "fixed": fixed,
        "tumor_mask": mask,
        "folder": tmp_path,
    }
    exec(code, names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_exist(document):
    text = document.read_text()
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    paths = re.findall(r"`((?:gliomorph|tests|benchmarks|docs)/[\w/.-]+)`", text)
    modules = re.findall(r"python -m (benchmarks[\w.]*)", text)
    missing = [link for link in links if link and not (document.parent / link).exists()]
    missing += [path for path in paths if not (ROOT / path).exists()]
    missing += [
        module
        for module in modules
        if not (ROOT / module.replace(".", "/")).with_suffix(".py").exists()
        and not (ROOT / module.replace(".", "/")).is_dir()
    ]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document):
    text = document.read_text()
    scripts = set(re.findall(r"^ +(gliomorph[\w-]*) = ", (ROOT / "setup.cfg").read_text(), re.MULTILINE))
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)(gliomorph(?:-\w+)?)(?= )", text, re.MULTILINE))
    made = set(re.findall(r"(?:^|`)make ([a-z][\w-]*)", text, re.MULTILINE))
    assert named - scripts - IN_THE_IMAGE == made - targets == set()


def test_usage_gives_the_iterations_of_each_speed():
    text = (ROOT / "docs" / "usage.md").read_text()
    for name, counts in SPEEDS.items():
        assert f"| `{name}` | {', '.join(map(str, counts))} |" in text


def test_hooks_before_a_commit_are_the_checks_of_make_lint():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    hooks = re.findall(r"entry: ([^,]+),", (ROOT / ".pre-commit-config.yaml").read_text())
    assert hooks == [line.strip().removeprefix("$(BIN)/") for line in recipe.splitlines()]
