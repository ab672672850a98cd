"""Trivial stages, importable by the pool's children."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from pydra.compose import python, workflow


@python.define(outputs={"out": int})
def Double(number: int) -> int:
    """Twice a number; marks nothing, needs nothing."""
    return 2 * number


@python.define(outputs={"out": int})
def DieOnce(marker: str) -> int:
    """Kills its process unless the marker is there, which it makes first."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


@python.define(outputs={"out": int})
def DieAlways(number: int) -> int:
    """Kills its process, as the kernel does for want of memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@python.define(outputs={"out": int})
def Fail(number: int) -> int:
    """Raises."""
    raise ValueError(f"no {number} today")


@python.define(outputs={"out": int})
def Sleep(folder: str, number: int) -> int:
    """Writes its process id into a folder, then sleeps for longer than any test."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)
    return number


@python.define(outputs={"out": str})
def SigintHandling(number: int) -> str:
    """How this process treats Ctrl-C."""
    return str(signal.getsignal(signal.SIGINT))


@workflow.define(outputs={"out": int})
def Chain(number: int, scan: str, bad: str, marker: str) -> int:
    """Two stages; the second one is ``bad``: ``no``, ``dies``, ``dies once`` or ``fails``."""
    first = workflow.add(Double(number=number), name=f"double@{scan}")
    if bad == "dies":
        return workflow.add(DieAlways(number=first.out), name=f"die@{scan}").out
    if bad == "dies once":
        return workflow.add(DieOnce(marker=marker), name=f"die@{scan}").out
    if bad == "fails":
        return workflow.add(Fail(number=first.out), name=f"fail@{scan}").out
    return workflow.add(Double(number=first.out), name=f"again@{scan}").out


@workflow.define(outputs={"chains": int})
def Chains(bad: dict[str, str], marker: str) -> int:
    """Chains side by side, by the scan's label."""
    for number, (scan, how) in enumerate(bad.items()):
        # equal stages would be one to pydra, and run once
        workflow.add(Chain(number=3**number, scan=scan, bad=how, marker=marker), name=scan)
    return len(bad)


@workflow.define(outputs={"sleepers": int})
def Sleepers(folder: str) -> int:
    """Two stages that sleep."""
    for number in (1, 2):  # equal stages would be one to pydra, and run once
        workflow.add(Sleep(folder=folder, number=number), name=f"sleep@{number}")
    return 2


@workflow.define(outputs={"handling": str})
def AskChild(number: int) -> str:
    """:func:`SigintHandling` in a child of the pool."""
    return workflow.add(SigintHandling(number=number), name="ask@child").out


@python.define(outputs={"out": int})
def Wait(folder: str, number: int) -> int:
    """Says that it has begun, then waits for a file ``go``."""
    (Path(folder) / f"begun-{number}").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.05)
    return number


@workflow.define(outputs={"waiters": int})
def Waiters(folder: str) -> int:
    """Two stages that wait."""
    for number in (1, 2):
        workflow.add(Wait(folder=folder, number=number), name=f"wait@{number}")
    return 2
