"""All methods beside each other, over the scans that have all of them: the shape of the thesis' Tables 5.3 and 5.4.

Scans that the quality gate keeps out of the atlas take part: a method does not become better by its failures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np

from ..interfaces.derivatives.registrations import EvaluationError, Registrations
from ..interfaces.reports.pages import MEASURES, Measure, as_number
from ..models.statistics.paired import Comparison, compare
from .tables import read_rows

QUALITY = (
    "ncc_outside",
    "l2_outside",
    "l2_inside",
    "folds",
    "jacobian_min",
    "tumor_volume_ratio",
    "inverse_consistency_mm",
    "seconds",
    "peak_memory_gb",
)
"""Measures of ``group_quality.tsv`` that are compared."""

LABELS_TABLE, LANDMARKS_TABLE, TRUTH_TABLE = "labels.tsv", "landmarks.tsv", "truth.tsv"
LABEL_MEASURES = {
    "dice": Measure("Dice", "", "higher"),
    "surface_mean_mm": Measure("Mean surface distance", "mm", "lower"),
    "surface_p95_mm": Measure("95 % surface distance", "mm", "lower"),
}
LANDMARK_MEASURES = {
    "median_before_mm": Measure("Landmarks, median error before", "mm"),
    "mean_before_mm": Measure("Landmarks, mean error before", "mm"),
    "median_mm": Measure("Landmarks, median error", "mm", "lower"),
    "mean_mm": Measure("Landmarks, mean error", "mm", "lower"),
    "robustness": Measure("Landmarks, robustness", "", "higher"),
}
TRUTH_REGIONS = {"outside": "outside the tumour", "near": "near the tumour", "inside": "inside the tumour"}
TRUTH_MEASURES = {
    **{
        f"{region}_{name}_mm": Measure(f"True error {words}, {figure}", "mm", "lower")
        for region, words in TRUTH_REGIONS.items()
        for name, figure in (("mean", "mean"), ("median", "median"), ("p95", "95 %"))
    },
    "tumor_change": Measure("Tumour volume, in the template / native"),
    "tumor_change_true": Measure("Tumour volume, in the template / native, true"),
    "tumor_change_error": Measure("Tumour volume, error of its change", "", "lower"),
    "tumor_dice": Measure("Dice of the tumour with the true one", "", "higher"),
}
"""Folds are compared by the registrations' records already."""
BASELINES = ("syn-cfm", "syn", "affine")

Values = Mapping[str, Mapping[str, float]]
"""Method, then scan, to a finite value."""


@attrs.frozen(kw_only=True)
class Column:
    """One measure of all methods."""

    name: str
    """Its name in the tables: ``ncc_outside``, ``dice:ventricles``, ``landmarks:mean_mm``, ``truth:near_mean_mm``."""
    measure: Measure
    """How it is called and read."""
    scans: tuple[str, ...]
    """The scans where every method that knows the measure has a finite value."""
    values: Mapping[str, np.ndarray]
    """By method, in the order of ``scans``; methods that do not know the measure are left out."""
    comparisons: Mapping[str, Comparison]
    """By method, with the baseline; empty where the baseline does not know the measure."""


@attrs.frozen(kw_only=True)
class Study:
    """What is compared."""

    registrations: Registrations
    baseline: str
    scans: tuple[str, ...]
    """The scans with all methods."""
    missing: Mapping[str, tuple[str, ...]]
    """The other scans, and which methods each lacks."""
    columns: tuple[Column, ...]


def compare_methods(
    registrations: Registrations, baseline: str, extra: Mapping[str, tuple[Measure, Values]]
) -> Study:
    """The study of some registrations.

    Parameters
    ----------
    registrations : Registrations
    baseline : str
        A method, or empty.
    extra : mapping of str to (Measure, mapping)
        Further measures by name, their values by method and scan.

    Returns
    -------
    study : Study

    Raises
    ------
    EvaluationError
        Fewer than two methods, a baseline that is not among them, or no scan that has all of them.
    """
    methods = registrations.methods
    if len(methods) < 2:
        raise EvaluationError(f"at least two methods are required to compare, there is {methods[0]} only")
    chosen = baseline or next((method for method in BASELINES if method in methods), methods[0])
    if chosen not in methods:
        raise EvaluationError(f"--baseline {chosen}: no such method here; choose from {', '.join(methods)}")
    missing = {
        scan: tuple(method for method in methods if method not in found)
        for scan, found in registrations.by_scan.items()
    }
    scans = tuple(scan for scan, lacking in missing.items() if not lacking)
    if not scans:
        raise EvaluationError(
            f"no scan has all of {', '.join(methods)}; the first, {next(iter(missing))}, lacks "
            f"{', '.join(next(iter(missing.values())))}: run gliomorph with all of them in --registration"
        )
    measured = {name: (MEASURES[name], _quality(registrations, name)) for name in QUALITY} | dict(extra)
    columns = [
        column_of(name, measure, values, scans, methods, chosen)
        for name, (measure, values) in measured.items()
    ]
    return Study(
        registrations=registrations,
        baseline=chosen,
        scans=scans,
        missing={scan: lacking for scan, lacking in missing.items() if lacking},
        columns=tuple(column for column in columns if column.scans),
    )


def _quality(registrations: Registrations, name: str) -> Values:
    values: dict[str, dict[str, float]] = {}
    for scan, found in registrations.by_scan.items():
        for method, registration in found.items():
            number = as_number(registration.quality.get(name))
            if number is not None:
                values.setdefault(method, {})[scan] = number
    return values


def column_of(
    name: str, measure: Measure, values: Values, scans: Sequence[str], methods: Sequence[str], baseline: str
) -> Column:
    """One measure's column: the values of ``methods`` on those of ``scans`` where all that know it have one."""
    known = [method for method in methods if any(scan in values.get(method, {}) for scan in scans)]
    complete = tuple(scan for scan in scans if known and all(scan in values[method] for method in known))
    arrays = {method: np.array([values[method][scan] for scan in complete]) for method in known}
    tested = known if baseline in arrays and complete else []
    comparisons = {method: compare(list(arrays[method]), list(arrays[baseline])) for method in tested}
    return Column(name=name, measure=measure, scans=complete, values=arrays, comparisons=comparisons)


def extra_values(out_dir: Path, registrations: Registrations) -> dict[str, tuple[Measure, Values]]:
    """Measures of labels, landmarks and truth that lie in ``out_dir``, of this template and resolution.

    Raises
    ------
    EvaluationError
        A table that is not one of ``gliomorph-evaluate``.
    """
    found: dict[str, tuple[Measure, dict[str, dict[str, float]]]] = {}
    for file, measures, key in (
        (out_dir / LABELS_TABLE, LABEL_MEASURES, "label"),
        (out_dir / LANDMARKS_TABLE, LANDMARK_MEASURES, ""),
        (out_dir / TRUTH_TABLE, TRUTH_MEASURES, ""),
    ):
        if not file.is_file():
            continue
        way = ["way"] if file.name == LANDMARKS_TABLE else []
        columns = ["scan", "method", "template", "resolution", *way, *([key] if key else []), *measures]
        for row in read_rows(file, columns):
            if (row["template"], row["resolution"]) != (
                registrations.template,
                str(registrations.resolution),
            ):
                continue
            if way and row["way"] != "template":  # not by the registrations that are compared
                continue
            for column, measure in measures.items():
                name = f"{column}:{row[key]}" if key else f"{file.stem}:{column}"
                title = attrs.evolve(measure, label=f"{measure.label}, {row[key]}") if key else measure
                number = as_number(row[column])
                if number is not None:
                    _, values = found.setdefault(name, (title, {}))
                    values.setdefault(row["method"], {})[row["scan"]] = number
    return dict(found)


def summary_rows(study: Study) -> list[dict[str, object]]:
    """``comparison.tsv``: a row for each measure and method."""
    rows = []
    for column in study.columns:
        for method, values in column.values.items():
            tested = column.comparisons.get(method) if method != study.baseline else None
            rows.append(
                {
                    "measure": column.name,
                    "method": method,
                    "scans": len(values),
                    "mean": float(values.mean()),
                    "sd": deviation(values),
                    "median": float(np.median(values)),
                    "baseline": study.baseline,
                    "difference": tested.difference if tested else None,
                    "t_p": tested.t_p if tested else None,
                    "wilcoxon_p": tested.wilcoxon_p if tested else None,
                    "verdict": verdict(column, method, study.baseline),
                }
            )
    return rows


def deviation(values: np.ndarray) -> float | None:
    """The sample's standard deviation (n − 1); exactly 0 for equal values, None for fewer than two."""
    if len(values) < 2:
        return None
    return float(values.std(ddof=1)) if np.ptp(values) else 0.0


def verdict(column: Column, method: str, baseline: str) -> str:
    """``better`` or ``worse`` than the baseline by the paired t-test; empty if neither, or for no direction."""
    tested = column.comparisons.get(method)
    if tested is None or method == baseline or not column.measure.better:
        return ""
    return {"*": "better", "†": "worse"}.get(tested.mark(column.measure.better == "higher"), "")


def scan_rows(study: Study) -> list[dict[str, object]]:
    """``comparison_scans.tsv``: a row for each scan and method, with every measure."""
    cells = {
        (column.name, method, scan): float(value)
        for column in study.columns
        for method, values in column.values.items()
        for scan, value in zip(column.scans, values, strict=True)
    }
    return [
        study.registrations.by_scan[scan][method].row
        | {column.name: cells.get((column.name, method, scan)) for column in study.columns}
        for scan in study.scans
        for method in study.registrations.methods
    ]
