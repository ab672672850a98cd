"""Processes that are killed, stopped and asked to end at random moments, and runs that meet in one folder."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from random import Random

from .fault import Disturb, Fault, Inject, Kind
from .world import World, children, end_group

EARLY = 0.25
"""Share of the moments before the first stage has ended."""
MOST_STAGES = 6
"""A signal comes after so many stages at most."""

Process = subprocess.Popen[bytes]


def until_moment(world: World, process: Process, rng: Random) -> bool:
    """Wait for a random moment of a run; whether it comes before the run's end."""
    if rng.random() < EARLY:
        time.sleep(rng.uniform(0, 4))
    else:
        wanted, pause = world.stages() + rng.randint(1, MOST_STAGES), rng.uniform(0, 0.5)
        while process.poll() is None and world.stages() < wanted:
            time.sleep(0.02)
        time.sleep(pause)
    return process.poll() is None


def _to_driver(number: signal.Signals, whole_group: bool = False) -> Callable[[Random], Disturb]:
    def draw(rng: Random) -> Disturb:
        def disturb(world: World, process: Process) -> bool:
            if not until_moment(world, process, rng):
                return False
            if whole_group:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            return True

        return disturb

    return draw


def _to_children(number: signal.Signals, all_of_them: bool) -> Callable[[Random], Disturb]:
    def draw(rng: Random) -> Disturb:
        def disturb(world: World, process: Process) -> bool:
            if not until_moment(world, process, rng):
                return False
            found = children(process.pid)
            hit = found if all_of_them else rng.sample(found, min(1, len(found)))
            for pid in hit:
                _send(pid, number)
            if number == signal.SIGSTOP:
                time.sleep(rng.uniform(0.5, 4))
                for pid in hit:
                    _send(pid, signal.SIGCONT)
            return bool(hit)

        return disturb

    return draw


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        os.kill(pid, number)


def _signalled(draw: Callable[[Random], Disturb], code: int, repeats: int = 4) -> Inject:
    """``code`` is the right one; while Python still imports, a signal ends it as it would end any program."""

    def inject(world: World, subject: str, rng: Random) -> Fault:
        return Fault(
            detail=f"{repeats} runs one after the other",
            codes=(code, -signal.Signals(-code if code < 0 else code - 128)) if code else (0,),
            disturb=draw(rng),
            repeats=repeats,
        )

    return inject


def _second(*options: str, killed: bool = False) -> Inject:
    """Another run of the same command that starts a little later."""

    def inject(world: World, subject: str, rng: Random) -> Fault:
        wait, started = rng.uniform(0, 6), []
        words = [word.format(work=world.work) for word in options]

        def disturb(running: World, process: Process) -> bool:
            time.sleep(wait)
            other = running.start(*words, log="second.txt")
            started.append(other)
            if killed and until_moment(running, other, rng):
                end_group(other.pid, 0.0)
            return process.poll() is None

        def check() -> list[str]:
            (other,) = started
            code = other.wait(timeout=600)
            text = (world.root / "second.txt").read_text(errors="replace")
            alive = end_group(other.pid)
            wrong = [f"{alive} processes of the second run live on"] if alive else []
            return (
                wrong if killed or code == 0 else [*wrong, f"the second run ends with {code}: {text[-1500:]}"]
            )

        return Fault(detail=f"the second {wait:.1f} s later, {' '.join(words)}", disturb=disturb, check=check)

    return inject


def kinds() -> list[Kind]:
    """All of them."""
    ended = {
        "kill -9 of the driver": (_signalled(_to_driver(signal.SIGKILL), -signal.SIGKILL), 12),
        "SIGTERM to the driver": (_signalled(_to_driver(signal.SIGTERM), 143), 4),
        "SIGTERM to all processes": (_signalled(_to_driver(signal.SIGTERM, True), 143), 4),
        "SIGINT to the driver": (_signalled(_to_driver(signal.SIGINT), 130), 4),
        "SIGINT to all processes": (_signalled(_to_driver(signal.SIGINT, True), 130), 4),
        "SIGHUP to the driver": (_signalled(_to_driver(signal.SIGHUP), 129), 4),
        "kill -9 of a child": (_signalled(_to_children(signal.SIGKILL, False), 0, repeats=1), 3),
        "kill -9 of all children": (_signalled(_to_children(signal.SIGKILL, True), 0, repeats=1), 2),
        "a child stopped for a while": (_signalled(_to_children(signal.SIGSTOP, False), 0, repeats=1), 1),
    }
    found = [
        Kind(name=f"process: {name}", inject=inject, share=share, start="half", repeats=4 if share > 3 else 1)
        for name, (inject, share) in ended.items()
    ]
    runs = {
        "one work directory": _second(),
        "two work directories": _second("-w", "{work}/second"),
        "one of them killed": _second(killed=True),
        "one of them cleans the work directory": _second("--clean-workdir"),
    }
    return found + [
        Kind(name=f"two runs: {name}", inject=inject, start="half") for name, inject in runs.items()
    ]
