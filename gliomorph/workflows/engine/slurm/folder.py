"""The folder of one Slurm job: what it has to do, its script and id, what it has reported, its log.

It lies in Pydra's cache and is named after the key of the task, so that whoever wants that task again finds its job.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import cloudpickle as cp

from ....config.resources import Resources
from ....interfaces.files.images import replacing, write_text
from ..failures import Elsewhere, StageFailed, cause_of
from ..progress import StageEvent
from . import commands as slurm

FOLDER = "slurm"
TAIL = 4000
"""Bytes of a log that are looked at for its last lines."""


@attrs.frozen(kw_only=True)
class Record:
    """The job that is submitted for a task."""

    name: str
    """In Slurm: this task's alone."""
    job: str = ""
    """Its id; empty until ``sbatch`` has given one."""
    node: str
    """``stage@scan``, or the scan."""
    run: str = ""
    """Id of the run in the scan's graph: one that goes on with this job takes it over."""

    @property
    def scan(self) -> str:
        """The scan that the job belongs to."""
        return self.node.partition("@")[2] or self.node


@attrs.frozen
class JobFolder:
    """Files of one job."""

    path: Path
    """``<cache>/slurm/<key of the task>``."""

    @property
    def key(self) -> str:
        """Key of the task, which names its result in the cache."""
        return self.path.name

    @property
    def cache(self) -> Path:
        """Pydra's cache."""
        return self.path.parents[1]

    def prepare(self, task: Any, resources: Resources, name: str) -> Path:
        """Write what the job needs.

        Parameters
        ----------
        task : Task
            Of Pydra, resolved.
        resources : Resources
            What the job heeds; its CPUs and memory are those that it is given.
        name : str
            Of the scan, or ``stage@scan``.

        Returns
        -------
        script : Path
            For ``sbatch``.
        """
        with replacing(self.path / "work.pklz") as temporary, temporary.open("wb") as file:
            for each in (resources, name, task):
                cp.dump(each, file)
        words = shlex.join([sys.executable, "-m", "gliomorph.workflows.engine.slurm.job", str(self.path)])
        lines = ["#!/bin/sh", f"# {slurm.job_name(name)}"]
        if paths := os.environ.get("PYTHONPATH"):
            lines.append(f"export PYTHONPATH={shlex.quote(paths)}")
        return write_text("\n".join([*lines, f"exec {words}"]) + "\n", self.path / "job.sh")

    def remember(self, record: Record) -> None:
        """Write the record, whole or not at all."""
        write_text(json.dumps(attrs.asdict(record)) + "\n", self.path / "record.json")

    def record(self) -> Record | None:
        """The job that was submitted last, if no driver has seen its end."""
        try:
            return Record(**json.loads((self.path / "record.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def forget(self) -> None:
        """The job's end has been seen."""
        (self.path / "record.json").unlink(missing_ok=True)

    def remove(self) -> None:
        """Everything of a job that has done its work."""
        shutil.rmtree(self.path, ignore_errors=True)

    def events_file(self, job: str) -> Path:
        """What a job says of its stages, a JSON object a line."""
        return self.path / f"events-{job}.jsonl"

    def tell(self, job: str, event: StageEvent) -> None:
        """Add an event of a job; closed at once, so that other machines see it."""
        facts = attrs.asdict(event)
        if event.error is not None:
            facts["error"] = [cause_of(event.error), "".join(traceback.format_exception(event.error))]
        with self.events_file(job).open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")

    def events(self, job: str, start: int = 0) -> tuple[list[StageEvent], int]:
        """Events of a job from a byte on, whole lines only, and the byte after them."""
        try:
            with self.events_file(job).open("rb") as file:
                file.seek(start)
                whole = file.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return [], start
        lines = whole.splitlines()
        return [_event(line) for line in lines], start + len(whole) + bool(lines)

    def unfinished(self) -> set[str]:
        """Keys of what this folder's jobs have begun and not ended: the task's own and those of its stages."""
        keys = {self.key}
        for path in sorted(self.path.glob("events-*.jsonl")):
            events, _ = self.events(path.stem.removeprefix("events-"))
            keys |= {event.key for event in events if event.kind == "start"}
            keys -= {event.key for event in events if event.kind == "done"}
        return keys

    def log_file(self, job: str) -> Path:
        """Standard output and error of a job."""
        return self.path / f"slurm-{job}.log"

    def last_words(self, job: str) -> list[str]:
        """The last lines of a job's log, at most ten, without empty ones."""
        try:
            with self.log_file(job).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return [line.strip() for line in text.splitlines() if line.strip()][-10:]


def _event(line: bytes) -> StageEvent:
    facts = json.loads(line)
    if facts["error"] is not None:
        cause, text = facts["error"]
        facts["error"] = StageFailed(cause)
        facts["error"].__cause__ = Elsewhere(text)
    return StageEvent(**facts)


def job_folders(cache: Path) -> Iterator[JobFolder]:
    """Folders of all jobs in a cache, in no order."""
    for path in (cache / FOLDER).glob("*/"):
        yield JobFolder(path)


def live_folders(cache: Path) -> list[tuple[JobFolder, Record]]:
    """Folders whose job still waits or runs, by one question to Slurm; none is asked where no job is known.

    Raises
    ------
    SlurmError
        Slurm cannot be asked.
    """
    known = [(folder, record) for folder in job_folders(cache) if (record := folder.record())]
    found = slurm.live_jobs_by_name() if known else {}
    return [
        (folder, attrs.evolve(record, job=found[record.name]))
        for folder, record in known
        if record.name in found
    ]
