"""Landmark files in the style of BraTS-Reg: ``Landmark,X,Y,Z``, a point a line, in mm."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np

from .images import ImageError, read_grid

COLUMNS = ("Landmark", "X", "Y", "Z")
COORDINATES = {"RAS": (-1.0, -1.0, 1.0), "LPS": (1.0, 1.0, 1.0)}
"""Conventions, and what makes each LPS."""
OUTSIDE_MM = 10.0
"""A landmark so far outside its image is not one of it."""


class LandmarkError(ValueError):
    """Landmarks that cannot be used: the message names file, line and what was required."""


@attrs.frozen(kw_only=True)
class Landmarks:
    """One file's points."""

    path: Path
    names: tuple[str, ...]
    """The landmarks' names, each once."""
    lines: tuple[int, ...]
    """Where each stands in the file."""
    points: np.ndarray = attrs.field(eq=attrs.cmp_using(eq=np.array_equal), repr=False)
    """(N, 3) world positions, LPS mm."""


def read_landmarks(path: Path, coordinates: str) -> Landmarks:
    """The landmarks of a file.

    Parameters
    ----------
    path : Path
        Comma-separated, a head with :data:`COLUMNS` (in any order and case, further ones are ignored), empty lines
        are passed over.
    coordinates : str
        A key of :data:`COORDINATES`.

    Returns
    -------
    landmarks : Landmarks

    Raises
    ------
    LandmarkError
        Naming file, line and what was required.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = csv.reader(io.StringIO(text, newline=""))
        rows = [(lines.line_num, [cell.strip() for cell in row]) for row in lines if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise LandmarkError(f"{path}: no comma-separated text in UTF-8 ({error})") from error
    places = _head(path, *(rows[0] if rows else (1, [])))
    if len(rows) < 2:
        raise LandmarkError(f"{path}: at least one landmark is required after the head")
    names: dict[str, int] = {}
    points = []
    for line, row in rows[1:]:
        if len(row) <= max(places):
            raise LandmarkError(
                f"{path}, line {line}: cells for {', '.join(COLUMNS)} are required, got {len(row)}"
            )
        landmark, *position = (row[place] for place in places)
        if not landmark or landmark in names:
            raise LandmarkError(
                f"{path}, line {line}: a Landmark of its own is required, got {landmark!r}"
                + (f" of line {names[landmark]} again" if landmark else "")
            )
        names[landmark] = line
        points.append([_number(path, line, *cell) for cell in zip(COLUMNS[1:], position, strict=True)])
    return Landmarks(
        path=path,
        names=tuple(names),
        lines=tuple(names.values()),
        points=np.array(points) * COORDINATES[coordinates],
    )


def landmark_text(names: Sequence[str], points: np.ndarray, coordinates: str) -> str:
    """A landmark file of points (N, 3) in LPS mm, written in a convention of :data:`COORDINATES`."""
    text = io.StringIO()
    own = points * COORDINATES[coordinates]
    rows = ([name, *(f"{value:.4f}" for value in point)] for name, point in zip(names, own, strict=True))
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    return text.getvalue()


def require_inside(landmarks: Landmarks, image: Path, remedy: str) -> None:
    """Refuse landmarks that lie more than :data:`OUTSIDE_MM` outside an image's field of view.

    Parameters
    ----------
    landmarks : Landmarks
    image : Path
    remedy : str
        The message's end: what is required.

    Raises
    ------
    LandmarkError
        Naming file, line and landmark.
    """
    try:
        grid = read_grid(image)
    except ImageError as error:
        raise LandmarkError(str(error)) from error
    spacing, size = np.array(grid.GetSpacing()), np.array(grid.GetSize())
    axes = np.array(grid.GetDirection()).reshape(3, 3)
    index_mm = (landmarks.points - grid.GetOrigin()) @ np.linalg.inv(axes).T  # mm along the image's axes
    beyond = np.maximum(-0.5 * spacing - index_mm, index_mm - (size - 0.5) * spacing).max(axis=1)
    for number in np.flatnonzero(beyond > OUTSIDE_MM):
        raise LandmarkError(
            f"{landmarks.path}, line {landmarks.lines[number]}: landmark {landmarks.names[number]!r} lies "
            f"{beyond[number]:.0f} mm outside {image.name}; {remedy}"
        )


def common(landmarks: Landmarks, reference: Landmarks) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Corresponding points of two files.

    Returns
    -------
    names : tuple of str
    points, reference_points : ndarray, (N, 3)
        LPS mm.

    Raises
    ------
    LandmarkError
        A landmark that the reference does not have; it may have others.
    """
    place = {name: number for number, name in enumerate(reference.names)}
    for name, line in zip(landmarks.names, landmarks.lines, strict=True):
        if name not in place:
            raise LandmarkError(
                f"{landmarks.path}, line {line}: landmark {name!r} is required in {reference.path.name}, too"
            )
    chosen = [place[name] for name in landmarks.names]
    return landmarks.names, landmarks.points, reference.points[chosen]


def _head(path: Path, line: int, row: Sequence[str]) -> list[int]:
    """Where :data:`COLUMNS` stand."""
    lower = [cell.lower() for cell in row]
    missing = [column for column in COLUMNS if lower.count(column.lower()) != 1]
    if missing:
        raise LandmarkError(
            f"{path}, line {line}: the head {','.join(COLUMNS)} is required, got {','.join(row)!r}"
        )
    return [lower.index(column.lower()) for column in COLUMNS]


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise LandmarkError(f"{path}, line {line}: a number (mm) as {column} is required, got {text!r}")
    return number
