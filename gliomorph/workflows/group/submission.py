"""One graph or one task of the group level, submitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydra.engine.result import load_result
from rich.console import Console

from ...config.settings import Settings
from ..engine.failures import Failure
from ..engine.progress import Board
from ..engine.submission import run_side_by_side, submitting
from ..engine.workers import NOBODY, make_worker
from ..keys import cache_folder


def submitted(
    task: Any,
    name: str,
    stages: int,
    settings: Settings,
    console: Console,
    verbose: int = 0,
    runs: Mapping[str, str] = NOBODY,
) -> tuple[Any, Failure | None]:
    """Run a graph or a task, one stage at a time, with its progress on the terminal.

    Parameters
    ----------
    task : Task
        Of Pydra.
    name : str
        What the terminal calls it; of a single stage ``stage@what``, as in graphs.
    stages : int
        How many stages it has.
    settings : Settings
    console : Console
    verbose : int
        1 prints tracebacks.
    runs : mapping of str to str
        By name, the run whose id is in the graph.

    Returns
    -------
    outputs : Outputs or None
    failure : Failure or None
        The first one; one of both is None.
    """
    title, cache = name.partition("@")[0], cache_folder(settings.work_dir)
    board = Board(console, title, 1, stages, verbose)
    worker = make_worker(settings, 1, console, board.watch, runs)
    with board, submitting(cache, worker) as submit:
        # not by calling the submitter: that would name everything "main"
        errors = run_side_by_side(submit, [(name, lambda: task)], 1)
    if name not in errors:
        return load_result(task._checksum, [cache]).outputs, None
    stage, error = board.failures[0][1:] if board.failures else (title, errors[name])
    return None, Failure(scan="group", stage=stage, error=error)
