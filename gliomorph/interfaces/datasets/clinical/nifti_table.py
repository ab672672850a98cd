"""A table of NIfTI files that says what each of them is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np

from ...files.folders import missing_content
from ...files.images import ImageError, read_grid, read_image, require_same_grid, to_array
from ...files.tables import Row
from ...files.text import listed, quoted
from ..simulate import SUFFIXES
from .items import MASKS, ClinicalError, Item, collisions, image_sidecar, item_of, raise_all, read_rows

REQUIRED, OPTIONAL = ("file", "participant_id", "modality"), ("session_id", "run")
EXTENSIONS = (".nii.gz", ".nii")
MODALITIES = (*SUFFIXES, *MASKS)


def read_nifti_table(table: Path) -> list[Item]:
    """The images and masks that a table lists, every one of them looked at.

    Parameters
    ----------
    table : Path
        Tab-separated; files are relative to its folder, or absolute.

    Returns
    -------
    items : list of Item
        In the order of the rows; masks have their images as ``Sources``.

    Raises
    ------
    OSError
        The table cannot be read.
    ClinicalError
        Naming every line that cannot be imported, and what to do.
    """
    items: list[Item] = []
    problems: list[str] = []
    sources: dict[Path, Item] = {}
    for row in read_rows(table, REQUIRED, OPTIONAL):
        try:
            item = attrs.evolve(item_of(row, MODALITIES), source=_file(row, table.parent))
            first = sources.setdefault(item.source.resolve(), item)
            if first is not item:
                raise ClinicalError(
                    f"{item.source.name} is the file of line {first.line}, too: remove one row"
                )
            _look_at(item)
            items.append(item)
        except (ClinicalError, ImageError, OSError) as error:
            problems.append(f"{table}, line {row.line}: {error}")
    raise_all([*problems, *(f"{table}, {problem}" for problem in collisions(items))])
    return list(_with_sidecars(items))


def _file(row: Row, folder: Path) -> Path:
    text = row.cells["file"].strip()
    if not text.endswith(EXTENSIONS):
        raise ClinicalError(f"file {quoted(text)}: a name that ends in .nii.gz or .nii is required")
    path = folder / text
    if reason := missing_content(path):
        raise ClinicalError(f"{path}: {reason}")
    if not path.is_file():
        raise ClinicalError(f"{path}: no such file: mend the name; it is relative to the table's folder")
    return path


def _look_at(item: Item) -> None:
    """Raise :class:`ImageError` for a file that cannot be used as what it is said to be."""
    if item.modality not in MASKS:
        read_grid(item.source)
        return
    values = np.unique(to_array(read_image(item.source)))
    if len(values) > 2 or not (values == 0).any():
        raise ImageError(
            f"{item.source.name}: a mask has 0 and one other value, this one has "
            f"{listed(f'{value:g}' for value in values)}: write one with the wanted label alone"
        )


def _with_sidecars(items: list[Item]) -> Iterator[Item]:
    for item in items:
        if item.modality not in MASKS:
            yield attrs.evolve(item, sidecar=image_sidecar(item.modality))
            continue
        images = [
            other
            for other in items
            if other.modality not in MASKS and (other.subject, other.session) == (item.subject, item.session)
        ]
        # drawn on those of its own grid, if there are such
        drawn_on = [image for image in images if _on_one_grid(image, item)] or images
        yield attrs.evolve(
            item,
            sidecar={
                "Type": "Lesion" if item.modality == "mask" else "Brain",
                "Sources": [f"bids:raw:{image.path.as_posix()}" for image in drawn_on],
            },
        )


def _on_one_grid(one: Item, other: Item) -> bool:
    try:
        require_same_grid(one=read_grid(one.source), other=read_grid(other.source))
    except ImageError:
        return False
    return True
