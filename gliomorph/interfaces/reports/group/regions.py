"""The regions of a parcellation on the cohort's page: pictures of each, and the table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import SimpleITK as sitk

from ...files.images import read_image, to_array
from ..pages import shown
from .pictures import region_pictures
from .story import Regions

COLUMNS = {
    "name": "Region",
    "volume_ml": "Volume (ml)",
    "participants": "Participants",
    "participants_touching": "Participants touching it",
    "share_involved_mean": "Share involved, mean (%)",
}
"""Columns of ``group_parcellation.tsv`` and their headings."""
DRAWN = ("frequency_WT", "shape", "logjacobian_mean", "logjacobian_sd")
"""Maps of a region that the page shows."""


def section_of_regions(
    template: sitk.Image, regions: Regions, maps: Mapping[str, Path], table: Path
) -> dict[str, Any]:
    """The section, as ``cohort_regions.html.j2`` takes it.

    Parameters
    ----------
    template : SimpleITK.Image
    regions : Regions
    maps : mapping of str to Path
        By ``<label>/<key>``.
    table : Path
        ``group_parcellation.tsv``.

    Returns
    -------
    section : dict
        Texts, pictures, rows of the table.
    """
    images = {group.label: _maps_of(group.label, maps) for group in regions.groups}
    # one scale for all regions, so that they can be compared
    peaks = [
        float(to_array(found["frequency_WT"]).max()) for found in images.values() if "frequency_WT" in found
    ]
    top = max(peaks, default=0.0)
    return {
        "name": regions.name,
        "notices": regions.notices,
        "regions": [
            {"group": group, "pictures": region_pictures(template, group, images[group.label], top)}
            for group in regions.groups
        ],
        "columns": list(COLUMNS.values()),
        "rows": _rows(table),
    }


def _maps_of(label: str, maps: Mapping[str, Path]) -> dict[str, sitk.Image]:
    return {key: read_image(maps[f"{label}/{key}"]) for key in DRAWN if f"{label}/{key}" in maps}


def _rows(table: Path) -> list[list[str]]:
    rows = pd.read_csv(table, sep="\t", keep_default_na=False, na_values=["n/a"], dtype={"name": str})
    rows["share_involved_mean"] *= 100
    return [[shown(row[name]) for name in COLUMNS] for row in rows.to_dict("records")]
