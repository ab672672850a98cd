"""Failures of stages."""

from __future__ import annotations

import attrs

from ...interfaces.files.text import printable


@attrs.frozen(kw_only=True)
class Failure:
    """What kept a scan from its outputs."""

    scan: str
    stage: str
    error: BaseException


def cause_of(error: BaseException) -> str:
    """The reason in one line, without a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = printable(lines[0]) if lines else "no message"
    kind = type(error).__name__
    if isinstance(error, MemoryError):
        return f"out of memory: {text}"
    if isinstance(error, OSError) and error.errno == 28:
        return f"disk full: {text}"
    ours = type(error).__module__.startswith("gliomorph")
    return text if ours or isinstance(error, ValueError) else f"{kind}: {text}"


class StageKilled(RuntimeError):
    """A stage whose process was killed, most often for memory."""


class StageFailed(RuntimeError):
    """A stage that failed in another process: the message is its cause there."""


class Elsewhere(Exception):
    """A text of another machine, as the cause of an exception here."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class NotStarted(RuntimeError):
    """A stage that was not started because the run is stopping."""
