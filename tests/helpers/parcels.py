"""Label maps in the frame of :mod:`phantoms`: four quarters of the brain, on any grid."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import phantoms
import SimpleITK as sitk

from gliomorph.interfaces.datasets.template_files import TemplateFiles, prepare_template
from gliomorph.interfaces.files.images import from_array, write_image

TABLE = (
    "index\tname\tabbreviation\n0\tbackground\tBG\n7\tright front\tRF\n3\tright back\tRB\n5\tleft front\tLF\n"
    "1001\tleft back\tn/a\n"
)
INDICES = (7, 3, 5, 1001)
LABELS = ("RF", "RB", "LF", "leftback")
"""In the table's order."""


def quarters(like: sitk.Image) -> np.ndarray:
    """The brain's quarters as the table numbers them: right and left, front and back of the centre."""
    points = phantoms.positions(like)
    x, y, _ = points - phantoms.CENTRE.reshape(3, 1, 1, 1)
    first, second, third, fourth = INDICES
    sides = np.where(x < 0, np.where(y < 0, first, second), np.where(y < 0, third, fourth))
    return np.where(phantoms.radius_at(points) < 1, sides, 0).astype(np.float32)


def write_parcels(path: Path, like: sitk.Image, table: str = TABLE) -> Path:
    """A label map and, unless it is empty, its table beside it."""
    write_image(from_array(quarters(like), like), path)
    if table:
        path.with_name(path.name.replace(".nii.gz", ".tsv")).write_text(table, encoding="utf-8")
    return path


def prepared(home: Path, work: Path) -> TemplateFiles:
    """``tpl-Tiny`` at 4 mm."""
    return prepare_template("Tiny", 4, [home], work)


def write_tumors(folder: Path, like: sitk.Image, places: Iterable[np.ndarray]) -> list[Path]:
    """A ball of 9 mm at each place from the brain's centre (LPS, mm)."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write_image(
            from_array(phantoms.ball(like, phantoms.at(*place), 9).astype(np.uint8), like),
            folder / f"tumor{number}.nii.gz",
        )
        for number, place in enumerate(places)
    ]
