"""Hooks of the site (``make docs``): the documents of the repository's root as pages, docstrings as Markdown.

Documents are written for whoever reads them in the repository. Here their links are made those of the site; a link to a
file that is no page, such as a test, becomes its text.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import relpath
from typing import Any

from griffe import Extension, Object
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OF_THE_ROOT = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Documents of the root, and their pages."""
LINK = re.compile(r"(!?\[[^\]]*\])\(([^)#\s]*)(#[^)\s]*)?\)")
ROLE = re.compile(r":\w+:`~?([^`]+)`")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents of the root to the pages."""
    for name, page in OF_THE_ROOT.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository into links of the site."""
    here = Path(page.file.abs_src_path or "").parent

    def linked(match: re.Match[str]) -> str:
        text, target, anchor = match.groups()
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        path = (here / target).resolve()
        name = OF_THE_ROOT.get(path.relative_to(ROOT).as_posix())
        if name is None and path.is_relative_to(ROOT / "docs"):
            name = path.relative_to(ROOT / "docs").as_posix()
        if name is None or files.get_file_from_path(name) is None:
            return text.strip("[]")
        return f"{text}({relpath(name, Path(page.file.src_uri).parent.as_posix())}{anchor or ''})"

    return LINK.sub(linked, markdown)


class PlainRoles(Extension):
    """Names that docstrings write as roles of Sphinx become code: of ``:func:`~.refine``` remains ``refine``."""

    def on_object(self, *, obj: Object, **_others: Any) -> None:
        """Rewrite the docstring of whatever the API pages show."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(lambda match: f"`{_shown(match)}`", obj.docstring.value)


def _shown(match: re.Match[str]) -> str:
    name = match[1].lstrip(".")
    return name.rpartition(".")[2] if "~" in match[0] else name
