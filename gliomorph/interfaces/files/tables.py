"""Tables and JSON as BIDS datasets have them, and the table of a BraTS label map."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...models.regions import CAVITY, LABELS
from .text import listed

BRATS_ROWS = (
    (0, "background", "BG"),
    (LABELS["NCR"], "necrotic and non-enhancing tumor core", "NCR"),
    (LABELS["ED"], "peritumoral edema", "ED"),
    (LABELS["ET"], "enhancing tumor", "ET"),
)
"""Index, name and abbreviation of every label; ET is 4, as in what gliomorph writes."""
CAVITY_ROW = (CAVITY, "resection cavity", "RC")
"""The further row of a label map that has one."""


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Tab-separated lines; values with a tab, a quote or a line's end are quoted, as :func:`read_tsv` reads them."""
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are text already, as Markdown, with a line feed at its end."""
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, *rows]]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]]) + "\n"


def label_table(rows: Iterable[tuple[int, str, str]] = BRATS_ROWS) -> str:
    """The ``dseg.tsv`` of a label map, from index, name and abbreviation of its labels.

    Examples
    --------
    >>> print(label_table([(1, "cerebrospinal fluid", "CSF")]).expandtabs(8), end="")
    index   name    abbreviation
    1       cerebrospinal fluid     CSF
    """
    return table(("index", "name", "abbreviation"), rows)


def brats_rows(convention: Mapping[str, int]) -> list[tuple[int, str, str]]:
    """:data:`BRATS_ROWS` with the labels of another edition.

    Parameters
    ----------
    convention : mapping of str to int
        Labels of NCR, ED and ET, perhaps of RC.

    Returns
    -------
    rows : list of tuple
    """
    rows = (*BRATS_ROWS, CAVITY_ROW) if "RC" in convention else BRATS_ROWS
    return [(convention.get(region, index), name, region) for index, name, region in rows]


def json_text(content: Mapping[str, Any]) -> str:
    """JSON to read, two spaces a level, with a line's end."""
    return json.dumps(content, indent=2) + "\n"


class Row(NamedTuple):
    """A row of a table."""

    line: int
    """Number of the line at which it ends, from 1."""
    cells: dict[str, str]
    """Text by column; cells that a short row lacks are empty."""
    whole: bool
    """Whether it has as many cells as the table has columns."""


def read_tsv(path: Path, errors: str = "strict") -> tuple[list[str], list[Row]]:
    """Read a table of tab-separated values, as :func:`table` and spreadsheets write it; empty lines are passed over.

    Parameters
    ----------
    path : Path
    errors : str
        What is done with bytes that are not UTF-8, as :meth:`bytes.decode` names it.

    Returns
    -------
    columns : list of str
    rows : list of Row

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is no table, or in UTF-16.
    """
    data = path.read_bytes()
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or data[:2].count(0) == 1:
            raise ValueError("the file is UTF-16, UTF-8 is required: save it as UTF-8")
        text = data.decode("utf-8-sig", errors)
        lines = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
        columns = next(lines, [])
        rows = []
        for cells in filter(None, lines):
            filled = cells + (len(columns) - len(cells)) * [""]
            named = dict(zip(columns, filled, strict=False))  # what a long row has beyond is left out
            rows.append(Row(lines.line_num, named, len(cells) == len(columns)))
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}: not a table of tab-separated values ({error})") from error
    return columns, rows


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a ``participants.tsv`` as they stand; cells that a short row lacks are empty.

    Raises
    ------
    ValueError
        Without a column ``participant_id``, or no table.
    """
    columns, rows = read_tsv(path, "replace")
    if "participant_id" not in columns:
        raise ValueError(f"{path} requires a column participant_id, got {listed(columns)}")
    return [row.cells for row in rows]
