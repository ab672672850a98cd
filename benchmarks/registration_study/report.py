"""Tables and box plots of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gliomorph.evaluation.page import axis_label, box_plot, p_text
from gliomorph.evaluation.study import Column, Values, column_of, deviation
from gliomorph.evaluation.tables import write_rows
from gliomorph.interfaces.derivatives.registrations import EvaluationError
from gliomorph.interfaces.files.images import replacing, write_text
from gliomorph.interfaces.reports.pages import Measure, as_number

from ..registration.child import hardware
from ..registration.runs import versions
from ..tables import markdown
from .measures import MEASURES, TRUE, Row
from .options import Options

TESTED = ("outside_mean_mm", "ventricles_dice")
"""Measures that are tested and drawn."""


def write(rows: Sequence[Row], frequencies: Mapping[str, float], source: str, options: Options) -> str:
    """``study.tsv``, ``study.md`` and ``study_<measure>.png`` in ``options.out``; the Markdown.

    ``source`` says where the ventricles are known from.
    """
    write_rows(rows, options.out / "study.tsv")
    columns, left_out = columns_of(rows, options.labels, options.against)
    text = "\n".join(
        [
            table_of_means(columns, frequencies, options.labels),
            table_of_tests(columns, options.labels, options.against),
            *notes(rows, columns, left_out, source, options),
        ]
    )
    write_text(text, options.out / "study.md")
    for name in TESTED:
        if name in columns:
            with replacing(options.out / f"study_{name}.png") as temporary:
                temporary.write_bytes(box_plot(columns[name], options.against))
    return text


def columns_of(
    rows: Sequence[Row], labels: Sequence[str], against: str
) -> tuple[dict[str, Column], dict[str, list[str]]]:
    """Every measure, over the patients that all methods have registered.

    Parameters
    ----------
    rows : sequence of dict
        As :func:`~.measures.measure_all` gives them.
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
        for name, measure in MEASURES.items()
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
    columns: Mapping[str, Column], frequencies: Mapping[str, float], labels: Sequence[str]
) -> str:
    """Mean (sd) of every measure; a dash for methods that do not know it."""
    head = ["method", *(_title(column.measure) for column in columns.values()), "frequency r"]
    cells = [
        [
            label,
            *(_mean(column.values.get(label)) for column in columns.values()),
            _number(frequencies[label]),
        ]
        for label in labels
    ]
    return markdown(head, cells)


def table_of_tests(columns: Mapping[str, Column], labels: Sequence[str], against: str) -> str:
    """Differences from the reference with the p-values of paired tests."""
    tested = [columns[name] for name in TESTED if name in columns]
    head = [f"minus {against}"]
    for column in tested:
        head += [_title(column.measure), "p (t)", "p (Wilcoxon)"]
    rows = []
    for label in labels:
        if label != against:
            rows.append([label, *(cell for column in tested for cell in _tests(column, label))])
    return markdown(head, rows)


def _tests(column: Column, label: str) -> tuple[str, str, str]:
    found = column.comparisons.get(label)
    if found is None:
        return "–", "–", "–"
    return f"{found.difference:+.3g}", p_text(found.t_p), p_text(found.wilcoxon_p)


def notes(
    rows: Sequence[Row],
    columns: Mapping[str, Column],
    left_out: Mapping[str, Sequence[str]],
    source: str,
    options: Options,
) -> list[str]:
    """What a reader has to know of the tables: a sentence a line."""
    scans = len({row["participant_id"] for row in rows}) - len(left_out)
    fewer = [
        f"{_title(column.measure)} {len(column.scans)}"
        for column in columns.values()
        if len(column.scans) < scans
    ]
    said = [
        f"Means (sd) over {scans} of {options.subjects} simulated patients: template {options.template} at "
        f"{options.resolution} mm, seed {options.seed}."
    ]
    said += [f"Fewer patients have {', '.join(fewer)}."] if fewer else []
    said += [f"Left out: {scan}, without {', '.join(lacking)}." for scan, lacking in left_out.items()]
    ceiling = list(values_of(rows, "ventricles_dice").get(TRUE, {}).values())
    if ceiling:
        said.append(
            f"Ventricles: {source}, carried to the patient by the true map and back by the method's; "
            f"the true map itself has a Dice of {np.mean(ceiling):.3f}, for it is interpolated, too."
        )
    known = ", ".join(f"{name} {number}" for name, number in versions().items())
    said.append(
        f"{hardware('cpu')['cpu']}; {options.nprocs} CPUs in all, threads of each process: {options.omp_nthreads}; "
        f"{known}."
    )
    return [f"- {line}" for line in said]


def _title(measure: Measure) -> str:
    return axis_label(Measure(measure.label, measure.unit))


def _mean(values: np.ndarray | None) -> str:
    if values is None or not len(values):
        return "–"
    sd = deviation(values)
    return _number(float(values.mean())) + ("" if sd is None else f" ({_number(sd)})")


def _number(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "–"
