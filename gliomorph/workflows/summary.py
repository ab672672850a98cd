"""The end of a run: who failed where and why, what to look at, the command that runs them again, the log folder."""

from __future__ import annotations

import json
import shlex
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table

import gliomorph

from ..interfaces.derivatives.scan_record import read_scan_record
from ..interfaces.files.images import write_text
from ..interfaces.files.tables import read_tsv, table
from ..interfaces.files.text import alike, some
from ..interfaces.scan.records import Remarks, out_of_atlas
from .engine.failures import Failure, cause_of
from .scan.plan import PlannedScan

COLUMNS = ("scan", "status", "stage", "cause", "look_at")


@attrs.frozen(kw_only=True)
class RunLog:
    """The folder of one run: its command and options, its errors, its table."""

    folder: Path
    """``OUT/logs/<run id>``."""

    def start(self, options: Mapping[str, Any], argv: Sequence[str]) -> None:
        """Write what was asked for."""
        content = {"command": shlex.join(argv), "version": gliomorph.__version__, "options": dict(options)}
        write_text(json.dumps(content, indent=1, default=str) + "\n", self.folder / "run.json")

    def failure(self, failure: Failure) -> None:
        """Write a failure's whole traceback."""
        text = "".join(traceback.format_exception(failure.error))
        write_text(text, self.folder / f"{failure.scan}_{failure.stage.replace(' ', '-')}.txt")

    def finish(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the table of all scans."""
        cells = [[row[column] for column in COLUMNS] for row in rows]
        write_text(table(COLUMNS, cells), self.folder / "summary.tsv")


def last_causes(logs: Path) -> dict[str, tuple[str, str]]:
    """Stage and cause of each scan's failure in earlier runs, the newest word on each scan.

    What is no such table, of a run on a disk that was full, say, is passed over.
    """
    causes: dict[str, tuple[str, str]] = {}
    for path in sorted(logs.glob("*/summary.tsv")):
        for row in _rows(path):
            causes.pop(row["scan"], None)
            if row["status"] == "failed":
                causes[row["scan"]] = (row["stage"], row["cause"])
    return causes


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        columns, rows = read_tsv(path)
    except (OSError, ValueError):
        return []
    # earlier versions had no column of what to look at
    return [row.cells for row in rows if row.whole and {*COLUMNS} - {"look_at"} <= {*columns}]


def rows_of(
    planned: Sequence[PlannedScan], failures: Sequence[Failure], remarks: Mapping[str, Remarks]
) -> list[dict[str, str]]:
    """One row a scan: ``done`` or ``failed``, with stage and cause, and what to look at."""
    failed = {f.scan: (f.stage, cause_of(f.error)) for f in failures}
    failed |= {p.scan.label: ("query", p.reason) for p in planned if p.status == "impossible"}
    rows = []
    for label in sorted({p.scan.label for p in planned}):
        stage, cause = failed.get(label, ("", ""))
        status = "failed" if label in failed else "done"
        row = {"scan": label, "status": status, "stage": stage, "cause": cause, "look_at": ""}
        if status == "done" and label in remarks:
            row["look_at"] = "; ".join([*remarks[label].doubts, *remarks[label].flags])
        rows.append(row)
    return rows


def remarks_of(planned: Sequence[PlannedScan], out_dir: Path) -> dict[str, Remarks]:
    """What the records of done scans say to look at, of this run or of an earlier one."""
    found = {}
    for scan in planned:
        if scan.names and scan.input_keys and scan.is_published(out_dir):
            record = read_scan_record(out_dir / scan.names.registration(next(iter(scan.input_keys))))
            assert record is not None
            found[scan.scan.label] = Remarks(flags=record.flags, doubts=record.doubts)
    return found


def print_remarks(
    console: Console, remarks: Mapping[str, Remarks], confirms: Callable[[str], bool] = lambda scan: False
) -> None:
    """What to look at before the results are used, a line for what several scans share; doubts first.

    ``confirms`` says of a scan whether the user has confirmed it: it is not kept out.
    """
    groups: dict[tuple[bool, str], dict[str, str]] = {}
    for scan, found in remarks.items():
        for is_flag, texts in enumerate((found.doubts, found.flags)):
            for text in texts:
                groups.setdefault((bool(is_flag), alike(text)), {})[scan] = text
    if not groups:
        return
    scans = {scan for group in groups.values() for scan in group}
    console.print(f"Look at {len(scans)} of {len(remarks)} scans:", highlight=False)
    for (is_flag, kind), group in sorted(groups.items()):
        who = f"{len(group)} scan{'s' * (len(group) > 1)}" + ", doubtful" * (not is_flag)
        text = kind if len({*group.values()}) > 1 else next(iter(group.values()))
        line = f"  {who}: {text} ({some(sorted(group))})"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if doubtful := sorted(scan for scan, found in remarks.items() if found.doubts and not confirms(scan)):
        text = f"Doubtful scans are {out_of_atlas(some(doubtful, ' '))}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def print_failures(console: Console, rows: Sequence[Mapping[str, str]], argv: Sequence[str]) -> None:
    """The table scan → stage → cause, and the command that runs those scans again."""
    failed = [row for row in rows if row["status"] == "failed"]
    if not failed:
        return
    table = Table(title=f"{len(failed)} of {len(rows)} scans failed", title_justify="left")
    for heading in ("scan", "stage", "cause"):
        table.add_column(heading, overflow="fold")
    for row in failed:
        table.add_row(row["scan"], row["stage"], row["cause"])
    console.print(table, markup=False)
    console.print("Once mended, run them again with:", highlight=False)
    console.print(f"  {rerun_command(argv, [row['scan'] for row in failed])}", soft_wrap=True, markup=False)


def rerun_command(argv: Sequence[str], scans: Sequence[str]) -> str:
    """The same command for the subjects of some scans only."""
    option = ("--participant-label", "--participant_label")
    kept, skipping = [], False
    for word in argv:
        if word.startswith("-"):
            skipping = word in option
        if not skipping and word.partition("=")[0] not in option:
            kept.append(word)
    subjects = sorted({scan.split("_")[0].removeprefix("sub-") for scan in scans})
    return shlex.join([*kept, "--participant-label", *subjects])
