"""The scanner's side: where the head lies, the grid that is scanned, and what its voxels hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from .anatomy import Anatomy
from .deformation import sample
from .tumor import Tumor

GRIDS = ("isotropic", "anisotropic", "las")
THICK_SPACINGS_MM = ((1.0, 1.0, 3.0), (2.0, 2.0, 5.0))
MARGIN_MM = 6.0


def sample_spacing(voxel_mm: float, grid: str, rng: np.random.Generator) -> list[float]:
    """Voxel sizes in mm; the thick axis is random, the plane is never finer than the template."""
    if grid != "anisotropic":
        return [voxel_mm] * 3
    possible = [spacing for spacing in THICK_SPACINGS_MM if spacing[0] >= voxel_mm - 1e-3]
    possible = possible or [(voxel_mm, voxel_mm, 2.5 * voxel_mm)]
    return np.roll(possible[rng.integers(len(possible))], rng.integers(3)).tolist()


def position(anatomy: Anatomy, angles_deg: list[float], translation_mm: list[float]) -> np.ndarray:
    """Rigid world map (LPS, mm) from the template's frame: rotation about the brain's centre, then shift."""
    inside = np.argwhere(anatomy.tissues.sum(axis=0) > 0.5).mean(axis=0)
    center = apply_matrix(anatomy.voxel_to_world, inside)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix()
    matrix[:3, 3] = center - matrix[:3, :3] @ center + translation_mm
    return matrix


def native_grid(
    anatomy: Anatomy, settings: dict[str, Any], forward: np.ndarray, patient_to_world: np.ndarray
) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and voxel-to-world matrix of a grid that holds the patient's brain and a margin."""
    every = (slice(None), *(slice(None, None, anatomy.step),) * 3)
    inside = anatomy.tissues[every].sum(axis=0) > 0
    points = anatomy.step * np.argwhere(inside) + forward[every][:, inside].T
    world = points @ patient_to_world[:3, :3].T + patient_to_world[:3, 3]
    toward_left = 1.0 if settings["kind"] == "las" else -1.0
    axes = Rotation.from_euler("xyz", settings["angles_deg"], degrees=True).as_matrix()
    axes = axes @ np.diag([toward_left, -1.0, 1.0])  # LPS: (-1, -1, 1) is RAS
    spacing = np.array(settings["spacing_mm"])
    along = world @ axes  # mm along the grid's axes
    margin = MARGIN_MM + anatomy.coarse_mm
    first, last = along.min(axis=0) - margin, along.max(axis=0) + margin
    shape = np.ceil((last - first) / spacing).astype(int) + 1
    native_to_world = np.eye(4)
    native_to_world[:3, :3] = axes * spacing
    native_to_world[:3, 3] = axes @ first
    return tuple(int(size) for size in shape), native_to_world


def acquire(
    anatomy: Anatomy,
    tumor: Tumor,
    inverse: np.ndarray,
    patient_from_native: np.ndarray,
    shape: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Healthy tissues (3, …), tumour regions (3, …) and texture, averaged over every native voxel."""
    spacing = np.linalg.norm(patient_from_native[:3, :3], axis=0)
    parts = np.maximum(1, np.round(spacing)).astype(int)
    axes = [(np.arange(size * part) + 0.5) / part - 0.5 for size, part in zip(shape, parts, strict=True)]
    matrix = patient_from_native.astype(np.float32)
    index = np.stack(np.meshgrid(*(axis.astype(np.float32) for axis in axes), indexing="ij"))
    points = np.tensordot(matrix[:3, :3], index, axes=1) + matrix[:3, 3, None, None, None]
    tissues, white, fluid, texture = anatomy_at(anatomy, inverse, points)
    regions = tumor.memberships(points, tissues.sum(axis=0), white, fluid)
    tissues, regions, texture = (block_mean(a, parts) for a in (tissues, regions, texture[None]))
    return tissues, regions, texture[0]


def anatomy_at(
    anatomy: Anatomy, inverse: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Healthy tissues (3, …), white, fluid and texture at points (3, …) of the patient's frame."""
    places = points + sample(inverse, points, outside=0.0)
    tissues = sample(anatomy.tissues, places, outside=0.0)
    white, fluid, texture = (
        sample(field[None], places, outside=0.0)[0]
        for field in (anatomy.white, anatomy.fluid, anatomy.texture)
    )
    return tissues, white, fluid, texture


def block_mean(fields: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Means over blocks of ``parts`` voxels of fields (C, X, Y, Z)."""
    sizes = [n for size, part in zip(fields.shape[1:], parts, strict=True) for n in (size // part, part)]
    return fields.reshape(len(fields), *sizes).mean(axis=(2, 4, 6))


def apply_matrix(matrix: np.ndarray, point: np.ndarray) -> np.ndarray:
    """``point`` (3,) mapped by the affine ``matrix`` (4, 4)."""
    return matrix[:3, :3] @ point + matrix[:3, 3]
