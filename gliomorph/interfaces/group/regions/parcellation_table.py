"""The table of a label map: which regions there are, and what they are called."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from ..strata.bins import listed, plain, quoted
from ..strata.groups import LONGEST_LABEL


class ParcellationError(ValueError):
    """A parcellation that cannot be used: the message says what is required, what arrived, what to do."""


@attrs.frozen(kw_only=True)
class Parcel:
    """A region of a parcellation.

    Attributes
    ----------
    label : str
        ASCII letters and digits, unique even where capitals do not count.
    name : str
        For readers, as the table has it.
    """

    label: str
    name: str


def read_parcels(table: Path) -> dict[int, Parcel]:
    """The regions of a ``_dseg.tsv`` by their values in the map, in the table's order.

    A region's label is made of the letters and digits of its ``abbreviation``, or else of its ``name``. Rows of the
    background, index 0, are passed over.

    Parameters
    ----------
    table : Path
        Columns ``index`` and ``name``; ``abbreviation`` if there is one.

    Returns
    -------
    parcels : dict of int to Parcel

    Raises
    ------
    ParcellationError
        Without these columns, a region or a label; with an index or a label twice, or an index that is no number.
    """
    rows = _rows(table)
    parcels: dict[int, Parcel] = {}
    for row in rows:
        index = _index(row["index"], table)
        if index in parcels:
            raise ParcellationError(f"{table.name}: index {index} has more than one row: leave one")
        if index:
            parcels[index] = _parcel(row, index, table)
    if not parcels:
        raise ParcellationError(
            f"{table.name}: at least one region with an index above 0 is required, got none"
        )
    counts = Counter(parcel.label.casefold() for parcel in parcels.values())
    if twice := [p for p in parcels.values() if counts[p.label.casefold()] > 1]:
        raise ParcellationError(
            f"{table.name}: the regions {listed(p.name for p in twice)} would have the same labels "
            f"({listed(sorted({p.label for p in twice}))}): tell them apart in a column abbreviation"
        )
    return parcels


def _rows(table: Path) -> Sequence[Mapping[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, delimiter="\t", restval="")
            columns = reader.fieldnames or ()
            rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise ParcellationError(f"{table}: cannot be read as a table ({error})") from error
    if not {"index", "name"} <= set(columns):
        raise ParcellationError(f"{table}: columns index and name are required, got {_listed(columns)}")
    return rows


def _listed(columns: Iterable[str]) -> str:
    return listed(str(column) for column in columns)


def _index(text: str, table: Path) -> int:
    if not (text.strip().isascii() and text.strip().isdigit()):
        raise ParcellationError(f"{table.name}: an index is a whole number from 0 up, got {quoted(text)}")
    return int(text)


def _parcel(row: Mapping[str, str], index: int, table: Path) -> Parcel:
    name = row["name"].strip()
    short = (row.get("abbreviation") or "").strip()
    label = plain(name if short.casefold() in ("", "n/a") else short)
    if not label or len(label) > LONGEST_LABEL:
        raise ParcellationError(
            f"{table.name}: index {index}, {quoted(name)}: a label of 1 to {LONGEST_LABEL} ASCII letters and digits is "
            f"made of its abbreviation or its name, and this gives {quoted(label)}: give another abbreviation"
        )
    return Parcel(label=label, name=name or label)
