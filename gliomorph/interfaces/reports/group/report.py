"""The HTML page of a cohort: the atlas in pictures, and the quality of every scan in a sortable table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import SimpleITK as sitk

from ...files.images import read_image, to_array
from ..pages import MEASURES, Measure, as_json, as_number, flag, render, shown
from .pictures import cohort_pictures, contrast_pictures, strata_pictures
from .strips import Strip, slice_strips

OUTLIER = 3.5
"""Distance from the median, in robust standard deviations, beyond which a measure is flagged."""
MINIMUM = 8
"""Fewer values than this have no outliers."""
NOTHING_TOLD: Mapping[str, Any] = {
    "warning": "",
    "flow": [],
    "strata": [],
    "contrasts": [],
    "notices": [],
    "methods": "",
    "tests_problem": "",
}
"""Of a cohort's story."""


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
    log_jacobian: Path | None = None,
    strata: Mapping[str, Path] | None = None,
    contrasts: Mapping[str, Path] | None = None,
    tests: Sequence[Mapping[str, Any]] = (),
    story: Mapping[str, Any] | None = None,
    regions: Mapping[str, Any] | None = None,
    viewer: str = "",
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
    log_jacobian : Path, optional
        Mean logarithm of det J.
    strata : mapping of str to Path, optional
        WT's frequency by the label of a stratum.
    contrasts : mapping of str to Path, optional
        WT's odds ratio by the label of a contrast.
    tests : sequence of mappings, optional
        As :func:`~gliomorph.interfaces.reports.group.associations.sections_of_tests` gives them.
    story : mapping, optional
        ``warning``, ``flow`` (what, number of scans), ``strata`` (``label``, ``description``, ``people``, ``folder``),
        ``contrasts`` (``label``, ``description``), ``notices``, ``methods``, ``tests_problem`` (why there are none):
        texts. A folder is a relative path that is not yet percent-encoded.
    regions : mapping, optional
        As :func:`~gliomorph.interfaces.reports.group.regions.section_of_regions` gives them.
    viewer : str, optional
        The interactive viewer of WT's frequency, a relative path; empty where there is none.

    Returns
    -------
    out_file : Path
    """
    left_out = {row.get("scan", "") for row in excluded}
    rows = _rows(quality, pages)
    told = {**NOTHING_TOLD, **(story or {})}
    background = read_image(template)
    beside, compared = [], []
    if "WT" in frequency:
        beside = strata_pictures(background, frequency["WT"], told["strata"], strata or {})
        compared = contrast_pictures(background, frequency["WT"], told["contrasts"], contrasts or {})
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
        pictures=cohort_pictures(background, frequency, coverage, mean_image, log_jacobian),
        strips=_strips(frequency, background),
        viewer=_href(viewer),
        warning=told["warning"],
        strata_pictures=beside,
        contrast_pictures=compared,
        strata=[{**stratum, "href": _href(stratum["folder"])} for stratum in told["strata"]],
        regions=regions,
        tests=tests,
        tests_problem=told["tests_problem"],
        flow=told["flow"],
        causes=_causes(excluded),
        notices=told["notices"],
        methods_text=told["methods"],
        columns=[MEASURES.get(name, Measure(name)) for name in _columns(quality)],
        rows=rows,
        methods=sorted({row["method"] for row in rows} - {""}),
        flagged=sum(any(cell["flag"] for cell in row["cells"]) for row in rows),
        citations=[str(text) for text in used.get("citations", ())],
        used=[("Settings of the run", as_json(used))],
        outlier=OUTLIER,
    )


def _strips(frequency: Mapping[str, Path], background: sitk.Image) -> list[Strip]:
    """Sliders through the whole tumours; none where the map is 0 everywhere."""
    values = read_image(frequency["WT"]) if "WT" in frequency else None
    return [] if values is None or not to_array(values).any() else slice_strips(values, background)


def _causes(excluded: Sequence[Mapping[str, str]]) -> list[tuple[str, str, int]]:
    """Stage, cause and number of scans; figures in a cause do not make it another one."""
    counts: dict[tuple[str, str], int] = {}
    for row in excluded:
        cause = re.sub(r"\d+(\.\d+)?( ?%)?", "…", row.get("cause", ""))
        key = (row.get("stage", ""), re.sub(r"sub-\w+", "another", cause))
        counts[key] = counts.get(key, 0) + 1
    return [(stage, cause, count) for (stage, cause), count in sorted(counts.items())]


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
        # what a run has cost says nothing of a scan
        if not MEASURES.get(column, Measure(column)).better or column in ("seconds", "peak_memory_gb"):
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
