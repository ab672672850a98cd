"""Slurm by its commands: submit, ask for states, cancel. No accounting daemon is needed.

What Slurm has forgotten (``MinJobAge`` after a job's end) it does not tell any more: whoever asks has to judge by
what lies on disk.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

ENDED = frozenset(
    (
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    )
)
"""States of jobs that are over; in all others a job waits, runs, or is being cleared away."""
FORGOTTEN = "FORGOTTEN"
"""Our own word for a job that Slurm does not know, or no longer."""
TAKEN_AWAY = frozenset(("BOOT_FAIL", "CANCELLED", "NODE_FAIL", "PREEMPTED", FORGOTTEN))
"""States of jobs that did not end by their own fault."""
COMMANDS = ("sbatch", "squeue", "scontrol", "scancel")


class SlurmError(OSError):
    """A command of Slurm that failed, as any part of the system may: the message has it and what it said."""


@attrs.frozen
class Ending:
    """How a job ended."""

    state: str
    """A state of Slurm, or :data:`FORGOTTEN`."""
    exit_code: str = ""
    """``code:signal``; empty where Slurm does not know it any more."""


def is_live(state: str) -> bool:
    """Whether a job in this state waits or runs."""
    return state != FORGOTTEN and state not in ENDED


def missing_commands() -> list[str]:
    """Commands of :data:`COMMANDS` that are not on the ``PATH``."""
    return [name for name in COMMANDS if shutil.which(name) is None]


def job_name(text: str) -> str:
    """A name that every command of Slurm takes."""
    return re.sub(r"[^\w.]+", "-", text, flags=re.ASCII)


def submit(script: Path, name: str, log_folder: Path, arguments: Sequence[str]) -> str:
    """Hand a script to ``sbatch``.

    Parameters
    ----------
    script : Path
    name : str
        As :func:`job_name` makes it; it goes before one among the arguments.
    log_folder : Path
        Where ``slurm-<id>.log`` goes.
    arguments : sequence of str
        Of ``sbatch``.

    Returns
    -------
    job : str
        Its id.

    Raises
    ------
    SlurmError
        It was refused.
    """
    log = str(log_folder).replace("%", "%%") + "/slurm-%j.log"
    ours = ["--parsable", f"--job-name={name}", f"--output={log}", f"--error={log}", "--open-mode=append"]
    answer = _call("sbatch", *arguments, *ours, f"--chdir={log_folder}", str(script))
    job = answer.strip().split("\n")[-1].split(";")[0]
    if not job.isdecimal():
        raise SlurmError(f"sbatch: the id of a job is required, the answer was {answer.strip()!r}")
    return job


def states(jobs: Iterable[str]) -> dict[str, str]:
    """States of jobs, in one call; those that Slurm does not know are left out.

    Raises
    ------
    SlurmError
        Slurm cannot be asked: nothing is known.
    """
    wanted = list(jobs)
    if not wanted:
        return {}
    try:
        answer = _call("squeue", "--noheader", "--states=all", f"--jobs={','.join(wanted)}", "--format=%i|%T")
    except SlurmError as error:
        if "invalid job id" in str(error).lower():  # said of a single job only
            return {}
        raise
    return dict(line.strip().split("|") for line in answer.splitlines() if "|" in line)


def live_jobs_by_name() -> dict[str, str]:
    """Ids of this user's jobs that wait or run."""
    answer = _call("squeue", "--noheader", "--me", "--format=%i|%T|%j")
    lines = [line.strip().split("|", 2) for line in answer.splitlines() if line.count("|") >= 2]
    return {name: job for job, state, name in lines if state not in ENDED}


def ending(job: str) -> Ending:
    """How a job ended, as far as Slurm still knows."""
    try:
        answer = _call("scontrol", "--oneliner", "show", "job", job)
    except SlurmError:
        return Ending(FORGOTTEN)
    found = dict(re.findall(r"\b(JobState|ExitCode)=(\S+)", answer))
    return Ending(found.get("JobState", FORGOTTEN), found.get("ExitCode", ""))


def cancel(jobs: Iterable[str], *, waiting_only: bool = False) -> None:
    """End jobs; those that are over already do not matter."""
    if wanted := list(jobs):
        _call("scancel", "--quiet", *(["--state=PENDING"] if waiting_only else []), *wanted)


def _call(*command: str) -> str:
    """Standard output of a command, which Ctrl-C on our terminal does not reach.

    A driver may be a job itself: what Slurm has set in its environment about that job is not for those that it submits.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SLURM_") or name == "SLURM_CONF"
    }
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            start_new_session=True,
            timeout=120,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlurmError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = " ".join(line.strip() for line in done.stderr.splitlines() if line.strip())
        raise SlurmError(f"{command[0]}: {said or f'exit code {done.returncode}'}")
    return done.stdout
