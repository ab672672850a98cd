"""What ``gliomorph-evaluate`` shares: the registrations that lie in a folder, and tables of results.

Files are found by walking the folder; no name that is read from a table, CSV or JSON becomes a path.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..interfaces.derivatives.registrations import EvaluationError
from ..interfaces.files.images import write_text
from ..interfaces.files.tables import read_tsv, table


def check_out_dir(out_dir: Path, deriv_dir: Path) -> None:
    """Refuse to write among the derivatives: tables of other names make the dataset invalid."""
    if out_dir.resolve() == deriv_dir.resolve():
        raise EvaluationError(f"OUT_DIR {out_dir} is DERIV_DIR itself: give another folder")
    if out_dir.exists() and not out_dir.is_dir():
        raise EvaluationError(f"OUT_DIR {out_dir}: a folder is required, this is a file")


def write_rows(rows: Sequence[Mapping[str, object]], path: Path) -> Path:
    """A TSV with the first row's keys as its head; what is no number or no text is written ``n/a``."""
    head = list(rows[0])
    return write_text(table(head, [[_cell(row[key]) for key in head] for row in rows]), path)


def read_rows(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a TSV that :func:`write_rows` has written.

    Raises
    ------
    EvaluationError
        A table that lacks one of ``columns``, or a row that is too short.
    """
    try:
        head, rows = read_tsv(path)
    except ValueError as error:
        raise EvaluationError(str(error)) from error
    if missing := [column for column in columns if column not in head]:
        raise EvaluationError(f"{path}, line 1: column {', '.join(missing)} is required; make the table anew")
    for row in rows:
        if not row.whole:
            raise EvaluationError(f"{path}, line {row.line}: {len(head)} tab-separated cells are required")
    return [row.cells for row in rows]


def _cell(value: object) -> object:
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return "n/a"
    return f"{value:.6g}" if isinstance(value, float) else value
