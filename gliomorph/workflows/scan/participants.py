"""The participant level: every scan's graph, a few at a time, failures kept apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from rich.console import Console

from ...config.settings import Settings
from ...interfaces.datasets.template_files import TemplateFiles
from ..engine.cleaning import Cleaning
from ..engine.failures import Failure, NotStarted
from ..engine.progress import Board
from ..engine.submission import run_side_by_side, submitting
from ..engine.workers import make_worker, taken_over
from ..keys import cache_folder
from .graph import ScanGraph
from .inputs import graph_inputs
from .plan import PlannedScan, keep_stages

PER_SCAN, PER_METHOD = 11, 3
"""Stages of a scan, and those that every registration method adds."""


def run_participants(
    planned: Sequence[PlannedScan],
    settings: Settings,
    template: TemplateFiles,
    run: str,
    console: Console,
    verbose: int = 0,
) -> list[Failure]:
    """Run the scans' graphs.

    Parameters
    ----------
    planned : sequence of PlannedScan
        Those to run.
    settings : Settings
        Options of the run.
    template : TemplateFiles
        Prepared files.
    run : str
        Id of the run.
    console : Console
        Where messages go.
    verbose : int
        1 prints tracebacks.

    Returns
    -------
    failures : list of Failure
        One a scan whose outputs are not all on disk.

    Raises
    ------
    KeyboardInterrupt
        After the children were ended, or the jobs cancelled.
    """
    cache = cache_folder(settings.resources.work_dir)
    earlier = taken_over(cache)
    runs = {p.scan.label: earlier.get(p.scan.label, run) for p in planned}

    def graph_of(scan: PlannedScan) -> Any:
        return ScanGraph(**graph_inputs(scan, settings, template, runs[scan.scan.label]))

    graphs = ((p.scan.label, partial(graph_of, p)) for p in planned)
    stages = PER_SCAN + PER_METHOD * len(settings.processing.registration)
    board = Board(console, "participants", len(planned), stages, verbose)
    worker = make_worker(settings, settings.resources.processes(len(planned)), console, board.watch, runs)
    with board, submitting(cache, worker) as submit:
        around = Cleaning().around if settings.resources.clean_workdir else nullcontext
        errors = run_side_by_side(submit, graphs, settings.scans_at_once(len(planned)), around)
    for scan in planned:
        keep_stages(
            scan,
            settings.resources.work_dir,
            not settings.resources.clean_workdir and scan.is_published(settings.output_dir),
        )
    first = {scan: Failure(scan=scan, stage=stage, error=e) for scan, stage, e in reversed(board.failures)}
    out = settings.output_dir
    return [
        _failure(p, first, errors) for p in planned if not (p.is_published(out) and p.has_current_page(out))
    ]


def _failure(planned: PlannedScan, known: dict[str, Failure], errors: Mapping[str, Exception]) -> Failure:
    """That of a scan's stage, else what the engine itself could not do with the scan."""
    label = planned.scan.label
    fallback = errors.get(label) or NotStarted("not run: the run was stopped before")
    return known.get(label) or Failure(scan=label, stage="engine", error=fallback)
