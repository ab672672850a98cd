"""A patient in template space: every image interpolated once, from its native voxels."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from ..files.images import from_array, read_image, to_array, write_image
from ..files.labels import by_region, resample_labels, tumor_only
from ..files.transforms import compose, displacement_on, jacobian_determinant, read_transform, write_transform
from ..task import task
from .records import Registered, WarpedFiles


def warp(
    image: Path,
    matched: Path,
    labels: Path,
    probabilities: list[Path],
    affine: Path,
    registered: Registered,
    template: Path,
) -> WarpedFiles:
    """Images, masks and transforms of one method in template space.

    Parameters
    ----------
    image, matched, labels : Path
        Native: bias-corrected image, the same with the template's intensities, tumour labels.
    probabilities : list of Path
        Native, of :data:`~gliomorph.models.regions.NESTED`; none where the tumour was given.
    affine : Path
        Template points to native points.
    registered : Registered
        The method's answer.
    template : Path
        Carries the template's full grid.

    Returns
    -------
    files : WarpedFiles
        In the current folder.
    """
    folder, grid, native = Path.cwd(), read_image(template), read_image(image)
    linear = read_transform(affine)
    template_to_native = compose(linear, read_transform(registered.forward))
    native_to_template = compose(read_transform(registered.inverse), linear.GetInverse())
    warped = sitk.Resample(native, grid, template_to_native, sitk.sitkLinear)
    dseg = resample_labels(read_image(labels, sitk.sitkUInt8), grid, template_to_native)
    tumor = from_array((tumor_only(to_array(dseg)) > 0).astype("uint8"), grid)
    field = displacement_on(read_transform(registered.forward), grid, sitk.sitkVectorFloat32)
    imaged = sitk.Cast(native == native, sitk.sitkUInt8)
    coverage = sitk.Resample(imaged, grid, template_to_native, sitk.sitkNearestNeighbor)
    optional = {}
    for region, path in by_region(probabilities).items():
        name = f"probability_{region}"
        moved = sitk.Resample(read_image(path), grid, template_to_native, sitk.sitkLinear)
        optional[name] = write_image(moved, folder / f"{name}.nii.gz")
    if registered.appearance is not None:
        residual = _embedded(read_image(registered.appearance), grid)
        moved = sitk.Resample(read_image(matched), grid, template_to_native, sitk.sitkLinear)
        healthy = sitk.Clamp(moved + residual, sitk.sitkFloat32, 0, 1)
        optional["residual"] = write_image(residual, folder / "residual.nii.gz")
        optional["healthy"] = write_image(healthy, folder / "healthy.nii.gz")
    return WarpedFiles(
        used=registered.used,
        warped=write_image(warped, folder / "warped.nii.gz"),
        mask=write_image(tumor, folder / "mask.nii.gz"),
        dseg=write_image(dseg, folder / "dseg.nii.gz"),
        coverage=write_image(coverage, folder / "coverage.nii.gz"),
        forward_xfm=write_transform(template_to_native, folder / "forward_xfm.h5"),
        inverse_xfm=write_transform(native_to_template, folder / "inverse_xfm.h5"),
        displacement=write_image(field, folder / "displacement.nii.gz"),
        jacobian=write_image(jacobian_determinant(field), folder / "jacobian.nii.gz"),
        **optional,
    )


def _embedded(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """A working-grid image on the template's grid, whose voxels coincide: values are copied, 0 outside."""
    return sitk.Resample(image, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, image.GetPixelID())


Warp = task(warp, "files")
