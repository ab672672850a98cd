"""What the terminal shows while a run goes on: a live table, or plain lines where there is no terminal.

Pydra has no progress display; workers report to this one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Literal

import attrs
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


@attrs.frozen(kw_only=True)
class StageEvent:
    """What a worker says of a stage."""

    kind: Literal["start", "done", "failed"]
    stage: str
    scan: str
    """``stage``, ``scan``: As :func:`stage_and_scan` finds them."""
    key: str = ""
    """Key of the stage, which names its result in the cache."""
    seconds: float = 0.0
    """How long it took, 0 at its start."""
    error: BaseException | None = None
    """Why it failed."""

    @property
    def name(self) -> str:
        """Scan and stage, for a reader."""
        return f"{self.scan} {self.stage}".strip()


Watch = Callable[[StageEvent], None]
"""Takes the events of a worker."""


def nobody(event: StageEvent) -> None:
    """Leave the events of a worker that nobody watches."""


@contextlib.contextmanager
def watched(job: Any, watch: Watch) -> Iterator[None]:
    """Report the start and the end of a stage that the block runs."""
    stage, scan = stage_and_scan(job)
    event = StageEvent(kind="start", stage=stage, scan=scan, key=job.checksum)
    watch(event)
    begun = time.monotonic()
    try:
        yield
    except Exception as error:
        watch(attrs.evolve(event, kind="failed", seconds=time.monotonic() - begun, error=error))
        raise
    watch(attrs.evolve(event, kind="done", seconds=time.monotonic() - begun))


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
        self._finished = 0
        self._running: list[str] = []
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

    def watch(self, event: StageEvent) -> None:
        """Show what the worker says of a stage."""
        if event.kind == "start":
            self._running.append(event.name)
        else:
            with contextlib.suppress(ValueError):  # a failed Slurm job is no stage that began
                self._running.remove(event.name)
            self._finished += 1
            self._bar.advance(self._task)
            if event.error is not None:
                self._fail(event, event.error)
            elif not self.console.is_terminal and event.seconds > 1:
                self.console.print(self._line(event), markup=False, highlight=False)
        self._bar.update(self._task, running=escape(", ".join(self._running[:2])))

    def _fail(self, event: StageEvent, error: BaseException) -> None:
        self.failures.append((event.scan, event.stage, error))
        text = escape(f"{event.name}: {cause_of(error)}")
        self._bar.console.print(f"[red]failed[/red] {text}", highlight=False)
        if self.verbose:
            self._bar.console.print(str(error.__cause__ or error), markup=False, highlight=False)

    def _line(self, event: StageEvent) -> str:
        elapsed = time.monotonic() - self._start
        left = elapsed / self._finished * max(0, self.total - self._finished)
        done = f"[{self._finished}/{self.total}] {event.name} {event.seconds:.0f} s"
        return f"{done}, about {left / 60:.0f} min left"
