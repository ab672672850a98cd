"""The label map that ``--parcellation`` means, and its table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from ...files.tables import read_tsv
from ...files.text import listed, plain, quoted
from ..strata.groups import LONGEST_LABEL

HEMISPHERES = "hemispheres"
"""The word for the two sides of the template's own brain mask."""
SUFFIXES = (".nii.gz", ".nii")


def find_label_map(word: str, template: str, folders: Sequence[Path]) -> Path:
    """A label map by its path, or by its name among a template's files.

    Parameters
    ----------
    word : str
        A path, or a word for ``tpl-NAME_…atlas-WORD…_dseg.nii.gz`` or ``…seg-WORD…_dseg.nii.gz``.
    template : str
    folders : sequence of Path
        Folders that hold ``tpl-*`` folders; the first that has the template's counts.

    Returns
    -------
    path : Path
        Of several that differ in their ``res-`` only, the one with the lowest, which in TemplateFlow is the finest.

    Raises
    ------
    ParcellationError
        With none, or several.
    """
    if "/" in word or word.endswith(SUFFIXES):
        path = Path(word).expanduser().resolve()
        if not word.endswith(SUFFIXES) or not path.is_file():
            raise ParcellationError(
                f"--parcellation {word}: a NIfTI file is required, there is none of this name"
            )
        return path
    home = next((f / f"tpl-{template}" for f in map(Path, folders) if (f / f"tpl-{template}").is_dir()), None)
    known = sorted(home.glob(f"tpl-{template}_*dseg.nii.gz")) if home else []
    found = [path for path in known if word in _names(path)]
    if not found:
        raise ParcellationError(_nothing_found(word, template, home, known))
    kinds = {without_resolution(path.name) for path in found}
    if len(kinds) > 1:
        raise ParcellationError(
            f"--parcellation {word}: {len(kinds)} label maps have this name, {listed(sorted(kinds))}: "
            f"give the path of one, in {home}"
        )
    return min(found, key=lambda path: (_resolution(path), path.name))


def table_of(path: Path) -> Path:
    """The ``_dseg.tsv`` beside a label map: of its name, or of its name without ``res-``, as TemplateFlow has it.

    Raises
    ------
    ParcellationError
        Without one.
    """
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    names = dict.fromkeys((f"{stem}.tsv", f"{without_resolution(stem)}.tsv"))
    found = next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)
    if found is None:
        raise ParcellationError(
            f"--parcellation: {path.name} requires a table of its labels, columns index and name, beside it: "
            f"there is no {' and no '.join(names)} in {path.parent}"
        )
    return found


def without_resolution(name: str) -> str:
    """A file's name without its ``res-`` entity."""
    return re.sub(r"_res-[^_]+", "", name)


def _names(path: Path) -> set[str]:
    return set(re.findall(r"_(?:atlas|seg)-([A-Za-z0-9]+)(?=_)", path.name))


def _resolution(path: Path) -> int:
    found = re.search(r"_res-(\d+)", path.name)
    return int(found[1]) if found else 0


def _nothing_found(word: str, template: str, home: Path | None, known: Sequence[Path]) -> str:
    where = f"in {home}" if home else f"(no folder tpl-{template} in --template-dir)"
    there = listed(sorted({name for path in known for name in _names(path)}))
    return (
        f"--parcellation {word}: no tpl-{template}_…atlas-{word}…_dseg.nii.gz, nor …seg-{word}…, {where}; label maps "
        f"there: {there}. No lobes come with the templates: give {HEMISPHERES}, which is made of the template, the "
        "path of a label map in its space with a _dseg.tsv beside it, or put both into the template's folder"
    )


class ParcellationError(ValueError):
    """A parcellation that cannot be used: the message says what is required, what arrived, what to do."""


@attrs.frozen(kw_only=True)
class Parcel:
    """A region of a parcellation."""

    label: str
    """ASCII letters and digits, unique even where capitals do not count."""
    name: str
    """For readers, as the table has it."""


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
        columns, rows = read_tsv(table)
    except (OSError, ValueError) as error:
        raise ParcellationError(str(error)) from error
    if not {"index", "name"} <= set(columns):
        raise ParcellationError(f"{table}: columns index and name are required, got {listed(columns)}")
    return [row.cells for row in rows]


def _index(text: str, table: Path) -> int:
    if not (text.strip().isascii() and text.strip().isdigit()):
        raise ParcellationError(f"{table.name}: an index is a whole number from 0 up, got {quoted(text)}")
    return int(text)


def _parcel(row: Mapping[str, str], index: int, table: Path) -> Parcel:
    name = row["name"].strip()
    short = row.get("abbreviation", "").strip()
    label = plain(name if short.casefold() in ("", "n/a") else short)
    if not label or len(label) > LONGEST_LABEL:
        raise ParcellationError(
            f"{table.name}: index {index}, {quoted(name)}: a label of 1 to {LONGEST_LABEL} ASCII letters and digits is "
            f"made of its abbreviation or its name, and this gives {quoted(label)}: give another abbreviation"
        )
    return Parcel(label=label, name=name or label)
