"""What the terminal shows."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from rich.console import Console

from gliomorph.workflows.engine.progress import Board, StageEvent, stage_and_scan, watched


def job(name: str, **task: Any) -> Any:
    return SimpleNamespace(name=name, checksum=f"key-of-{name}", task=SimpleNamespace(**task))


def event(kind: Any, stage: str, scan: str, **more: Any) -> StageEvent:
    return StageEvent(kind=kind, stage=stage, scan=scan, **more)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_stage_scan_and_method_come_from_the_nodes_name() -> None:
    assert stage_and_scan(job("preproc mask@sub-01_ses-b")) == ("preproc mask", "sub-01_ses-b")
    assert stage_and_scan(job("register@sub-01", method="syn-cfm")) == ("register syn-cfm", "sub-01")
    assert stage_and_scan(job("main")) == ("main", "")


def test_watched_stage_is_reported_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 70.0, 80.0, 81.0])
    monkeypatch.setattr("gliomorph.workflows.engine.progress.time.monotonic", lambda: next(clock))
    seen: list[StageEvent] = []
    with watched(job("n4@sub-01"), seen.append):
        pass
    error = ValueError("too dark")
    with pytest.raises(ValueError, match="too dark"), watched(job("align@sub-01"), seen.append):
        raise error
    start = event("start", "n4", "sub-01", key="key-of-n4@sub-01")
    assert seen[:2] == [start, attrs.evolve(start, kind="done", seconds=60.0)]
    assert seen[3] == event("failed", "align", "sub-01", key="key-of-align@sub-01", seconds=1.0, error=error)


def test_failures_are_kept_in_order_and_told(console: Console) -> None:
    first, second = ValueError("too dark"), ValueError("[red]too bright[/red][/nothing]")
    with Board(console, "participants", 2, 2) as board:
        for stage, scan, error in (("n4", "sub-01", first), ("align", "sub-02", second)):
            board.watch(event("start", stage, scan))
            board.watch(event("failed", stage, scan, error=error))
    assert board.failures == [("sub-01", "n4", first), ("sub-02", "align", second)]
    assert "failed sub-01 n4: too dark" in text(console)
    assert "failed sub-02 align: [red]too bright[/red]" in text(console)
    assert "Traceback" not in text(console)


def test_traceback_only_when_asked_for(console: Console) -> None:
    error = ValueError("too dark")
    error.__cause__ = RuntimeError("Traceback (most recent call last): [deep]")
    with Board(console, "participants", 1, 1, verbose=1) as board:
        board.watch(event("start", "n4", "sub-01"))
        board.watch(event("failed", "n4", "sub-01", error=error))
    assert "Traceback (most recent call last): [deep]" in text(console)


def test_long_stages_are_told_line_by_line_where_there_is_no_terminal(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 70.0])
    monkeypatch.setattr("gliomorph.workflows.engine.progress.time.monotonic", lambda: next(clock))
    with Board(console, "participants", 1, 3) as board:
        board.watch(event("start", "register syn", "sub-01"))
        board.watch(event("done", "register syn", "sub-01", seconds=60.0))
    # one of three stages took 70 s from the start: two more take 140 s
    assert text(console) == "[1/3] sub-01 register syn 60 s, about 2 min left\n"


def test_short_stages_are_not_told(console: Console) -> None:
    with Board(console, "participants", 1, 3) as board:
        board.watch(event("start", "resample", "sub-01"))
        board.watch(event("done", "resample", "sub-01", seconds=0.3))
    assert text(console) == ""


def test_terminal_gets_a_bar_that_disappears() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with Board(console, "participants", 1, 2) as board:
        board.watch(event("start", "n4", "sub-01"))
        board._bar.refresh()
        assert "participants" in text(console)
        assert "sub-01 n4" in text(console)
        board.watch(event("done", "n4", "sub-01"))
