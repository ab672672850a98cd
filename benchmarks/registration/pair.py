"""The pair that is registered: MNI152, and itself deformed, with a tumour; nothing is read but nilearn's data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from gliomorph.interfaces.datasets.templates import load_template, working_grid
from gliomorph.interfaces.files.images import replacing, to_array
from gliomorph.interfaces.files.transforms import displacement_to_itk
from gliomorph.models.jacobians import jacobian_determinant
from gliomorph.models.synthesis.deformation import exponential, random_velocity

from .images import Images

BOX_MM = (192.0, 192.0, 144.0)
"""What a grid covers at least. One of more voxels than mm covers more, at 1 mm; one of fewer has larger voxels."""

LATTICE_MM = 4.0
SCALES_MM = (20.0, 40.0)
"""Scales of the noise in the velocity."""
MEAN_DISPLACEMENT_MM = 3.0
SEED = 7

TUMOR_OFFSET_MM = (35.0, 10.0, 15.0)
"""From the middle of the box, along its axes: in the white matter of one hemisphere."""
TUMOR_RADIUS_MM = 14.0
TUMOR_INTENSITY = 0.35


def write(shape: Sequence[int], folder: Path) -> Path:
    """The pair on a grid of ``shape`` as a file in ``folder``; kept where it lies there already."""
    path = folder / f"pair-{'x'.join(map(str, shape))}.npz"
    if not path.exists():
        with replacing(path) as temporary:
            make(shape).save(temporary)
    return path


def make(shape: Sequence[int]) -> Images:
    """The pair on a grid of ``shape``, around the middle of the template's working grid; always the same.

    Parameters
    ----------
    shape : sequence of int
        Three sizes. For the voxels see :data:`BOX_MM`.

    Returns
    -------
    images : Images
        The moving one is the fixed one seen through a random diffeomorphism, with a round, dark tumour.
    """
    template = load_template("MNI152", 1)
    spacing = np.maximum(1.0, np.array(BOX_MM) / shape)
    grid = _around(working_grid(template), shape, spacing)
    image = template.image
    if spacing.max() > 1.5:  # as a template is reduced: no aliasing on coarse grids
        image = sitk.SmoothingRecursiveGaussian(image, (0.425 * spacing).tolist())
    fixed = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    moving = sitk.Resample(image, grid, _deformation(grid), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    brain = sitk.Resample(sitk.Cast(template.brain_mask, sitk.sitkFloat32), grid)
    depth = TUMOR_RADIUS_MM - _distance_mm(shape, spacing)
    share = np.clip(depth + 0.5, 0, 1)  # an edge 1 mm wide
    return Images(
        moving=np.clip((1 - share) * to_array(moving) + share * TUMOR_INTENSITY, 0, 1).astype(np.float32),
        fixed=np.clip(to_array(fixed), 0, 1),
        tumor=(depth >= 0).astype(np.uint8),
        brain=(to_array(brain) >= 0.5).astype(np.uint8),
        spacing_mm=tuple(spacing.tolist()),
    )


def _around(template_grid: sitk.Image, shape: Sequence[int], spacing: np.ndarray) -> sitk.Image:
    """A grid in the middle of the template's (voxels of 1 mm), whose box ends at faces of its voxels."""
    first_face = (np.array(template_grid.GetSize()) - np.multiply(shape, spacing)) // 2 - 0.5
    return _empty(template_grid, shape, spacing, first_face + spacing / 2)


def _deformation(grid: sitk.Image) -> sitk.Transform:
    """A random diffeomorphism of the box of ``grid`` onto itself; the same for every grid over one box."""
    sides = np.multiply(grid.GetSize(), grid.GetSpacing())
    shape = np.ceil(sides / LATTICE_MM).astype(int)
    spacing = sides / shape
    velocity = random_velocity(shape, [mm / LATTICE_MM for mm in SCALES_MM], np.random.default_rng(SEED))
    velocity *= MEAN_DISPLACEMENT_MM / LATTICE_MM / np.linalg.norm(velocity, axis=0).mean()
    displacement = exponential(velocity)
    assert jacobian_determinant(displacement).min() > 0, "the pair's deformation folds"
    lattice = _empty(grid, shape, spacing, spacing / np.array(grid.GetSpacing()) / 2 - 0.5)
    return displacement_to_itk(displacement, lattice)


def _empty(like: sitk.Image, shape: Sequence[int], spacing: np.ndarray, first: np.ndarray) -> sitk.Image:
    """A grid of ``shape`` along the axes of ``like``, whose first voxel lies at index ``first`` of that one."""
    grid = sitk.Image([int(size) for size in shape], sitk.sitkUInt8)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection(like.GetDirection())
    grid.SetOrigin(like.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    return grid


def _distance_mm(shape: Sequence[int], spacing: np.ndarray) -> np.ndarray:
    """Distance of every voxel from the tumour's centre."""
    axes = [
        (np.arange(size) - (size - 1) / 2) * mm - offset
        for size, mm, offset in zip(shape, spacing, TUMOR_OFFSET_MM, strict=True)
    ]
    return np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij", sparse=True)))
