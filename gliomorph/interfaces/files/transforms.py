"""The one place where displacements in voxels become ITK transforms (LPS, mm), and back.

``forward`` maps template points to subject points: it is what resamples the subject's image onto the
template's grid (BIDS: from-native_to-TPL). ``inverse`` maps subject points to template points.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import SimpleITK as sitk

from ...models import jacobians
from .images import from_array, replacing, to_array

STEP_MM = 2.0**-11
"""Displacements are stored as multiples of this (0.0005 mm), so that they compress three- to fourfold."""


def displacement_to_itk(displacement: np.ndarray, grid: sitk.Image) -> sitk.DisplacementFieldTransform:
    """ITK transform x -> x + u(x) from a displacement in voxels.

    Parameters
    ----------
    displacement : ndarray, shape (3, X, Y, Z)
        In voxels of ``grid``, component order X, Y, Z.
    grid : SimpleITK.Image
        The working grid, of size (X, Y, Z).

    Returns
    -------
    transform : SimpleITK.DisplacementFieldTransform
        Physical (LPS, mm) on the same grid.

    Raises
    ------
    ValueError
        If the displacement's shape is not that of the grid.
    """
    expected = (3, *grid.GetSize())
    if displacement.shape != expected:
        raise ValueError(f"displacement of shape {expected} required for this grid, got {displacement.shape}")
    physical = np.einsum("ij,jxyz->ixyz", _voxel_to_physical(grid), displacement.astype(np.float64))
    return sitk.DisplacementFieldTransform(from_array(physical, grid))


def displacement_from_itk(field: sitk.Image) -> np.ndarray:
    """Displacement in voxels, shape (3, X, Y, Z), of an ITK displacement field image (LPS, mm)."""
    matrix = np.linalg.inv(_voxel_to_physical(field))
    return np.einsum("ij,jxyz->ixyz", matrix, to_array(field))


def displacement_on(
    transform: sitk.Transform, grid: sitk.Image, pixel: int = sitk.sitkVectorFloat64
) -> sitk.Image:
    """Where a transform takes the points of a grid, less the points: a vector image (LPS, mm) on the grid."""
    return sitk.TransformToDisplacementField(
        transform, pixel, grid.GetSize(), grid.GetOrigin(), grid.GetSpacing(), grid.GetDirection()
    )


def compose(*transforms: sitk.Transform) -> sitk.CompositeTransform:
    """``compose(a, b)(x) = a(b(x))``: the last one named is applied first, as in ITK and ANTs."""
    composite = sitk.CompositeTransform(3)
    for transform in transforms:
        composite.AddTransform(transform)
    composite.FlattenTransform()
    return composite


def write_transform(transform: sitk.Transform, path: str | Path) -> Path:
    """Write an ITK composite transform (``.h5``) that ANTs, SimpleITK and Slicer read.

    Displacement fields are stored in single precision, rounded to :data:`STEP_MM` and compressed (SimpleITK
    itself writes doubles, uncompressed: 120 MB for a 1 mm brain).

    Parameters
    ----------
    transform : SimpleITK.Transform
        Affine, displacement field, or a composite of these.
    path : path
        Ends in ``.h5``; written under a temporary name, then renamed.

    Returns
    -------
    path : Path
    """
    parts = [_downcast(part) for part in _parts(transform)]
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("ITKVersion", data=[b"5.4.0"])
        file.create_dataset("HDFVersion", data=[h5py.version.hdf5_version.encode()])
        group = file.create_group("TransformGroup")
        group.create_dataset("0/TransformType", data=[b"CompositeTransform_float_3_3"])
        for number, part in enumerate(parts, start=1):
            _write_part(group.create_group(str(number)), part)
    return Path(path)


def read_transform(path: str | Path) -> sitk.Transform:
    """The ITK transform stored in ``path`` (``.h5``, ``.mat``, ``.txt``)."""
    try:
        return sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise ValueError(f"{Path(path).name}: not an ITK transform file, or damaged") from error


def apply_to_points(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """``transform`` of points (N, 3) in LPS mm."""
    return np.array([transform.TransformPoint([float(c) for c in point]) for point in points])


def linear_part(transform: sitk.Transform) -> sitk.CompositeTransform:
    """The linear transforms of a composite, in their order: what is left without its displacement fields.

    Of ``affine ∘ warp`` and of ``unwarp ∘ inverse affine`` it is the affine part; of an affine transform, itself.
    """
    return compose(*(part for part in map(_downcast, _parts(transform)) if part.IsLinear()))


def _parts(transform: sitk.Transform) -> Sequence[sitk.Transform]:
    composite = compose(transform)
    return [composite.GetNthTransform(i) for i in range(composite.GetNumberOfTransforms())]


def _downcast(transform: sitk.Transform) -> sitk.Transform:
    return transform.Downcast() if type(transform) is sitk.Transform else transform


def _write_part(group: h5py.Group, part: sitk.Transform) -> None:
    if isinstance(part, sitk.DisplacementFieldTransform):
        kind = "DisplacementFieldTransform_float_3_3"
        field = sitk.GetArrayFromImage(part.GetDisplacementField())
        values = (np.round(field / STEP_MM) * STEP_MM).astype(np.float32).ravel()
        options = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "chunks": True}
    else:
        kind = "AffineTransform_float_3_3"
        part = _as_affine(part)
        values, options = np.array(part.GetParameters(), np.float64), {}
    group.create_dataset("TransformType", data=[kind.encode()])
    group.create_dataset("TransformFixedParameters", data=np.array(part.GetFixedParameters(), np.float64))
    group.create_dataset("TransformParameters", data=values, **options)


def _as_affine(transform: sitk.Transform) -> sitk.AffineTransform:
    """Any linear transform (rigid, similarity, …) as a plain affine one."""
    if not transform.IsLinear():
        raise ValueError(
            f"only linear and displacement-field transforms can be written, got {transform.GetName()}"
        )
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(matrix_of(transform).ravel().tolist())
    affine.SetTranslation(transform.TransformPoint((0.0, 0.0, 0.0)))
    return affine


def _voxel_to_physical(grid: sitk.Image) -> np.ndarray:
    return np.array(grid.GetDirection()).reshape(3, 3) @ np.diag(grid.GetSpacing())


def matrix_of(transform: sitk.Transform) -> np.ndarray:
    """The 3×3 matrix of a linear transform."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    return np.stack([np.array(transform.TransformPoint(a)) - origin for a in np.eye(3).tolist()], axis=1)


def jacobian_determinant(field: sitk.Image) -> sitk.Image:
    """det J of x + u(x) for a displacement field u (LPS, mm), central differences.

    Computed in index space, where it is free of the grid's direction: anisotropic, oblique and flipped grids
    give the same values. A fold has a value of 0 or below.
    """
    determinant = jacobians.jacobian_determinant(displacement_from_itk(field).astype(np.float32))
    return from_array(determinant, sitk.VectorIndexSelectionCast(field, 0))
