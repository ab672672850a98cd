"""Where the tumours of a cohort lie in a parcellation, as a stage.

Tumours are read one at a time, and only those that the kept places lack. What is kept tells about single
participants: it belongs into the work directory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import SimpleITK as sitk

from ....models.atlas import Place, place_of
from ...files.images import read_image, to_array, write_text
from ...files.labels import tumor_only
from ...task import task
from ..records import GroupScan


def tumor_places(
    scans: tuple[GroupScan, ...], parcellation: Path, count: int, code: str, kept: str
) -> dict[str, Place]:
    """The region that every whole tumour belongs to, and its overlap with all of them.

    Parameters
    ----------
    scans : tuple of GroupScan
        Their ``tumor`` is a label map or a mask on the template's grid: what is not 0 and no resection cavity.
    parcellation : Path
        On the template's grid, labels 1 to ``count``.
    count : int
        How many there are.
    code : str
        Of what computes: kept places of other code, or of another parcellation, are not taken.
    kept : str
        Where the places are kept for the next time; empty for nowhere.

    Returns
    -------
    places : dict of str to Place
        Sorted by scan.
    """
    voxels = Path(parcellation).read_bytes()
    made_by = hashlib.sha256(code.encode() + b"\0" + voxels).hexdigest()
    path = Path(kept) if kept else None
    known = _load(path, made_by)
    parcels = to_array(read_image(parcellation))
    parcels = parcels.astype("uint16")
    rows: dict[str, dict[str, Any]] = {}
    for scan in sorted(scans, key=lambda scan: scan.label):
        row = known.get(scan.label, {})
        if row.get("key") != scan.key:
            tumor = tumor_only(to_array(read_image(scan.files["tumor"], sitk.sitkUInt8)))
            place = place_of(tumor, parcels, count)
            row = {"key": scan.key, **attrs.asdict(place), "voxels": list(place.voxels)}
        rows[scan.label] = row
    if path is not None and rows != known:
        write_text(json.dumps({"made_by": made_by, "places": rows}) + "\n", path)
    return {
        scan: Place(region=row["region"], size=row["size"], voxels=tuple(row["voxels"]))
        for scan, row in rows.items()
    }


def _load(path: Path | None, made_by: str) -> Mapping[str, dict[str, Any]]:
    """Kept places; none where there is no file, or it is damaged or of something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or content.get("made_by") != made_by:
        return {}
    places: dict[str, dict[str, Any]] = content["places"]
    return places


TumorPlaces = task(tumor_places, "places")
