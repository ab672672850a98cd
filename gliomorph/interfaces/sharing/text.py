"""JSON and tables without paths, dates, free text and old names."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import attrs

from ..files.tables import read_table, read_tsv, table
from .names import ExportError, Names

STAYS = frozenset(
    {
        "notices", "flags", "doubts", "flag", "reason", "mask_source",
        "key", "inputs_key", "page_key", "InputsKey", "DerivedFrom", "SourceDatasets", "DatasetLinks",
    }
)  # fmt: skip
"""Keys and columns that stay at home: sentences that may name any file, hashes of images, other datasets."""
FILES = ("outputs", "Outputs")
"""Keys of lists of files, of which those are kept that are shared."""
UNORDERED = (*FILES, "Participants", "Sources")
"""Lists that are sorted anew: the old order would tell who is who."""
ELSEWHERE = re.compile(r"bids:[^:]+:")
"""A BIDS URI of a dataset that is not shared."""
PATH = re.compile(
    r"""(?:^|[\s"'=(,;\[>])(?:/[\w.~+-]+){2,}|file:/|(?<![A-Za-z])[A-Za-z]:\\{1,2}\w""", re.MULTILINE
)
DATE = re.compile(
    r"(?<!\d)(?<!\d\.)(?:19|20)\d\d([-/]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\.?\d)"
    r"|(?<!\d)\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d(?!\d)"
)
OLDEST = 89
"""Years of age above which a person is one of few."""


@attrs.frozen
class Scrubber:
    """What makes the text of derivatives fit to be shared."""

    names: Names
    shared: Collection[str]
    """New names of the files that are shared, relative to the folder."""

    def json(self, path: Path, subject: str = "") -> str:
        """The text of a JSON file.

        Parameters
        ----------
        path : Path
        subject : str
            Old label of the subject to whom the file belongs.

        Raises
        ------
        ExportError
            It cannot be read.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ExportError(
                f"{path}: not JSON that can be read ({error}); make it anew, or remove it"
            ) from error
        return json.dumps(self._value("", content, subject), indent=1) + "\n"

    def tsv(self, path: Path, subject: str = "") -> str:
        """The text of a table; rows of participants are in the order of their new names."""
        columns, rows = read_tsv(path)
        kept = [column for column in columns if column not in STAYS]
        cells = []
        for row in rows:
            owner = row.cells.get("participant_id", "").removeprefix("sub-") or subject
            cells.append([self._string(row.cells[column], owner) or "n/a" for column in kept])
        if "participant_id" in kept:
            place = kept.index("participant_id")
            cells.sort(key=lambda each: each[place])
        return table(kept, cells)

    def _value(self, key: str, value: Any, subject: str) -> Any:
        """The value without what stays; None where nothing is left."""
        if isinstance(value, str):
            return self._string(value, subject)
        if isinstance(value, list):
            items = [self._value(key, item, subject) for item in value]
            kept = [item for item, old in zip(items, value, strict=True) if item is not None or old is None]
            if key in FILES:
                kept = [name for name in kept if name in self.shared]
            return sorted(kept) if key in UNORDERED and all(isinstance(item, str) for item in kept) else kept
        if isinstance(value, dict):
            cleaned = {k: self._value(k, item, subject) for k, item in value.items() if k not in STAYS}
            return {
                self._string(k, subject) or "n/a": item
                for k, item in cleaned.items()
                if item is not None or value[k] is None
            }
        return value

    def _string(self, text: str, subject: str) -> str | None:
        """The text with new names; None where it has a path, a date or a file of another dataset."""
        if ELSEWHERE.match(text) or PATH.search(text):
            return None
        renamed = self.names.renamed(text, subject)
        return None if DATE.search(renamed) else renamed


def participants_table(
    names: Names, labels: Collection[str], source: Path | None, columns: Sequence[str]
) -> str:
    """The ``participants.tsv`` that is shared: new names, and the columns that were asked for.

    Parameters
    ----------
    names : Names
    labels : collection of str
        Old labels of those whose files are shared.
    source : Path or None
        The table of the participants with their old names.
    columns : sequence of str
        Columns of it; ages above 89 become ``89+``.

    Raises
    ------
    ExportError
        The table is not there or lacks a column.
    """
    known: dict[str, dict[str, str]] = {}
    if columns:
        if source is None or not source.is_file():
            raise ExportError(f"--columns: no table {source or 'participants.tsv'}: give --participants FILE")
        rows = read_table(source)
        known = {row["participant_id"].removeprefix("sub-"): row for row in rows}
        if lacking := [column for column in columns if rows and column not in rows[0]]:
            raise ExportError(f"--columns {' '.join(lacking)}: {source} has no such column")
    lines = [
        [
            f"sub-{names.subjects[old]}",
            *(_cell(column, known.get(old, {}).get(column, "")) for column in columns),
        ]
        for old in labels
    ]
    return table(("participant_id", *columns), sorted(lines))


def _cell(column: str, text: str) -> str:
    if "age" in re.split(r"[^a-z]+", column.lower()):
        try:
            return f"{OLDEST}+" if float(text.rstrip("+")) > OLDEST else text
        except ValueError:
            pass
    return text or "n/a"
