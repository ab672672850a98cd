"""Tables and box plots of methods beside each other, over the scans that all of them have registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gliomorph.evaluation.page import axis_label, box_plot, p_text
from gliomorph.evaluation.study import Column, Values, column_of, deviation
from gliomorph.interfaces.derivatives.registrations import EvaluationError
from gliomorph.interfaces.files.images import replacing
from gliomorph.interfaces.reports.pages import Measure, as_number

from .pipeline import Pipeline
from .registration.child import hardware
from .registration.runs import versions
from .tables import markdown

Row = dict[str, object]
"""``participant_id``, ``method`` and measures."""


def columns_of(
    rows: Sequence[Row], measures: Mapping[str, Measure], labels: Sequence[str], against: str
) -> tuple[dict[str, Column], dict[str, list[str]]]:
    """Every measure, over the patients that all methods have registered.

    Parameters
    ----------
    rows : sequence of dict
        Every one has all ``measures``.
    measures : mapping of str to Measure
    labels : sequence of str
        The methods.
    against : str
        The one that the others are tested against.

    Returns
    -------
    columns : dict of str to Column
        By measure, those that some method has.
    left_out : dict of str to list of str
        The other patients, and which methods they lack.

    Raises
    ------
    EvaluationError
        No patient has all methods.
    """
    there: dict[str, set[object]] = {}
    for row in rows:
        there.setdefault(str(row["participant_id"]), set()).add(row["method"])
    missing = {scan: [label for label in labels if label not in known] for scan, known in there.items()}
    scans = [scan for scan, lacking in missing.items() if not lacking]
    if not scans:
        raise EvaluationError(f"no patient has all of {', '.join(labels)}")
    columns = {
        name: column_of(name, measure, values_of(rows, name), scans, labels, against)
        for name, measure in measures.items()
    }
    known_columns = {name: column for name, column in columns.items() if column.scans}
    return known_columns, {scan: lacking for scan, lacking in missing.items() if lacking}


def values_of(rows: Sequence[Row], name: str) -> Values:
    """The finite values of one measure, by method and patient."""
    values: dict[str, dict[str, float]] = {}
    for row in rows:
        number = as_number(row[name])
        if number is not None:
            values.setdefault(str(row["method"]), {})[str(row["participant_id"])] = number
    return values


def table_of_means(
    columns: Mapping[str, Column],
    labels: Sequence[str],
    further: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """Mean (sd) of every measure; a dash for methods that do not know it.

    ``further`` are columns of one figure a method, by title and method.
    """
    more = further or {}
    head = ["method", *(title(column.measure) for column in columns.values()), *more]
    cells = [
        [
            label,
            *(_mean(column.values.get(label)) for column in columns.values()),
            *(_number(figures[label]) for figures in more.values()),
        ]
        for label in labels
    ]
    return markdown(head, cells)


def table_of_tests(
    columns: Mapping[str, Column], tested: Sequence[str], labels: Sequence[str], against: str
) -> str:
    """Differences from the reference with the p-values of paired tests."""
    chosen = [columns[name] for name in tested if name in columns]
    head = [f"minus {against}"]
    for column in chosen:
        head += [title(column.measure), "p (t)", "p (Wilcoxon)"]
    rows = []
    for label in labels:
        if label != against:
            rows.append([label, *(cell for column in chosen for cell in _tests(column, label))])
    return markdown(head, rows)


def _tests(column: Column, label: str) -> tuple[str, str, str]:
    found = column.comparisons.get(label)
    if found is None:
        return "–", "–", "–"
    return f"{found.difference:+.3g}", p_text(found.t_p), p_text(found.wilcoxon_p)


def draw(columns: Mapping[str, Column], names: Sequence[str], against: str, stem: Path) -> None:
    """A box plot of each measure that there is, as ``<stem>_<measure>.png``."""
    for name in names:
        if name in columns:
            with replacing(stem.with_name(f"{stem.name}_{name}.png")) as temporary:
                temporary.write_bytes(box_plot(columns[name], against))


def incomplete(columns: Mapping[str, Column], left_out: Mapping[str, Sequence[str]], scans: int) -> list[str]:
    """What some of the ``scans`` patients with all methods lack, and who is left out: a sentence each."""
    fewer = [
        f"{title(column.measure)} {len(column.scans)}"
        for column in columns.values()
        if len(column.scans) < scans
    ]
    said = [f"Fewer patients have {', '.join(fewer)}."] if fewer else []
    return said + [f"Left out: {scan}, without {', '.join(lacking)}." for scan, lacking in left_out.items()]


def made_with(options: Pipeline) -> str:
    """The sentence on machine and versions."""
    known = ", ".join(f"{name} {number}" for name, number in versions().items())
    return (
        f"{hardware('cpu')['cpu']}; {options.nprocs} CPUs in all, threads of each process: {options.omp_nthreads}; "
        f"{known}."
    )


def title(measure: Measure) -> str:
    """Name and unit of a measure, as the head of a column."""
    return axis_label(Measure(measure.label, measure.unit))


def _mean(values: np.ndarray | None) -> str:
    if values is None or not len(values):
        return "–"
    sd = deviation(values)
    return _number(float(values.mean())) + ("" if sd is None else f" ({_number(sd)})")


def _number(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "–"
