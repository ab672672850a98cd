"""Tables and JSON as BIDS datasets have them, and the table of a BraTS label map."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

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
    """Tab-separated lines; a value with a tab, a quote or a line's end is quoted, so that ``csv`` reads it again."""
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


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


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a ``participants.tsv`` as they stand; cells that a short row lacks are empty.

    Raises
    ------
    ValueError
        Without a column ``participant_id``, or no table.
    """
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        try:
            reader = csv.DictReader(lines, delimiter="\t", restval="")
            names, rows = reader.fieldnames or (), list(reader)
        except csv.Error as error:
            raise ValueError(f"{path}: not a table of tab-separated values ({error})") from error
    if "participant_id" not in names:
        raise ValueError(f"{path} requires a column participant_id, got {listed(names)}")
    return [{key: text for key, text in row.items() if key is not None} for row in rows]
