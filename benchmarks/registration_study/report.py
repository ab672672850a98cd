"""Tables and box plots of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gliomorph.evaluation.study import Column
from gliomorph.evaluation.tables import write_rows
from gliomorph.interfaces.files.images import write_text

from ..comparison import (
    Row,
    columns_of,
    draw,
    incomplete,
    made_with,
    table_of_means,
    table_of_tests,
    values_of,
)
from .measures import MEASURES, TRUE
from .options import Options

TESTED = ("outside_mean_mm", "ventricles_dice")
"""Measures that are tested and drawn."""


def write(rows: Sequence[Row], frequencies: Mapping[str, float], source: str, options: Options) -> str:
    """``study.tsv``, ``study.md`` and ``study_<measure>.png`` in ``options.out``; the Markdown.

    ``source`` says where the ventricles are known from.
    """
    write_rows(rows, options.out / "study.tsv")
    columns, left_out = columns_of(rows, MEASURES, options.labels, options.against)
    text = "\n".join(
        [
            table_of_means(columns, options.labels, {"frequency r": frequencies}),
            table_of_tests(columns, TESTED, options.labels, options.against),
            *notes(rows, columns, left_out, source, options),
        ]
    )
    write_text(text, options.out / "study.md")
    draw(columns, TESTED, options.against, options.out / "study")
    return text


def notes(
    rows: Sequence[Row],
    columns: Mapping[str, Column],
    left_out: Mapping[str, Sequence[str]],
    source: str,
    options: Options,
) -> list[str]:
    """What a reader has to know of the tables: a sentence a line."""
    scans = len({row["participant_id"] for row in rows}) - len(left_out)
    said = [
        f"Means (sd) over {scans} of {options.subjects} simulated patients: template {options.template} at "
        f"{options.resolution} mm, seed {options.seed}."
    ]
    said += incomplete(columns, left_out, scans)
    ceiling = list(values_of(rows, "ventricles_dice").get(TRUE, {}).values())
    if ceiling:
        said.append(
            f"Ventricles: {source}, carried to the patient by the true map and back by the method's; "
            f"the true map itself has a Dice of {np.mean(ceiling):.3f}, for it is interpolated, too."
        )
    return [f"- {line}" for line in [*said, made_with(options)]]
