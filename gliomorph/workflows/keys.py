"""Keys of results: the inputs and options that they depend on, and the code that computes them.

The code of a scan's results is that of its stages and of every module that they import, no more: pages, training,
evaluation, command line, engine and version number may change, and no scan is computed again. Networks enter with the
inputs, each by the hash of its own weights.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..interfaces.sources import ROOT, code_of, used_by

SCAN_GRAPH = "workflows/scan/graph.py"
"""The scan's graph, whose stages are the imported modules of :data:`STAGES`."""
STAGES = "interfaces/scan/"
GRID = "interfaces/datasets/template_files.py"
"""Makes the working grid, on which the stages meet; its name is no input of theirs."""
PAGES = ("interfaces/reports/scan/stage.py", "interfaces/derivatives/publish.py")
SUMS = ("interfaces/group/atlas/stage.py", "interfaces/group/regions/places.py")
GROUP = (
    *SUMS,
    "interfaces/group/associations/stage.py",
    "interfaces/reports/group/stage.py",
    "interfaces/derivatives/publish_group.py",
)
SUBJECT_GRAPH = "workflows/longitudinal/graph.py"
SUBJECT = (
    "interfaces/pairs/stage.py",
    "interfaces/pairs/follow.py",
    "interfaces/reports/pair/subject.py",
    "interfaces/derivatives/publish_subject.py",
)
GROUP_GRAPHS = tuple(
    path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "workflows/group").glob("*.py"))
)


def scan_code() -> str:
    """Hash of the code that a scan's results depend on: the graph's wiring and the stages with all that they import."""
    stages = sorted(file for file in used_by(SCAN_GRAPH) if file.startswith(STAGES))
    return code_of((*stages, GRID), SCAN_GRAPH)


def page_code() -> str:
    """Hash of the code that writes a scan's page and puts its files in place."""
    return code_of(PAGES)


def sums_code() -> str:
    """Hash of the code of the atlas' sums and of the tumours' places, which are kept from run to run."""
    return code_of(SUMS)


def group_code() -> str:
    """Hash of the code of the group level: maps, tables, tests and the cohort's page."""
    return code_of(GROUP, *GROUP_GRAPHS)


def subject_code() -> str:
    """Hash of the code that registers a patient's sessions to each other, draws their page and puts it in place."""
    return code_of(SUBJECT, SUBJECT_GRAPH)


def key_of(**inputs: Any) -> str:
    """One hash of everything given, by name."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def code_key(inputs_key: str) -> str:
    """The key of a scan's result: its inputs and the code that made it."""
    return key_of(inputs=inputs_key, code=scan_code())


def cache_folder(work_dir: Path) -> Path:
    """Pydra's cache for this code of the scans' stages; the key of every task there covers the task's own code."""
    return work_dir / f"cache-{scan_code()[:12]}"
