"""The page of a comparison: summary table, box plots, every scan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .. import __version__
from ..interfaces.reports.figures import DPI, WIDTH, png_of
from ..interfaces.reports.pages import Measure, Picture, as_number, embedded, render, shown
from .study import Column, Study, deviation, scan_rows, verdict

BOX, BASE, POINT = "#9ecae1", "#d9d9d9", "#08519c"


def comparison_page(study: Study, out_file: Path) -> Path:
    """``comparison.html``: one file that loads nothing.

    Parameters
    ----------
    study : Study
    out_file : Path
        Beside ``comparison.tsv`` and ``comparison_scans.tsv``, to which the page links.

    Returns
    -------
    out_file : Path
    """
    known = study.registrations
    return render(
        "comparison.html.j2",
        out_file,
        title=f"{len(known.methods)} registration methods on {len(study.scans)} scan{'s' * (len(study.scans) != 1)}",
        facts_rows=[
            ("Template", f"{known.template} at {known.resolution} mm"),
            ("Baseline", study.baseline),
            ("Methods", ", ".join(known.methods)),
            ("Version", __version__),
        ],
        notices=list(known.notices),
        missing=[(scan, ", ".join(lacking)) for scan, lacking in study.missing.items()],
        baseline=study.baseline,
        methods=known.methods,
        measures=[(column.measure, len(column.scans), _cells(study, column)) for column in study.columns],
        pictures=[_picture(number, column, study.baseline) for number, column in enumerate(study.columns)],
        columns=[column.measure for column in study.columns],
        rows=[
            {"scan": str(row["scan"]), "method": str(row["method"]), "cells": _values(row, study)}
            for row in scan_rows(study)
        ],
    )


def _cells(study: Study, column: Column) -> list[dict[str, object]]:
    """A measure's cell for each method."""
    best = _best(column)
    cells: list[dict[str, object]] = []
    for method in study.registrations.methods:
        values = column.values.get(method)
        tested = column.comparisons.get(method) if method != study.baseline else None
        if values is None:
            cells.append({"text": "–", "tests": "", "verdict": "", "best": False})
            continue
        sd = deviation(values)
        spread = "" if sd is None else f" ({shown(sd)})"
        tests = f"t {p_text(tested.t_p)}, W {p_text(tested.wilcoxon_p)}" if tested else ""
        cells.append(
            {
                "text": shown(float(values.mean())) + spread,
                "tests": tests,
                "verdict": verdict(column, method, study.baseline),
                "best": method in best,
            }
        )
    return cells


def _best(column: Column) -> set[str]:
    """The methods with the best mean; none where no direction is better, or all are equal."""
    means = {method: float(values.mean()) for method, values in column.values.items()}
    if not column.measure.better or len(set(means.values())) < 2:
        return set()
    top = max(means.values()) if column.measure.better == "higher" else min(means.values())
    return {method for method, mean in means.items() if mean == top}


def p_text(value: float) -> str:
    """A p-value in three decimals; a dash for NaN."""
    if not np.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _values(row: Mapping[str, object], study: Study) -> list[dict[str, str]]:
    cells = []
    for column in study.columns:
        number = as_number(row[column.name])
        cells.append({"text": shown(number), "value": "" if number is None else repr(number)})
    return cells


def _picture(number: int, column: Column, baseline: str) -> Picture:
    count = len(column.scans)
    caption = f"{axis_label(column.measure)}, {count} scan{'s' * (count != 1)}; {baseline} is grey."
    alt = f"Box plots of {column.measure.label} by method: " + ", ".join(
        f"{method} median {shown(float(np.median(values)))}" for method, values in column.values.items()
    )
    return Picture(f"measure-{number}", embedded(box_plot(column, baseline)), caption, alt)


def axis_label(measure: Measure) -> str:
    """Name, unit and direction of a measure."""
    unit = f" ({measure.unit})" if measure.unit else ""
    return f"{measure.label}{unit}{f', {measure.better} is better' if measure.better else ''}"


def box_plot(column: Column, baseline: str) -> bytes:
    """One box a method (median, quartiles, whiskers to 1.5 interquartile ranges), every scan a point; PNG."""
    methods = list(column.values)
    figure = Figure(
        figsize=(WIDTH / DPI, 0.9 + 0.42 * len(methods)), dpi=DPI, facecolor="white", layout="constrained"
    )
    ax = figure.add_subplot()
    places = np.arange(len(methods), 0, -1)
    drawn = ax.boxplot(
        [column.values[method] for method in methods],
        positions=places,
        orientation="horizontal",
        widths=0.6,
        patch_artist=True,
        showfliers=False,
        manage_ticks=False,
    )
    for patch, median, method in zip(drawn["boxes"], drawn["medians"], methods, strict=True):
        patch.set_facecolor(BASE if method == baseline else BOX)
        median.set_color("black")
    scatter = np.random.default_rng(0)
    for place, method in zip(places, methods, strict=True):
        values = column.values[method]
        ax.plot(values, place + scatter.uniform(-0.18, 0.18, len(values)), ".", color=POINT, ms=4, alpha=0.6)
    ax.set_yticks(places, methods)
    for text in ax.get_yticklabels():
        text.set_parse_math(False)
    ax.set_xlabel(axis_label(column.measure), parse_math=False)
    ax.set_ylim(0.4, len(methods) + 0.6)
    ax.grid(axis="x", color="#dddddd")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return png_of(figure)
