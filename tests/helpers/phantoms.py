"""A head known at every point of space: drawn on any grid, it has the same physical content.

Positions are LPS, mm. Intensities vary slowly (waves of 80 mm and more), so that linear interpolation at 4 mm is
off by less than 0.01 inside the brain. Nothing is symmetric: a flipped axis shows.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, write_image

SHARED_DATA = Path(
    os.environ.get("GLIOMORPH_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data"
).resolve()

CENTRE = np.array([4.0, -9.0, 13.0])
SEMI_AXES = np.array([66.0, 80.0, 56.0])
"""Semi-axes of the brain, an ellipsoid of 1239 ml."""


def at(x: float, y: float, z: float) -> np.ndarray:
    """The place (LPS, mm) that far from the brain's centre."""
    return CENTRE + np.array([x, y, z])


TUMOR_AT = at(-26, 22, 10)
RADII = {2: 24.0, 4: 17.0, 1: 11.0}
"""Oedema, enhancing rim, necrotic core (BraTS labels), concentric."""


def grid(
    size: tuple[int, int, int] = (40, 48, 40),
    spacing: tuple[float, float, float] = (4.0, 4.0, 4.0),
    direction: object = None,
) -> sitk.Image:
    """An empty image centred on the head."""
    image = sitk.Image(list(size), sitk.sitkUInt8)
    image.SetSpacing(spacing)
    matrix = np.eye(3) if direction is None else np.asarray(direction, float)
    image.SetDirection(matrix.ravel().tolist())
    half = matrix @ ((np.array(size) - 1) / 2 * spacing)
    image.SetOrigin((CENTRE - half).tolist())
    return image


def turned() -> np.ndarray:
    """Axes of an oblique grid."""
    return np.array(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.15, 0.25).GetMatrix()).reshape(3, 3)


def frame(name: str) -> sitk.Image:
    """The head's grid under one of :data:`FRAMES`; all but oblique and anisotropic have the very same voxel centres."""
    if name == "oblique":
        return grid((48, 56, 48), (3.6, 3.6, 3.6), turned() @ np.diag([-1.0, 1.0, 1.0]))
    if name == "anisotropic":
        return grid((56, 68, 32), (3.0, 3.0, 5.0), np.diag([1.0, -1.0, 1.0]))
    if name == "permuted":
        return grid((40, 40, 48), direction=np.array([[0, 1, 0], [0, 0, -1], [1, 0, 0]]))
    signs = [1.0 if letter in "LPS" else -1.0 for letter in name]
    return grid(direction=np.diag(signs))


FRAMES = ("RAS", "LPS", "LAS", "oblique", "anisotropic", "permuted")


def positions(image: sitk.Image) -> np.ndarray:
    """Voxel centres (LPS, mm), shape (3, X, Y, Z)."""
    matrix = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    indices = np.indices(image.GetSize()).reshape(3, -1)
    points = matrix @ indices + np.array(image.GetOrigin())[:, None]
    return points.reshape(3, *image.GetSize())


def radius_at(points: np.ndarray) -> np.ndarray:
    """0 at the brain's centre, 1 at its surface."""
    shape = (3,) + (1,) * (points.ndim - 1)
    return np.linalg.norm((points - CENTRE.reshape(shape)) / SEMI_AXES.reshape(shape), axis=0)


def tissue_at(points: np.ndarray) -> np.ndarray:
    """Intensity, 0.2 to 0.9, that a brain without end would have."""
    x, y, z = points - CENTRE.reshape((3,) + (1,) * (points.ndim - 1))
    waves = np.sin(2 * np.pi * x / 130 + 0.7) + np.cos(2 * np.pi * y / 110 - 0.4) + np.sin(2 * np.pi * z / 90)
    off = np.exp(-((x - 18) ** 2 + (y + 20) ** 2 + (z + 8) ** 2) / (2 * 16.0**2))
    return 0.6 + 0.09 * waves - 0.13 * off


def labels_at(points: np.ndarray) -> np.ndarray:
    """BraTS labels 0, 1, 2, 4."""
    distance = np.linalg.norm(points - TUMOR_AT.reshape((3,) + (1,) * (points.ndim - 1)), axis=0)
    labels = np.zeros(distance.shape, np.uint8)
    for label, radius in RADII.items():
        labels[distance < radius] = label
    return labels


def brain_image(like: sitk.Image) -> sitk.Image:
    """Skull-stripped head, 0 outside the brain."""
    points = positions(like)
    return from_array(np.where(radius_at(points) < 1, tissue_at(points), 0).astype(np.float32), like)


def with_skull(like: sitk.Image) -> sitk.Image:
    """A head of 3.3 l: brain, dark fluid, bright scalp; air is not zero."""
    radius = radius_at(positions(like))
    brain = np.where(radius < 1, tissue_at(positions(like)), 0)
    noise = np.random.default_rng(0).uniform(0.001, 0.004, radius.shape)
    voxels = np.select([radius < 1, radius < 1.15, radius < 1.4], [brain, 0.1, 0.8], noise)
    return from_array(voxels.astype(np.float32), like)


def brain_mask(like: sitk.Image) -> sitk.Image:
    return from_array((radius_at(positions(like)) < 1).astype(np.uint8), like)


def labels_image(like: sitk.Image) -> sitk.Image:
    return from_array(labels_at(positions(like)), like)


def write_head(name: str, folder: Path) -> dict[str, Path]:
    """``image``, ``brain`` and ``labels`` of the head in one frame, as NIfTI."""
    like = frame(name)
    return {
        "image": write_image(brain_image(like), folder / f"{name}_T1w.nii.gz"),
        "brain": write_image(brain_mask(like), folder / f"{name}_brain.nii.gz"),
        "labels": write_image(labels_image(like), folder / f"{name}_labels.nii.gz"),
    }


def wider(image: sitk.Image) -> sitk.Image:
    """The same content in the same place on a grid of one more slice: no grid of the image's size in another frame."""
    return sitk.ConstantPad(image, [1, 0, 0], [0, 0, 0])


def smooth_displacement(like: sitk.Image, amplitude_mm: float = 6.0) -> sitk.Image:
    """A smooth displacement field (LPS, mm; vector image of doubles) that vanishes far from the centre."""
    points = positions(like) - CENTRE[:, None, None, None]
    bump = np.exp(-(points**2).sum(axis=0) / (2 * 35.0**2))
    return from_array(amplitude_mm * bump * np.array([1.0, -0.6, 0.4])[:, None, None, None], like)


def mapped(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """``transform`` of points (3, …)."""
    flat = points.reshape(3, -1)
    if transform.IsLinear():  # four points tell it; a hundred thousand take a second
        origin, *ends = (np.array(transform.TransformPoint(p)) for p in np.eye(4, 3, -1).tolist())
        moved = np.stack([end - origin for end in ends], axis=1) @ flat + origin[:, None]
    else:
        moved = np.array([transform.TransformPoint(point) for point in flat.T.tolist()]).T
    return moved.reshape(points.shape)


def some_affine() -> sitk.AffineTransform:
    """A rotation, an anisotropic scaling (determinant 0.9009) and a shift."""
    affine = sitk.AffineTransform(3)
    affine.SetCenter(CENTRE.tolist())
    matrix = np.diag([1.1, 0.9, 0.91]) @ np.array(
        sitk.Euler3DTransform((0, 0, 0), 0.1, 0.05, -0.1).GetMatrix()
    ).reshape(3, 3)
    affine.SetMatrix(matrix.ravel().tolist())
    affine.SetTranslation((3.0, -5.0, 4.0))
    return affine


def ball(like: sitk.Image, centre: np.ndarray, radius: float) -> np.ndarray:
    """Whether each voxel's centre is within ``radius`` mm of ``centre``."""
    return np.linalg.norm(positions(like) - np.asarray(centre)[:, None, None, None], axis=0) < radius


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Overlap of two masks."""
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def same_grid(first: sitk.Image, second: sitk.Image, tolerance_mm: float = 1e-2) -> bool:
    """Whether both images have one shape and one frame (corners within ``tolerance_mm``)."""
    return first.GetSize() == second.GetSize() and bool(
        np.abs(corners(first) - corners(second)).max() < tolerance_mm
    )


def corners(image: sitk.Image) -> np.ndarray:
    """Physical positions (LPS, mm) of the eight corner voxels, shape (8, 3)."""
    last = [size - 1 for size in image.GetSize()]
    indices = [[i * last[0], j * last[1], k * last[2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    return np.array([image.TransformIndexToPhysicalPoint(index) for index in indices])
