"""The regions of a parcellation on the cohort's page: pictures of each, and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import SimpleITK as sitk

from ...files.images import read_image, to_array
from ..pages import shown
from .pictures import region_pictures

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
    template: sitk.Image, told: Mapping[str, Any], maps: Mapping[str, Any], table: Path
) -> dict[str, Any]:
    """The section, as ``cohort_regions.html.j2`` takes it.

    Parameters
    ----------
    template : SimpleITK.Image
    told : mapping
        ``name`` of the parcellation, ``notices``, and ``regions``: ``label``, ``name``, ``people`` and ``folder``, a
        relative path that is not yet percent-encoded.
    maps : mapping of str to path
        By ``<label>/<key>``.
    table : Path
        ``group_parcellation.tsv``.

    Returns
    -------
    section : dict
        Texts, pictures, rows of the table.
    """
    labels = [region["label"] for region in told["regions"]]
    peaks = [float(to_array(read_image(Path(maps[key]))).max()) for key in _frequencies(labels, maps)]
    top = max(peaks, default=0.0)
    return {
        "name": told["name"],
        "notices": told["notices"],
        "regions": [
            {
                **region,
                "href": quote(region["folder"], safe="/"),
                "pictures": region_pictures(template, region, _maps_of(region["label"], maps), top),
            }
            for region in told["regions"]
        ],
        "columns": list(COLUMNS.values()),
        "rows": _rows(table),
    }


def _frequencies(labels: Sequence[str], maps: Mapping[str, Any]) -> list[str]:
    return [key for key in (f"{label}/frequency_WT" for label in labels) if key in maps]


def _maps_of(label: str, maps: Mapping[str, Any]) -> dict[str, sitk.Image]:
    return {key: read_image(Path(maps[f"{label}/{key}"])) for key in DRAWN if f"{label}/{key}" in maps}


def _rows(table: Path) -> list[list[str]]:
    rows = pd.read_csv(table, sep="\t", keep_default_na=False, na_values=["n/a"], dtype={"name": str})
    rows["share_involved_mean"] *= 100
    return [[shown(row[name]) for name in COLUMNS] for row in rows.to_dict("records")]
