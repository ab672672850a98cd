"""Given structures of native scans: masks ``label-NAME_mask``, or label maps ``dseg`` with their tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk

from ..interfaces.datasets.query import find_table
from ..interfaces.files.images import from_array, read_image, to_array
from .tables import EvaluationError, Registration

NATIVE = ("", "orig", "native", "T1w", "individual")
"""``space`` entities of an image's own frame."""
OF_THE_FILE = ("space", "seg", "atlas", "label", "desc", "res", "den")
"""Entities that say what a file holds; the others say which image it belongs to."""


@attrs.frozen
class Structure:
    """Where one structure of a scan lies: in a mask (no ``indices``), or as these labels of a label map."""

    path: Path
    indices: tuple[int, ...] = ()


def find_structures(
    labels_dir: Path, scan: Registration, wanted: Collection[str]
) -> tuple[dict[str, Structure], list[str]]:
    """The structures that a folder holds for one scan, by name.

    Files lie where the scan's outputs do (``sub-X/[ses-Y/]anat``). Those belong to the scan whose entities
    (``sub``, ``ses``, ``acq``, ``ce``…) it has too; the file with the most of them is taken, masks before label maps.

    Parameters
    ----------
    labels_dir : Path
    scan : Registration
        Any method's of that scan.
    wanted : collection of str
        Names of the template's masks; a label map's table may have them as ``name`` or ``abbreviation``.

    Returns
    -------
    structures : dict of str to Structure
    notices : list of str
        Label maps without a table.

    Raises
    ------
    EvaluationError
        A table that cannot be read, or two files that may both be meant.
    """
    found: dict[str, list[tuple[tuple[int, int], Structure]]] = {}
    notices = []
    folder, parts = labels_dir / scan.where, set(scan.scan.split("_"))
    for path in sorted([*folder.glob("*.nii.gz"), *folder.glob("*.nii")]):
        *pieces, suffix = path.name.split(".")[0].split("_")
        entities = dict(piece.partition("-")[::2] for piece in pieces)
        own = {piece for piece in pieces if piece.partition("-")[0] not in OF_THE_FILE}
        if not own <= parts or entities.get("space", "") not in NATIVE:
            continue
        named: dict[str, Structure] = {}
        if suffix == "mask" and entities.get("label") in wanted:
            named[entities["label"]] = Structure(path)
        elif suffix == "dseg":
            table = find_table(path, labels_dir)
            if table is None:
                notices.append(f"{path.name}: no dseg.tsv says what its labels are, passed over")
            else:
                indices = _indices(table, wanted)
                named = {name: Structure(path, values) for name, values in indices.items()}
        for name, structure in named.items():
            found.setdefault(name, []).append(((int(suffix == "mask"), len(own)), structure))
    return {name: _best(name, choices) for name, choices in sorted(found.items())}, notices


def read_structure(structure: Structure) -> sitk.Image:
    """A structure as a mask (float32, 0 or 1) on its own grid.

    Raises
    ------
    ImageError, EvaluationError
        A file that cannot be read, or a mask with several values.
    """
    image = read_image(structure.path)
    values = to_array(image)
    if structure.indices:
        return from_array(np.isin(values, structure.indices).astype(np.float32), image)
    kinds = np.unique(values[values != 0])
    if len(kinds) > 1:
        raise EvaluationError(
            f"{structure.path.name}: a mask has one value besides 0, this one has {len(kinds)} "
            f"({kinds[0]:g}, {kinds[1]:g}…); name a label map dseg, with a table"
        )
    return from_array((values != 0).astype(np.float32), image)


def _best(name: str, choices: list[tuple[tuple[int, int], Structure]]) -> Structure:
    top = max(rank for rank, _ in choices)
    best = [structure for rank, structure in choices if rank == top]
    if len(best) > 1:
        names = " and ".join(structure.path.name for structure in best)
        raise EvaluationError(f"label {name}: {names} may both be meant, keep one")
    return best[0]


def _indices(table: Path, wanted: Collection[str]) -> dict[str, tuple[int, ...]]:
    """Label values by wanted name; a name that several rows have is all of them together."""
    try:
        lines = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"), newline=""), delimiter="\t")
        rows = [(lines.line_num, row) for row in lines]
    except (UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(f"{table.name}: no tab-separated text in UTF-8 ({error})") from error
    found: dict[str, list[int]] = {}
    for number, row in rows:
        texts = {(row.get(key) or "").strip() for key in ("name", "abbreviation")}
        for name in sorted(texts & set(wanted)):
            index = (row.get("index") or "").strip()
            if not index.isdecimal():
                raise EvaluationError(
                    f"{table.name}, line {number}: a whole number as index is required, got {index!r}"
                )
            found.setdefault(name, []).append(int(index))
    return {name: tuple(indices) for name, indices in found.items()}
