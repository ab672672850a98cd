"""A graph or a stage of the group level, submitted."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from ...config.cluster import Cluster
from ...config.resources import Resources
from ..engine.failures import Failure
from ..engine.progress import Board
from ..engine.submission import run_alone, submitting
from ..engine.workers import make_worker
from ..keys import cache_folder


def submitted(
    task: Any,
    name: str,
    stages: int,
    cluster: Cluster,
    resources: Resources,
    console: Console,
    verbose: int,
    run: str = "",
) -> tuple[Any, Failure | None]:
    """Run a task of the group level one stage at a time, with its progress on the terminal.

    Parameters
    ----------
    task : Task
        Of Pydra: a graph, or a stage by itself.
    name : str
        What the terminal calls it; ``stage@what`` for a stage.
    stages : int
        How many it has.
    cluster : Cluster
    resources : Resources
    console : Console
    verbose : int
        1 prints tracebacks.
    run : str
        The run's id, where it is in the task.

    Returns
    -------
    outputs : Outputs or None
    failure : Failure or None
        The first one; one of both is None.
    """
    title = name.partition("@")[0]
    board = Board(console, title, 1, stages, verbose)
    runs = {name: run} if run else {}
    worker = make_worker(cluster, resources, 1, console, board.watch, runs)
    with board, submitting(cache_folder(resources.work_dir), worker) as submit:
        try:
            return run_alone(submit, task, name), None
        except Exception as error:
            stage, first = board.failures[0][1:] if board.failures else (title, error)
    return None, Failure(scan="group", stage=stage, error=first)
