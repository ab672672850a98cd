"""Errors of landmarks over all pairs of scans, in the shape of the thesis' Table 5.4: table, Markdown and box plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..interfaces.files.images import replacing, write_text
from ..interfaces.files.tables import markdown
from .page import box_plot
from .study import LANDMARK_MEASURES, column_of, deviation
from .tables import write_rows

SUMMARY_TABLE, SUMMARY_TEXT, SUMMARY_PICTURE = (
    "landmarks_summary.tsv",
    "landmarks_summary.md",
    "landmarks_summary.png",
)
MEASURES = ("median_mm", "mean_mm", "robustness")
WAYS = {"template": "through the template", "direct": "directly"}
"""How a method joins two scans."""

Row = Mapping[str, object]


def write_summary(rows: Sequence[Row], out_dir: Path) -> list[Path]:
    """Means over the scans of what each method leaves, and of what was there before.

    Parameters
    ----------
    rows : sequence of mapping
        Of ``landmarks.tsv``.
    out_dir : Path

    Returns
    -------
    files : list of Path
        :data:`SUMMARY_TABLE`, :data:`SUMMARY_TEXT`, :data:`SUMMARY_PICTURE`.
    """
    values = by_label(rows)
    summary = summary_rows(values)
    head = ["method", "way", "scans", "median AE (mm)", "mean AE (mm)", "robustness"]
    cells = [
        [
            str(row["method"]),
            WAYS.get(str(row["way"]), "–"),
            str(row["scans"]),
            *(_cell(row[measure], row[f"{measure}_sd"]) for measure in MEASURES),
        ]
        for row in summary
    ]
    text = f"Means (sd) over scans of the errors of their landmarks.\n\n{markdown(head, cells)}"
    picture = out_dir / SUMMARY_PICTURE
    labels = [_label(*key) for key in values]
    scans = list(dict.fromkeys(scan for known in values.values() for scan in known))
    errors = {
        _label(*key): {scan: figures["median_mm"] for scan, figures in known.items()}
        for key, known in values.items()
    }
    column = column_of("median_mm", LANDMARK_MEASURES["median_mm"], errors, scans, labels, "")
    written = [write_rows(summary, out_dir / SUMMARY_TABLE), write_text(text, out_dir / SUMMARY_TEXT)]
    if not column.scans:  # no scan has all of them: boxes beside each other would compare different ones
        picture.unlink(missing_ok=True)
        return written
    with replacing(picture) as temporary:
        temporary.write_bytes(box_plot(column, labels[0]))
    return [*written, picture]


def by_label(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    """The figures of :data:`MEASURES` by method and way, then scan; what was before is the first of the methods."""
    values: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for row in rows:
        if row["before"] != "n/a":
            before = {
                "median_mm": float(str(row["median_before_mm"])),
                "mean_mm": float(str(row["mean_before_mm"])),
                "robustness": 0.0,
            }
            values.setdefault((f"before ({row['before']})", ""), {})[str(row["scan"])] = before
    for row in rows:
        figures = {measure: float(str(row[measure])) for measure in MEASURES}
        values.setdefault((str(row["method"]), str(row["way"])), {})[str(row["scan"])] = figures
    return values


def summary_rows(
    values: Mapping[tuple[str, str], Mapping[str, Mapping[str, float]]],
) -> list[dict[str, object]]:
    """A row for each method and way: number of scans, mean and standard deviation of each measure."""
    rows = []
    for (method, way), known in values.items():
        row: dict[str, object] = {"method": method, "way": way or None, "scans": len(known)}
        for measure in MEASURES:
            numbers = np.array([figures[measure] for figures in known.values()])
            row |= {measure: float(numbers.mean()), f"{measure}_sd": deviation(numbers)}
        rows.append(row)
    return rows


def _label(method: str, way: str) -> str:
    return f"{method}, {WAYS[way]}" if way else method


def _cell(mean: object, sd: object) -> str:
    number = float(str(mean))
    if not np.isfinite(number):
        return "–"
    return f"{number:.3g}" if sd is None else f"{number:.3g} ({float(str(sd)):.2g})"
