"""Slices of an image by world coordinates: where they lie, and how a picture's rows and columns run.

Planes go along the scanner's axes, so that the file's voxel order, an oblique frame or thick slices do not change
what is seen. The convention is **radiological**: the patient's right is on the left of axial and coronal slices; in
sagittal ones the face looks left. Positions are named in RAS millimetres, as in nibabel and nilearn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import attrs
import numpy as np
import SimpleITK as sitk

from ..files.images import to_array

CONVENTION = "radiological: patient's right on the left"
MARGIN_MM = 4.0
PIXEL_MM = 1.0


class Plane(NamedTuple):
    """One of the three viewing directions, in LPS: where a picture's columns and rows go."""

    name: str
    column: tuple[int, int, int]
    row: tuple[int, int, int]
    letters: str  # left, right, top, bottom

    @property
    def normal(self) -> int:
        """Index of the LPS axis that the plane cuts."""
        return ({0, 1, 2} - {int(np.argmax(np.abs(d))) for d in (self.column, self.row)}).pop()


AXIAL = Plane("axial", (1, 0, 0), (0, 1, 0), "RLAP")
CORONAL = Plane("coronal", (1, 0, 0), (0, 0, -1), "RLSI")
SAGITTAL = Plane("sagittal", (0, 1, 0), (0, 0, -1), "APSI")
PLANES = (AXIAL, CORONAL, SAGITTAL)


@attrs.frozen
class Cut:
    """A slice: its plane and a grid one voxel thick whose columns and rows are those of the picture."""

    plane: Plane
    grid: sitk.Image

    @property
    def label(self) -> str:
        """Plane and position, such as ``axial z = 42 mm`` (RAS)."""
        axis = self.plane.normal
        position = self.grid.GetOrigin()[axis] * (1 if axis == 2 else -1)
        return f"{self.plane.name} {'xyz'[axis]} = {round(position)} mm"

    def sample(self, image: sitk.Image, interpolator: int = sitk.sitkLinear) -> np.ndarray:
        """Values of ``image`` on the slice, shape (rows, columns[, components]); zero outside the image."""
        vector = image.GetNumberOfComponentsPerPixel() > 1
        kind = sitk.sitkVectorFloat32 if vector else sitk.sitkFloat32
        sampled = sitk.Resample(image, self.grid, sitk.Transform(), interpolator, 0.0, kind)
        return sitk.GetArrayFromImage(sampled)[0]


def choose_cuts(image: sitk.Image, masks: Sequence[sitk.Image] = ()) -> tuple[Cut, ...]:
    """An axial, a coronal and a sagittal slice through the lesion where it is largest.

    Parameters
    ----------
    image : SimpleITK.Image
        What is not background is the field of view.
    masks : sequence of SimpleITK.Image
        The lesion, perhaps in several versions: their areas are summed. Without any voxel the slices go
        through the centre of the field of view.

    Returns
    -------
    cuts : tuple of Cut
        Axial, coronal, sagittal.
    """
    lower, upper = _box(image)
    centre = (lower + upper) / 2
    points = [_positions(mask) for mask in masks]
    if any(len(p) for p in points):
        step = max(max(mask.GetSpacing()) for mask in masks)
        centre = np.array([_densest(np.concatenate(points)[:, axis], step) for axis in range(3)])
    return tuple(_cut(plane, float(centre[plane.normal]), lower, upper) for plane in PLANES)


def spread_cuts(image: sitk.Image, inside: sitk.Image | None = None, count: int = 5) -> tuple[Cut, ...]:
    """``count`` axial, coronal and sagittal slices each, evenly spread over ``inside`` (or the image)."""
    lower, upper = _box(image)
    first, last = lower, upper
    if inside is not None and len(points := _positions(inside)):
        first, last = points.min(axis=0), points.max(axis=0)
    fractions = (np.arange(count) + 0.5) / count
    cuts = []
    for plane in PLANES:
        axis = plane.normal
        positions = first[axis] + fractions * (last[axis] - first[axis])
        cuts += [_cut(plane, float(p), lower, upper) for p in (positions if axis == 2 else positions[::-1])]
    return tuple(cuts)


def brightness(image: sitk.Image) -> float:
    """The white of a grey-scale picture: 99.7th percentile of what is above zero (1 for an empty image)."""
    values = sitk.GetArrayViewFromImage(image)[::2, ::2, ::2]  # a view: no copy of a large volume
    values = values[values > 0]
    return float(np.percentile(values, 99.7)) if values.size else 1.0


def foreground(image: sitk.Image) -> sitk.Image:
    """What is brighter than background, uint8: a template that was interpolated has tiny values around the head."""
    return image > 0.03 * brightness(image)


def _cut(plane: Plane, position: float, lower: np.ndarray, upper: np.ndarray) -> Cut:
    column, row = np.array(plane.column), np.array(plane.row)
    extent = (upper - lower) / PIXEL_MM
    size = [int(np.ceil(extent @ np.abs(axis))) + 1 for axis in (column, row)]
    origin = np.where(row < 0, upper, lower)  # top left corner of the picture
    origin[plane.normal] = position
    grid = sitk.Image([*size, 1], sitk.sitkUInt8)
    grid.SetSpacing([PIXEL_MM] * 3)
    grid.SetOrigin(origin.tolist())
    grid.SetDirection(np.stack([column, row, np.cross(column, row)], axis=1).astype(float).ravel().tolist())
    return Cut(plane, grid)


def _box(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner (LPS, mm) of what is brighter than background, with a margin."""
    occupied = to_array(foreground(image)) > 0
    if not occupied.any():
        occupied = np.ones_like(occupied)
    ranges = []
    for axis in range(3):
        where = np.flatnonzero(occupied.any(axis=tuple(a for a in range(3) if a != axis)))
        ranges.append((int(where[0]), int(where[-1])))
    ends = [(i, j, k) for i in ranges[0] for j in ranges[1] for k in ranges[2]]
    points = np.array([image.TransformIndexToPhysicalPoint(end) for end in ends])
    return points.min(axis=0) - MARGIN_MM, points.max(axis=0) + MARGIN_MM


def _positions(mask: sitk.Image) -> np.ndarray:
    """Physical positions (LPS, mm) of the voxels above zero, shape (N, 3)."""
    indices = np.argwhere(to_array(mask) > 0)
    matrix = np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()
    return indices @ matrix.T + mask.GetOrigin()


def _densest(coordinates: np.ndarray, step: float) -> float:
    """Where most of the coordinates are, in windows of ``step``."""
    bins = np.round((coordinates - coordinates.min()) / step).astype(int)
    return float(np.median(coordinates[bins == np.bincount(bins).argmax()]))
