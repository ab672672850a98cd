"""Masks by every tool, and what is measured of them."""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gliomorph.interfaces.files.images import (
    ImageError,
    read_image,
    to_array,
    voxel_volume_ml,
    write_image,
    write_text,
)
from gliomorph.interfaces.files.masks import finite_image
from gliomorph.interfaces.machine.limits import peak_gb
from gliomorph.interfaces.scan.extraction import extracted
from gliomorph.interfaces.scan.records import Extraction

from .cases import Case, paint

Row = dict[str, Any]


def mask_path(tool: str, case: Case, out: Path) -> Path:
    """Where a mask is kept; its row lies beside it."""
    return out / "masks" / tool / f"{case.name}.nii.gz"


def extract(tool: str, case: Case, out: Path) -> Row:
    """The row of one tool and image; what is kept is not made again."""
    path = mask_path(tool, case, out)
    record = path.with_suffix(".json")
    if record.exists():
        return dict(json.loads(record.read_text()))
    if case.labels and case.brain:
        paint(case.labels, case.image, case.brain)
    row: Row = {"tool": tool, "head": case.head, "sequence": case.sequence, "failure": "", "flags": ""}
    image, _ = finite_image(case.image)
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            mask, flags = extracted(image, Extraction(tool=tool), Path(scratch), case.image.name)
    except ImageError as error:
        row["failure"] = str(error)
    else:
        row |= {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        row |= {"peak_gb": peak_gb(), "flags": "; ".join(flags)}
        row |= judged(to_array(mask) > 0, voxel_volume_ml(mask), case)
        write_image(mask, path)
    write_text(json.dumps(row), record)
    return row


def judged(mask: np.ndarray, voxel_ml: float, case: Case) -> Row:
    """Volume, the tumour's share inside, and Dice with the labels' brain."""
    row: Row = {"ml": float(mask.sum()) * voxel_ml}
    if case.tumor:
        tumor = to_array(read_image(case.tumor)) > 0
        row["tumor_inside"] = float(mask[tumor].mean())
    if case.brain:
        row["dice"] = dice(mask, to_array(read_image(case.brain)) > 0)
    return row


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Overlap of two masks."""
    return float(2 * (first & second).sum() / max(1, first.sum() + second.sum()))


def agreements(tool: str, cases: Sequence[Case], out: Path) -> list[Row]:
    """Dice of the masks of a head's sequences, pair by pair."""
    rows: list[Row] = []
    for head, group in itertools.groupby(cases, lambda case: case.head):
        masks = {
            case.sequence: to_array(read_image(path)) > 0
            for case in group
            if (path := mask_path(tool, case, out)).exists()
        }
        for first, second in itertools.combinations(masks, 2):
            pair = {"tool": tool, "head": head, "first": first, "second": second}
            rows.append({**pair, "dice": dice(masks[first], masks[second])})
    return rows
