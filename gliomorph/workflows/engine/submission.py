"""Many scans through one submitter: a few graphs are open at a time, and each is forgotten when it is done.

One workflow of all scans would look at every scan whenever one of them ends, and hold all of their results to the
last: time would grow with the square of the cohort, and memory with the cohort
(``test_a_graph_looks_at_all_its_nodes_whenever_one_of_them_ends``, ``test_graphs_are_kept_when_they_are_done``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from pydra.engine.job import Job  # before the others of pydra, which it imports in a circle
from pydra.engine.submitter import Submitter
from pydra.engine.workflow import Workflow

from .journal import Journal, journal

Graph = Callable[[], Any]
"""Makes the Pydra task of a scan; called when it is the scan's turn."""


def run_side_by_side(
    submit: Submitter,
    graphs: Iterable[tuple[str, Graph]],
    at_once: int,
    around: Callable[[Job], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> dict[str, Exception]:
    """Run every graph, whatever becomes of the others.

    Parameters
    ----------
    submit : Submitter
        Of Pydra, not yet running.
    graphs : iterable of (str, Graph)
        By name.
    at_once : int
        Graphs that are open at a time.
    around : callable
        Gives, for the job of each graph, what to enter while it runs.

    Returns
    -------
    errors : dict of str to Exception
        Of those that failed, by name.

    Raises
    ------
    KeyboardInterrupt
        As it comes.
    """
    errors: dict[str, Exception] = {}
    waiting = iter(graphs)
    home = os.getcwd()

    async def lane(waiting: Iterator[tuple[str, Graph]]) -> None:
        for name, graph in waiting:
            try:
                job = Job(graph(), submitter=submit, name=name)
                with around(job):
                    await submit.worker.submit(job)
            except Exception as error:
                errors[name] = error
            finally:
                Workflow.clear_cache()

    async def lanes() -> None:
        await asyncio.gather(*(lane(waiting) for _ in range(at_once)))

    try:
        submit.loop.run_until_complete(lanes())
    finally:
        # Pydra leaves a graph for the folder where it was, which may be that of another one:
        # test_a_graph_leaves_its_driver_in_its_own_folder_while_it_runs
        os.chdir(home)
    return errors


def run_alone(submit: Submitter, task: Any, name: str) -> Any:
    """Run one task and nothing beside it.

    Parameters
    ----------
    submit : Submitter
        Of Pydra, not yet running.
    task : Task
        A graph, or a stage by itself.
    name : str
        ``stage@scan`` for a stage.

    Returns
    -------
    outputs : Outputs
        Of the task.

    Raises
    ------
    Exception
        What it failed with.
    """
    done: list[Job] = []

    @contextlib.contextmanager
    def keep(job: Job) -> Iterator[None]:
        done.append(job)
        yield

    for error in run_side_by_side(submit, [(name, lambda: task)], 1, keep).values():
        raise error
    return done[0].result().outputs


class Killable(Protocol):
    """A worker that can end what it has begun."""

    journal: Journal | None

    def kill(self) -> None:
        """End it at once."""


@contextlib.contextmanager
def submitting(cache: Path, worker: Killable) -> Iterator[Submitter]:
    """A submitter whose interruption ends what the worker has begun and leaves no task behind to complain.

    Yields
    ------
    submit : Submitter
        Called with a task, as in Pydra.
    """
    with journal(cache) as worker.journal, Submitter(cache_root=cache, worker=worker) as submit:
        try:
            yield submit
        except KeyboardInterrupt:
            tasks = asyncio.all_tasks(submit.loop)
            for task in tasks:
                task.cancel()
            submit.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            worker.kill()
            raise
        finally:
            # it has a graph by the content of its inputs: the next one's files lie elsewhere
            Workflow.clear_cache()
