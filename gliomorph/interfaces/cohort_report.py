"""The HTML page of a cohort: the atlas in pictures, and the quality of every scan in a sortable table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import SimpleITK as sitk

from . import figures
from .cuts import CONVENTION, Cut, spread_cuts
from .images import read_image, to_array
from .pages import MEASURES, Measure, Picture, as_json, as_number, embedded, flag, render, shown

REGION_TEXTS = {
    "WT": "whole tumour",
    "TC": "tumour core",
    "ET": "enhancing tumour",
    "NCR": "necrotic core",
    "ED": "oedema",
}
SLICES = 4
OUTLIER = 3.5
"""Distance from the median, in robust standard deviations, beyond which a measure is flagged."""
MINIMUM = 8
"""Fewer values than this have no outliers."""


def cohort_report(
    *,
    out_file: Path,
    title: str,
    quality: pd.DataFrame,
    excluded: Sequence[Mapping[str, str]],
    template: Path,
    frequency: Mapping[str, Path],
    coverage: Path | None,
    mean_image: Path | None,
    pages: Mapping[str, str],
    used: Mapping[str, Any],
) -> Path:
    """The cohort's page.

    Parameters
    ----------
    out_file : Path
        Beside ``group_quality.tsv`` and ``group_regions.tsv``, to which the page links.
    title : str
    quality : pandas.DataFrame
        A row for each scan and method; columns that are not known are shown under their own names.
    excluded : sequence of mappings
        ``scan``, ``stage`` and ``cause`` of those that are not in the atlas.
    template : Path
        What the maps are drawn on.
    frequency : mapping of str to Path
        Region (``WT``, ``ET``…) to its map in [0, 1].
    coverage, mean_image : Path or None
        Where scans have data (mask, share or number), and their average.
    pages : mapping of str to str
        Scan (``sub-X`` or ``sub-X_ses-Y``) to its page, a relative path that is not yet percent-encoded.
    used : mapping
        Settings of the run; ``template``, ``registration``, ``version`` and ``citations`` (texts) are shown, all
        as JSON.

    Returns
    -------
    out_file : Path
    """
    left_out = {row.get("scan", "") for row in excluded}
    rows = _rows(quality, pages)
    return render(
        "cohort.html.j2",
        Path(out_file),
        title=title,
        included=len({row["scan"] for row in rows} - left_out),
        facts_rows=[
            (key.capitalize(), str(used[key]))
            for key in ("template", "registration", "version")
            if key in used
        ],
        excluded=[{key: row.get(key, "") for key in ("scan", "stage", "cause")} for row in excluded],
        pictures=_pictures(read_image(template), frequency, coverage, mean_image),
        columns=[MEASURES.get(name, Measure(name)) for name in _columns(quality)],
        rows=rows,
        methods=sorted({row["method"] for row in rows} - {""}),
        flagged=sum(any(cell["flag"] for cell in row["cells"]) for row in rows),
        citations=[str(text) for text in used.get("citations", ())],
        used=[("Settings of the run", as_json(used))],
        outlier=OUTLIER,
    )


def _columns(quality: pd.DataFrame) -> list[str]:
    """Columns of the table: the verdict first; those that name the scan are merged into one before these."""
    names = [name for name in quality.columns if name not in ("scan", "participant_id", "session_id")]
    return sorted(names, key=lambda name: name not in ("method", "status", "reason", "flag"))


def _rows(quality: pd.DataFrame, pages: Mapping[str, str]) -> list[dict[str, Any]]:
    outliers = _outliers(quality)
    rows = []
    for number, record in enumerate(quality.to_dict("records")):
        scan = _scan(record)
        cells = []
        for column in _columns(quality):
            value, text = record[column], shown(record[column])
            cells.append(
                {
                    "text": text,
                    "value": "" if text == "–" else str(value),
                    "number": as_number(value) is not None,
                    "flag": flag(column, value) or outliers.get((number, column), ""),
                }
            )
        method = shown(record.get("method", ""))
        rows.append({"scan": scan, "href": _href(pages.get(scan, "")), "method": method, "cells": cells})
    return rows


def _scan(record: Mapping[str, object]) -> str:
    """``sub-X`` or ``sub-X_ses-Y`` of a row, from its ``scan`` column or from participant and session."""
    parts = [record.get("scan")] if record.get("scan") else []
    parts = parts or [record.get("participant_id"), record.get("session_id")]
    return "_".join(shown(part) for part in parts if shown(part) != "–")


def _href(page: str) -> str:
    """A relative link: the colon of ``javascript:`` and the like is encoded."""
    return quote(page, safe="/")


def _outliers(quality: pd.DataFrame) -> dict[tuple[int, str], str]:
    """(row number, column) of values far from their method's median, with what to say about them."""
    found = {}
    groups = quality.get("method", pd.Series("", index=quality.index)).fillna("").to_numpy()
    for column in _columns(quality):
        if not MEASURES.get(column, Measure(column)).better or column == "seconds":
            continue
        values = pd.to_numeric(quality[column], errors="coerce").to_numpy(float)
        for group in np.unique(groups):
            mine = np.flatnonzero((groups == group) & np.isfinite(values))
            if len(mine) < MINIMUM:
                continue
            distance = np.abs(values[mine] - np.median(values[mine]))
            spread = 1.4826 * np.median(distance)
            far = mine[distance > OUTLIER * spread] if spread > 0 else []
            found.update({(int(number), column): "far from the others" for number in far})
    return found


def _pictures(
    template: sitk.Image, frequency: Mapping[str, Path], coverage: Path | None, mean_image: Path | None
) -> list[Picture]:
    maps = {region: read_image(path) for region, path in frequency.items()}
    widest = maps.get("WT", next(iter(maps.values()), None))
    extent = None if widest is None else widest > 0.05 * float(to_array(widest).max())
    cuts = spread_cuts(template, extent, SLICES)
    pictures = [_region_picture(region, values, template, cuts) for region, values in maps.items()]
    if coverage is not None:
        pictures.append(_coverage_picture(read_image(coverage), template, cuts))
    if mean_image is not None:
        png = figures.anatomy(read_image(mean_image), cuts, title="Mean image")
        pictures.append(_picture("mean", "Mean of the scans in template space.", png))
    return pictures


def _region_picture(region: str, values: sitk.Image, template: sitk.Image, cuts: Sequence[Cut]) -> Picture:
    array = to_array(values)
    peak = np.unravel_index(int(array.argmax()), array.shape)
    x, y, z = values.TransformIndexToPhysicalPoint([int(i) for i in peak])
    name = f"{region} ({REGION_TEXTS[region]})" if region in REGION_TEXTS else region
    where = (
        f"highest {100 * array.max():.1f} % at {-x:.0f}, {-y:.0f}, {z:.0f} mm" if array.max() > 0 else "empty"
    )
    png = figures.heat_map(values, template, cuts, title=f"Frequency: {name}", label="share of scans")
    return _picture(f"frequency-{region}", f"{name}: {where}.", png)


def _coverage_picture(values: sitk.Image, template: sitk.Image, cuts: Sequence[Cut]) -> Picture:
    """A mask, a share or a number of scans, told apart by the values."""
    array = to_array(values)
    share = bool(array.max() <= 1)
    mask = share and bool(np.isin(array, (0, 1)).all())
    label = "covered" if mask else "share of scans" if share else "number of scans"
    png = figures.heat_map(
        values, template, cuts, title="Coverage", label=label, percent=share and not mask, opacity=0.45
    )
    return _picture("coverage", "Coverage: where the scans have data.", png)


def _picture(key: str, caption: str, png: bytes) -> Picture:
    return Picture(key, embedded(png), caption, f"{caption} Slices of three planes, {CONVENTION}.")
