"""The participant level: every scan's graph, a few at a time, failures kept apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from ..context import RunContext
from ..engine.cleaning import Cleaning
from ..engine.failures import Failure, NotStarted
from ..engine.progress import Board
from ..engine.submission import run_side_by_side, submitting
from ..engine.workers import make_worker, taken_over
from .graph import ScanGraph
from .inputs import graph_inputs
from .plan import PlannedScan, keep_stages

PER_SCAN, PER_METHOD = 11, 3
"""Stages of a scan, and those that every registration method adds."""


def run_participants(
    planned: Sequence[PlannedScan],
    context: RunContext,
) -> list[Failure]:
    """Run the scans' graphs.

    Parameters
    ----------
    planned : sequence of PlannedScan
        Those to run.
    context : RunContext

    Returns
    -------
    failures : list of Failure
        One a scan whose outputs are not all on disk.

    Raises
    ------
    KeyboardInterrupt
        After the children were ended, or the jobs cancelled.
    """
    settings, cache, console = context.settings, context.cache, context.console
    resources = settings.resources
    earlier = taken_over(cache)
    runs = {p.scan.label: earlier.get(p.scan.label, context.run_id) for p in planned}

    def graph_of(scan: PlannedScan) -> Any:
        return ScanGraph(**graph_inputs(scan, settings, context.template, runs[scan.scan.label]))

    graphs = ((p.scan.label, partial(graph_of, p)) for p in planned)
    stages = PER_SCAN + PER_METHOD * len(settings.processing.registration)
    board = Board(console, "participants", len(planned), stages, settings.verbose)
    worker = make_worker(
        settings.cluster, resources, resources.processes(len(planned)), console, board.watch, runs
    )
    with board, submitting(cache, worker) as submit:
        around = Cleaning().around if resources.clean_workdir else nullcontext
        errors = run_side_by_side(submit, graphs, settings.scans_at_once(len(planned)), around)
    for scan in planned:
        keep_stages(
            scan,
            resources.work_dir,
            not resources.clean_workdir and scan.is_published(settings.output_dir),
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
