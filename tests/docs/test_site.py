"""The site shows every document, and its pages of the programming interface show what may be imported."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name

import gliomorph.interfaces
import gliomorph.models

ROOT = Path(__file__).parents[2]
SITE = (ROOT / "mkdocs.yml").read_text()
SHOWN = {
    name
    for page in sorted((ROOT / "docs" / "api").glob("*.md"))
    for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
}


def test_every_document_is_in_the_navigation() -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    root = set(re.findall(r'": "(\w+\.md)"', (ROOT / "docs" / "hooks.py").read_text()))
    assert set(re.findall(r"^ +- ([\w/]+\.md)$", SITE, re.MULTILINE)) == pages | root


def test_the_site_has_the_documents_of_the_root() -> None:
    names = set(re.findall(r'"(\w+\.md)": "', (ROOT / "docs" / "hooks.py").read_text()))
    assert names == {path.name for path in ROOT.glob("*.md")}


def test_the_pages_show_what_is_there_and_every_name_of_the_faces() -> None:
    found = {name: resolve_name(name) for name in SHOWN}
    shown = {name.rpartition(".")[2] for name in SHOWN}
    shown |= {each for package in found.values() for each in getattr(package, "__all__", ())}
    faces = set(gliomorph.models.__all__)
    faces |= {getattr(gliomorph.interfaces, name).stage.__name__ for name in gliomorph.interfaces.__all__}
    assert faces - shown == set(), "give each a line ::: in a page of docs/api"
