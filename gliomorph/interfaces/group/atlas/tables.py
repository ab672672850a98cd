"""Tables of the atlas: regions of every stratum, and a row for each patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ....models.atlas import AtlasSums
from ....models.atlas.records import is_in, parts_of
from ....models.regions import REGIONS
from ....models.small_cells import SmallCells
from .scan import Frame

PATIENT_COLUMNS = (
    "tumor",
    *(f"{region}_ml" for region in REGIONS),
    "laterality_index",
    "foci",
    "centroid_x_mm",
    "centroid_y_mm",
    "centroid_z_mm",
)


def region_row(
    sums: AtlasSums, stratum: str, region: str, frequency: np.ndarray, frame: Frame, cells: SmallCells
) -> dict[str, Any]:
    """A row of ``group_regions.tsv``; what too few patients share is missing.

    Parameters
    ----------
    sums : AtlasSums
    stratum, region : str
    frequency : ndarray
        (X, Y, Z), 0 where it is withheld.
    frame : Frame
    cells : SmallCells
    """
    voxel_ml = abs(float(np.linalg.det(frame.grid.affine[:3, :3]))) / 1000
    volumes = [voxels * voxel_ml for voxels in _voxels(sums, stratum, region)]
    found = [volume for volume in volumes if volume > 0]
    shown = cells.shows(len(found), stratum)
    row: dict[str, Any] = {
        "region": region,
        "scans": len(volumes),
        "scans_with_region": len(found) if shown else None,
        "volume_ml_mean": float(np.mean(found)) if shown and found else None,
        "volume_ml_sd": float(np.std(found, ddof=1)) if shown and len(found) > 1 else None,
        "volume_ml_median": float(np.median(found)) if shown and found else None,
    }
    return row | _peak(frequency, frame) | {"stratum": stratum}


def _voxels(sums: AtlasSums, stratum: str, region: str) -> list[int]:
    """The region's size in every patient whose tumour tells about it, sorted by label."""
    members = [member for _, member in sorted(sums.members.items()) if is_in(member, stratum)]
    return [
        sum(size for size, part in zip(member.voxels, parts_of(region), strict=True) if part)
        for member in members
        if member.kind == "dseg" or region == "WT"
    ]


def _peak(frequency: np.ndarray, frame: Frame) -> dict[str, float | None]:
    if not frequency.any():
        return dict.fromkeys(("peak_frequency", "peak_x_mm", "peak_y_mm", "peak_z_mm"))
    # the first in the order of the file's voxels, x fastest, whatever the array's own order
    flat = int(np.argmax(frequency.ravel(order="F")))
    index = np.unravel_index(flat, frequency.shape, order="F")
    x, y, z = frame.grid.affine[:3, :3] @ index + frame.grid.affine[:3, 3]
    peak = float(frequency[index])
    return {"peak_frequency": peak, "peak_x_mm": float(x), "peak_y_mm": float(y), "peak_z_mm": float(z)}


def write_regions(rows: Iterable[Mapping[str, Any]], path: Path) -> Path:
    """``group_regions.tsv``."""
    pd.DataFrame(list(rows)).to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.5g")
    return path


def write_patients(
    rows: Mapping[str, Mapping[str, Any]], places: Mapping[str, Mapping[str, Any]], path: Path
) -> Path:
    """``group_patients.tsv``: measures of published masks, and nothing of ``participants.tsv``.

    Parameters
    ----------
    rows : mapping of str to mapping
        By scan, as :func:`~gliomorph.interfaces.group.atlas.scan.read_scan` gives them.
    places : mapping of str to mapping
        By scan, further columns, as :func:`~gliomorph.interfaces.group.regions.tables.patient_columns` gives them.
    path : Path
    """
    table = []
    for scan, row in sorted(rows.items()):
        subject, _, session = scan.partition("_")
        measures = {column: row.get(column) for column in PATIENT_COLUMNS} | dict(places.get(scan, {}))
        table.append({"participant_id": subject, "session_id": session or None} | measures)
    pd.DataFrame(table).to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.5g")
    return path
