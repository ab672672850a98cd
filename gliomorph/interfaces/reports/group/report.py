"""The HTML page of a cohort: the atlas in pictures, and the quality of every scan in a sortable table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import numpy as np
import pandas as pd
import SimpleITK as sitk

from ....models.small_cells import EVERYBODY
from ...files.images import read_image, to_array
from ...files.text import alike
from ..pages import MEASURES, Measure, as_json, as_number, flag, render, shown
from .pictures import cohort_pictures, contrast_pictures, strata_pictures
from .story import Excluded, Story
from .strips import Strip, slice_strips

OUTLIER = 3.5
"""Distance from the median, in robust standard deviations, beyond which a measure is flagged."""
MINIMUM = 8
"""Fewer values than this have no outliers."""
SHOWN_FACTS = ("template", "registration", "version")
"""What the summary shows of :class:`~.story.Used`."""


def cohort_report(
    out_file: Path,
    story: Story,
    template: sitk.Image,
    maps: Mapping[str, Path],
    quality: pd.DataFrame,
    tests: Sequence[Mapping[str, Any]] = (),
    regions: Mapping[str, Any] | None = None,
    viewer: bool = False,
) -> Path:
    """The cohort's page.

    Parameters
    ----------
    out_file : Path
        Beside ``group_quality.tsv`` and ``group_regions.tsv``, to which the page links.
    story : Story
    template : SimpleITK.Image
        What the maps are drawn on.
    maps : mapping of str to Path
        By ``<stratum>/<key>``; what is not there is not shown.
    quality : pandas.DataFrame
        A row for each scan and method; columns that are not known are shown under their own names.
    tests : sequence of mappings, optional
        As :func:`~gliomorph.interfaces.reports.group.associations.sections_of_tests` gives them.
    regions : mapping, optional
        As :func:`~gliomorph.interfaces.reports.group.regions.section_of_regions` gives them.
    viewer : bool
        Whether there is an interactive viewer of WT's frequency.

    Returns
    -------
    out_file : Path
    """
    left_out = {row.scan for row in story.excluded}
    rows = _rows(quality, story.pages)
    frequency = _frequencies(maps)
    beside, compared = [], []
    if "WT" in frequency:
        beside = strata_pictures(template, frequency["WT"], story.strata, maps)
        compared = contrast_pictures(template, frequency["WT"], story.contrasts, maps)
    return render(
        "cohort.html.j2",
        out_file,
        story=story,
        title=story.title,
        included=len({row["scan"] for row in rows} - left_out),
        facts_rows=[(key.capitalize(), getattr(story.used, key)) for key in SHOWN_FACTS],
        pictures=cohort_pictures(template, frequency, maps),
        strips=_strips(frequency, template),
        viewer=_href(story.viewer) if viewer else "",
        strata_pictures=beside,
        contrast_pictures=compared,
        regions=regions,
        tests=tests,
        tests_problem=story.tests_problem,
        causes=_causes(story.excluded),
        columns=[MEASURES.get(name, Measure(name)) for name in _columns(quality)],
        rows=rows,
        methods=sorted({row["method"] for row in rows} - {""}),
        flagged=sum(any(cell["flag"] for cell in row["cells"]) for row in rows),
        used=[("Settings of the run", as_json(attrs.asdict(story.used)))],
        outlier=OUTLIER,
    )


def _frequencies(maps: Mapping[str, Path]) -> dict[str, Path]:
    """The whole cohort's frequency maps by region."""
    start = f"{EVERYBODY}/frequency_"
    return {key.removeprefix(start): path for key, path in maps.items() if key.startswith(start)}


def _strips(frequency: Mapping[str, Path], background: sitk.Image) -> list[Strip]:
    """Sliders through the whole tumours; none where the map is 0 everywhere."""
    values = read_image(frequency["WT"]) if "WT" in frequency else None
    return [] if values is None or not to_array(values).any() else slice_strips(values, background)


def _causes(excluded: Sequence[Excluded]) -> list[tuple[str, str, int]]:
    """Stage, cause and number of scans; figures in a cause do not make it another one."""
    counts: dict[tuple[str, str], int] = {}
    for row in excluded:
        key = (row.stage, alike(row.cause))
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
