"""One graph of the group level, submitted."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from ...config.settings import Settings
from ..engine.failures import Failure
from ..engine.progress import Board
from ..engine.submission import submitting
from ..engine.workers import make_worker
from ..keys import cache_folder


def submitted(
    graph: Any, name: str, nodes: int, settings: Settings, console: Console, verbose: int = 0
) -> tuple[Any, Failure | None]:
    """Run a graph one node at a time, with its progress on the terminal.

    Parameters
    ----------
    graph : Task
        Of Pydra.
    name : str
        What the terminal calls it.
    nodes : int
        How many nodes it has.
    settings : Settings
    console : Console
    verbose : int
        1 prints tracebacks.

    Returns
    -------
    outputs : Outputs or None
    failure : Failure or None
        The first one; one of both is None.
    """
    board = Board(console, name, 1, nodes, verbose)
    runs = {name: graph.run} if hasattr(graph, "run") else {}
    worker = make_worker(settings, 1, console, board.watch, runs, whole=name)
    with board, submitting(cache_folder(settings.resources.work_dir), worker) as submit:
        result = submit(graph, raise_errors=False)
    if not result.errored and result.outputs is not None:
        return result.outputs, None
    stage, error = board.failures[0][1:] if board.failures else (name, RuntimeError("the graph failed"))
    return None, Failure(scan="group", stage=stage, error=error)
