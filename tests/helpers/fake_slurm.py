"""Slurm's commands, played by :mod:`fake_slurm_commands`, for tests of who calls them.

A job's ending can be laid down beforehand: :meth:`FakeSlurm.next_jobs` gives states that the next jobs get without
being run, ``RUN`` for one that is.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import attrs
import fake_slurm_commands

COMMANDS = ("sbatch", "squeue", "scontrol", "scancel")


@attrs.frozen
class FakeSlurm:
    """Folder of the fake.

    Attributes
    ----------
    folder : Path
        Holds ``bin``, a JSON file for each job, ``calls``, and ``next`` and ``broken`` where a test says so.
    """

    folder: Path

    def install(self) -> FakeSlurm:
        """Write the commands."""
        (self.folder / "bin").mkdir(parents=True)
        for name in COMMANDS:
            command = self.folder / "bin" / name
            # without what installed packages add to the start: Slurm is asked many times a second
            program = f'"{sys.executable}" -I -S "{fake_slurm_commands.__file__}"'
            command.write_text(f'#!/bin/sh\nexec {program} {name} "$@"\n')
            command.chmod(0o755)
        return self

    def environment(self) -> dict[str, str]:
        """Variables that put the commands first on the ``PATH``."""
        return {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            fake_slurm_commands.HOME: str(self.folder),
        }

    def next_jobs(self, *endings: str) -> None:
        """How the next jobs end."""
        (self.folder / "next").write_text("\n".join(endings))

    def break_down(self, *, answers_after: int) -> None:
        """``squeue`` fails for so many calls."""
        (self.folder / "broken").write_text(str(answers_after))

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, in the order of their ids."""
        return [json.loads(p.read_text()) for p in sorted(self.folder.glob("job-*.json"), key=_number)]

    def calls(self, command: str) -> list[list[str]]:
        """Arguments of every call of a command."""
        lines = (self.folder / "calls").read_text().splitlines() if (self.folder / "calls").exists() else []
        return [words[1:] for words in map(json.loads, lines) if words[0] == command]

    def stop(self) -> None:
        """End what still runs."""
        for job in self.jobs():
            fake_slurm_commands.kill(job)


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("job-"))
