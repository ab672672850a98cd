"""The records as tables: medians over the repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..tables import markdown
from .runs import METHODS, SYN, Run

Record = dict[str, Any]

NOTES = """\
Median, and range, of the seconds from arrays to transforms in memory; CPU seconds are those of all threads
together, and tell the work from the waiting on a machine that does other things too. Memory is the peak of the
whole process, libraries and images included; on CUDA torch's peak there is beside it. SyN runs on the CPU alone:
every time is compared with that one.
"""

TRAINING_NOTES = """\
What one training step of {label} (h={width}, on voxels of 2 mm, T={steps}, batch of one, voxels of 1 mm) adds to the
resident memory of the process, network and images being there; on CUDA the peak that torch allocated in all.
Checkpointed: each time step is computed again in the backward pass.
"""


def report(
    registrations: Sequence[Run], trainings: Sequence[Run], records: Sequence[Record], failed: Sequence[Run]
) -> str:
    """All as Markdown."""
    parts = [header(records)]
    if registrations:
        run = registrations[0]
        parts.append(f"## Registration, {_size(run.shape)} voxels, T={run.steps}")
        parts.append(registration_table(_of_kind(records, "registration"), registrations) + "\n\n" + NOTES)
    if trainings:
        run = trainings[0]
        notes = TRAINING_NOTES.format(label=METHODS[run.method].label, width=run.width, steps=run.steps)
        parts.append("## Memory of a training step")
        parts.append(training_table(_of_kind(records, "training"), trainings) + "\n\n" + notes)
    if failed:
        parts.append("Failed: " + ", ".join(run.name for run in failed) + ".\n")
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def header(records: Sequence[Record]) -> str:
    """Devices, threads and versions: one line."""
    versions = [f"{name} {v}" for record in records[:1] for name, v in record["versions"].items()]
    found = [record[key] for key in ("cpu", "cuda") for record in records if key in record]
    threads = [f"{record['settings']['threads']} threads" for record in records]
    return "; ".join(dict.fromkeys([*found, *threads, *versions])) or "No run has succeeded."


def flat(records: Sequence[Record]) -> pd.DataFrame:
    """A row a run, every setting and every figure a column."""
    rows = []
    for record in records:
        rest = {key: value for key, value in record.items() if key not in ("settings", "versions")}
        settings = record["settings"] | {"shape": _size(record["settings"]["shape"])}
        names = {"cpu": "cpu_name", "cuda": "cuda_name"}
        rows.append(settings | {names.get(key, key): value for key, value in rest.items()})
    return pd.DataFrame(rows)


def registration_table(records: Sequence[Record], runs: Sequence[Run]) -> str:
    """A row for each method on each device, in the order of ``runs``."""
    by_row: dict[tuple[str, str], list[Record]] = {
        key: [] for key in dict.fromkeys((run.method, run.device) for run in runs)
    }
    for record in records:
        by_row[record["settings"]["method"], record["settings"]["device"]].append(record)
    on_cuda = any(device == "cuda" for _, device in by_row)
    head = ["method", "device", "runs", "seconds", "min – max", "CPU seconds", "memory (GB)"]
    head += ["CUDA memory (GB)"] if on_cuda else []
    syn = _median(by_row.get((SYN, "cpu"), []), "seconds")
    rows = []
    for (method, device), group in by_row.items():
        seconds = [record["seconds"] for record in group]
        median = _median(group, "seconds")
        cells = [METHODS[method].label, device, str(len(group)), _figure(median)]
        cells.append(f"{_figure(min(seconds))} – {_figure(max(seconds))}" if seconds else "–")
        cells += [_figure(_median(group, key)) for key in ("cpu_seconds", "peak_gb")]
        cells += [_figure(_median(group, "cuda_gb"))] if on_cuda else []
        rows.append([*cells, _figure(median / syn if median and syn else None)])
    return markdown([*head, "time / SyN"], rows)


def training_table(records: Sequence[Record], runs: Sequence[Run]) -> str:
    """A row for each run, in the order of ``runs``."""
    head = ["device", "voxels", "million voxels", "checkpointed", "memory (GB)", "GB per million voxels"]
    rows = []
    for run in runs:
        size = {"device": run.device, "shape": list(run.shape), "checkpointed": run.checkpointed}
        found = [record for record in records if size.items() <= record["settings"].items()]
        memory = _median(found, "cuda_gb" if run.device == "cuda" else "growth_gb")
        millions = run.shape[0] * run.shape[1] * run.shape[2] / 1e6
        cells = [run.device, _size(run.shape), _figure(millions), "yes" if run.checkpointed else "no"]
        cells += [_figure(memory), _figure(None if memory is None else memory / millions)]
        rows.append([*cells, _figure(_median(found, "seconds"))])
    return markdown([*head, "seconds"], rows)


def _of_kind(records: Sequence[Record], kind: str) -> list[Record]:
    return [record for record in records if record["settings"]["kind"] == kind]


def _median(records: Sequence[Record], key: str) -> float | None:
    values = [record[key] for record in records if key in record]
    return float(pd.Series(values).median()) if values else None


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"
