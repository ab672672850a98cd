"""The ``.bidsignore`` of a dataset, which is the validator's: what it names is run all the same, and that is said."""

from __future__ import annotations

import re
from pathlib import Path


def ignored_paths(bids_dir: Path, paths: list[Path]) -> list[Path]:
    """Which of the paths, relative to the dataset, its ``.bidsignore`` names; lines are as in ``.gitignore``."""
    try:
        lines = (bids_dir / ".bidsignore").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    rules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    named = [(_regex(rule.removeprefix("!")), not rule.startswith("!")) for rule in rules]
    return [path for path in paths if _is_ignored(path.as_posix(), named)]


def _is_ignored(path: str, named: list[tuple[re.Pattern[str], bool]]) -> bool:
    """What the last line says that names the path, or a folder above it."""
    return next((ignored for pattern, ignored in reversed(named) if pattern.match(path)), False)


def _regex(rule: str) -> re.Pattern[str]:
    """A line as a pattern of paths; it starts at the dataset's root if it has a slash before its end."""
    body = rule.strip("/")
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", body)
    anywhere = "" if "/" in rule.rstrip("/") else "(?:.*/)?"
    return re.compile(anywhere + "".join(words.get(part, re.escape(part)) for part in parts) + "(?:/.*)?$")
