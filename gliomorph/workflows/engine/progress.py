"""What the terminal shows while a run goes on: a live table, or plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .failures import cause_of


def stage_and_scan(job: Any) -> tuple[str, str]:
    """Stage and scan of a job, from its node's name ``stage@scan``; the method follows the stage."""
    stage, _, scan = str(job.name).partition("@")
    method = getattr(job.task, "method", None)
    return (f"{stage} {method}" if isinstance(method, str) else stage), scan


class Board:
    """Counts finished stages and scans, estimates what is left, and remembers failures.

    Parameters
    ----------
    console : rich.console.Console
        Where messages go.
    title : str
        Heading.
    scans : int
    stages_per_scan : int
    verbose : int
        At 1 and above tracebacks are printed too.
    """

    def __init__(
        self, console: Console, title: str, scans: int, stages_per_scan: int, verbose: int = 0
    ) -> None:
        self.console, self.title, self.verbose = console, title, verbose
        self.total = scans * stages_per_scan
        self.failures: list[tuple[str, str, BaseException]] = []
        self._done: Counter[str] = Counter()
        self._running: dict[str, float] = {}
        self._start = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("stages"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[running]}"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=self.total, running="")

    def __enter__(self) -> Board:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def watch(self, event: str, job: Any, error: BaseException | None) -> None:
        """A stage's ``start``, ``done`` or ``failed``, as the worker tells."""
        stage, scan = stage_and_scan(job)
        name = f"{scan} {stage}".strip()
        if event == "start":
            self._running[name] = time.monotonic()
        else:
            seconds = time.monotonic() - self._running.pop(name, time.monotonic())
            self._done[event] += 1
            self._bar.advance(self._task)
            if error is not None:
                self.failures.append((scan, stage, error))
                text = escape(f"{name}: {cause_of(error)}")
                self._bar.console.print(f"[red]failed[/red] {text}", highlight=False)
                if self.verbose:
                    self._bar.console.print(str(error.__cause__ or error), markup=False, highlight=False)
            elif not self.console.is_terminal and seconds > 1:
                self.console.print(self._line(name, seconds), markup=False, highlight=False)
        self._bar.update(self._task, running=escape(", ".join(list(self._running)[:2])))

    def _line(self, name: str, seconds: float) -> str:
        finished = sum(self._done.values())
        elapsed = time.monotonic() - self._start
        left = elapsed / finished * max(0, self.total - finished)
        return f"[{finished}/{self.total}] {name} {seconds:.0f} s, about {left / 60:.0f} min left"
