"""Tables and box plots of the anatomies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gliomorph.evaluation.study import Column
from gliomorph.evaluation.tables import write_rows
from gliomorph.interfaces.files.images import write_text

from ..comparison import Row, columns_of, draw, incomplete, made_with, table_of_means, table_of_tests
from .measures import MEASURES, PAIR_MEASURES, STRUCTURES
from .options import Options

TESTED = ("dice", "brain_dice")
"""Measures that are tested and drawn."""


def write(people: Sequence[Row], pairs: Sequence[Row], options: Options) -> str:
    """``anatomies.tsv``, ``pairs.tsv`` and ``anatomies.md`` in ``options.out``; the Markdown."""
    write_rows(people, options.out / "anatomies.tsv")
    write_rows(pairs, options.out / "pairs.tsv")
    columns, left_out = columns_of(people, MEASURES, options.labels, options.against)
    of_pairs, _ = columns_of(pairs, PAIR_MEASURES, options.labels, options.against)
    first = {name: column for name, column in columns.items() if name not in STRUCTURES}
    second = {name: column for name, column in columns.items() if name in STRUCTURES}
    text = "\n".join(
        [
            table_of_means(first, options.labels),
            "Dice of each structure:\n",
            table_of_means(second, options.labels),
            "Over people, each with the mean of their pairs:\n",
            table_of_tests(columns, TESTED, options.labels, options.against),
            "Over pairs, which share people:\n",
            table_of_tests(of_pairs, ("dice", *STRUCTURES), options.labels, options.against),
            *notes(columns, of_pairs, left_out, options),
        ]
    )
    write_text(text, options.out / "anatomies.md")
    return text


def draw_boxes(people: Sequence[Row], pairs: Sequence[Row], options: Options) -> None:
    """Box plots of what is tested: ``anatomies_*.png`` over people, ``pairs_dice.png`` over pairs."""
    columns, _ = columns_of(people, MEASURES, options.labels, options.against)
    of_pairs, _ = columns_of(pairs, PAIR_MEASURES, options.labels, options.against)
    draw(columns, TESTED, options.against, options.out / "anatomies")
    draw(of_pairs, ("dice",), options.against, options.out / "pairs")


def notes(
    columns: Mapping[str, Column],
    of_pairs: Mapping[str, Column],
    left_out: Mapping[str, Sequence[str]],
    options: Options,
) -> list[str]:
    """What a reader has to know of the tables: a sentence a line."""
    scans = len(columns["dice"].scans)
    said = [
        f"Means (sd) over {scans} of {len(options.maps)} people ({', '.join(options.maps)}) and "
        f"{len(of_pairs['dice'].scans)} pairs: template {options.template} at {options.resolution} mm, seed "
        f"{options.seed}.",
        "A person's Dice is the mean over all pairs that the person is in; both tumours are left out.",
        *incomplete(columns, left_out, scans),
        made_with(options),
    ]
    return [f"- {line}" for line in said]
