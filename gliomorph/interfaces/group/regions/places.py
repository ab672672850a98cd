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

import SimpleITK as sitk

from ....models.atlas import place_of
from ...files.images import read_image, to_array, write_text
from ...task import task

Places = dict[str, dict[str, Any]]
"""By scan, what a :class:`~gliomorph.models.atlas.Place` says: ``region``, ``size`` and ``voxels``."""


def tumor_places(
    scans: list[str],
    tumors: list[Path],
    keys: list[str],
    parcellation: Path,
    count: int,
    code: str,
    kept: str,
) -> Places:
    """The region that every whole tumour belongs to, and its overlap with all of them.

    Parameters
    ----------
    scans : list of str
        Labels, in the order of the other lists.
    tumors : list of Path
        Label maps or masks on the template's grid: what is not 0.
    keys : list of str
        A scan's changes whenever its tumour does.
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
    places : dict of str to dict
        Sorted by scan.
    """
    voxels = Path(parcellation).read_bytes()
    made_by = hashlib.sha256(code.encode() + b"\0" + voxels).hexdigest()
    path = Path(kept) if kept else None
    known = _load(path, made_by)
    parcels = to_array(read_image(parcellation))
    parcels = parcels.astype("uint16")
    found: dict[str, dict[str, Any]] = {}
    for scan, tumor, key in sorted(zip(scans, tumors, keys, strict=True)):
        if known.get(scan, {}).get("key") == key:
            found[scan] = known[scan]
            continue
        place = place_of(to_array(read_image(tumor, sitk.sitkUInt8)), parcels, count)
        found[scan] = {"key": key, "region": place.region, "size": place.size, "voxels": list(place.voxels)}
    if path is not None and found != known:
        write_text(json.dumps({"made_by": made_by, "places": found}) + "\n", path)
    return {scan: {name: row[name] for name in ("region", "size", "voxels")} for scan, row in found.items()}


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
