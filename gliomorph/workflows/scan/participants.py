"""The participant level: every scan's graph, a few at a time, failures kept apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import attrs

from ...environment import prepare_environment
from ..context import RunContext
from ..engine.cleaning import Cleaning
from ..engine.failures import Failure, NotStarted
from ..engine.lookup import missing_stages
from ..engine.progress import Board
from ..engine.submission import Graph, run_side_by_side, submitting
from ..engine.workers import make_worker, taken_over
from .graph import ScanGraph
from .inputs import graph_inputs, publication
from .plan import PlannedScan

PER_SCAN, PER_METHOD = 11, 3
"""Stages of a scan, and those that every registration method adds."""
SHOWING = {"report", "publish"}
"""Stages of a scan that compute nothing."""
OLD_PAGE = "the intermediate results that its page is made of are gone"


def run_participants(planned: Sequence[PlannedScan], context: RunContext) -> list[Failure]:
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
    runs = run_ids([p.scan.label for p in planned], context)
    graphs = {p.scan.label: _graph(p, context, runs[p.scan.label]) for p in planned}
    stages = len(planned) * (PER_SCAN + PER_METHOD * len(context.settings.processing.registration))
    # each further image is brought to the primary one, then all to the template; some are prepared for registration
    stages += sum(len(p.further.paths) + bool(p.further.paths) + bool(p.modalities) for p in planned)
    failures = run_graphs("participants", graphs, stages, runs, context)
    out = context.settings.output_dir
    return [failures[p.scan.label] for p in planned if not (p.is_published(out) and p.has_current_page(out))]


def run_ids(names: Sequence[str], context: RunContext) -> dict[str, str]:
    """The run whose id goes into each graph: an earlier one whose Slurm jobs go on, else this one."""
    earlier = taken_over(context.cache)
    return {name: earlier.get(name, context.run_id) for name in names}


def run_graphs(
    title: str, graphs: Mapping[str, Graph], stages: int, runs: Mapping[str, str], context: RunContext
) -> dict[str, Failure]:
    """Run graphs, a few at a time.

    Parameters
    ----------
    title : str
        For the terminal.
    graphs : mapping of str to Graph
        By name, which their nodes have after the ``@``.
    stages : int
        Of all of them.
    runs : mapping of str to str
        :func:`run_ids`.
    context : RunContext

    Returns
    -------
    failures : dict of str to Failure
        For every name: its first failed stage, else what the engine itself could not do, if it was to be done at all.
    """
    settings, cache, console = context.settings, context.cache, context.console
    resources = settings.resources
    board = Board(console, title, 1, stages, settings.verbose)
    processes = resources.processes(len(graphs))
    worker = make_worker(settings.cluster, resources, processes, console, board.watch, runs)
    with board, submitting(cache, worker) as submit:
        around = Cleaning().around if resources.clean_workdir else nullcontext
        at_once = settings.cluster.scans_at_once(len(graphs), processes)
        errors = run_side_by_side(submit, graphs.items(), at_once, around)
    first = {name: Failure(scan=name, stage=stage, error=e) for name, stage, e in reversed(board.failures)}
    stopped = NotStarted("not run: the run was stopped before")
    return {
        name: first.get(name) or Failure(scan=name, stage="engine", error=errors.get(name) or stopped)
        for name in graphs
    }


def with_pages_settled(planned: Sequence[PlannedScan], context: RunContext) -> list[PlannedScan]:
    """The same scans; those whose page could be made anew only by computing are done, for a reason.

    Whatever the cause that a stage is not in the cache (a work directory that is gone, a damaged file, another
    ``--gpu``), it is found before anything is run.
    """
    old = [p for p in planned if p.status == "page"]
    if not old:
        return list(planned)
    resources = context.settings.resources
    prepare_environment(resources.work_dir, resources.threads(len(old)), resources.gpu_slots)
    missing = missing_stages(context.cache, [(p.scan.label, _graph(p, context, "lookup")) for p in old])
    # publishing is always missing, for it belongs to a run: a scan without any could not be looked up
    ready = {scan for scan, stages in missing.items() if stages <= SHOWING}
    return [
        attrs.evolve(p, status="done", reason=OLD_PAGE)
        if p.status == "page" and p.scan.label not in ready
        else p
        for p in planned
    ]


def _graph(planned: PlannedScan, context: RunContext, run: str) -> Callable[[], Any]:
    """What makes a scan's graph when its turn comes: the driver holds but a few graphs."""
    settings = context.settings
    plan = publication(planned, settings.bids_dir, settings.output_dir, settings.inputs.derivatives)
    inputs = graph_inputs(
        planned, settings.processing, settings.resources, context.template, plan, run, settings.inputs.reading
    )
    return partial(ScanGraph, **inputs)
