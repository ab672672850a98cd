"""A patient in template space: every image interpolated once, from its native voxels."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk
from fileformats.generic import File

from ..files.images import read_image, write_image
from ..files.labels import by_region, resample_labels
from ..files.transforms import compose, displacement_on, jacobian_determinant, read_transform, write_transform
from ..task import task

FILES = (
    "used", "warped", "mask", "dseg", "coverage", "forward_xfm", "inverse_xfm", "displacement", "jacobian",
    "probability_WT", "probability_TC", "probability_ET", "residual", "healthy",
)  # fmt: skip
"""Names in the bundle of :func:`warp`; the last five by some methods or tumours only."""


def warp(
    image: Path,
    matched: Path,
    labels: Path,
    probabilities: list[Path],
    affine: Path,
    forward: Path,
    inverse: Path,
    appearance: Path | None,
    used: Path,
    template: Path,
) -> dict[str, File]:
    """Images, masks and transforms of one method, as one bundle of files.

    Parameters
    ----------
    image, matched, labels : Path
        Native: bias-corrected image, the same with the template's intensities, tumour labels.
    probabilities : list of Path
        Native, of :data:`~gliomorph.interfaces.files.labels.PROBABILITY_REGIONS`; none where the tumour was given.
    affine : Path
        Template points to native points.
    forward, inverse : Path
        Within the working frame, as :func:`~gliomorph.interfaces.scan.register.register` gives them.
    appearance : Path, optional
        Residual on the working grid.
    used : Path
        JSON of the registration, passed on.
    template : Path
        Carries the template's full grid.

    Returns
    -------
    files : dict of str to File
        By the names below.

    Notes
    -----
    warped : Path
        ``image`` resampled by ``forward_xfm`` (linear), template grid.
    mask : Path
        Whole tumour, uint8, template grid.
    dseg : Path
        Labels, uint8, template grid.
    coverage : Path
        uint8, template grid: 1 where the template's voxel lies in the native field of view.
    probability_WT, probability_TC, probability_ET : Path, where a network segmented
        float32, template grid (linear).
    healthy : Path, metamorphic methods only
        ``matched`` resampled plus the residual, in the template's intensities [0, 1].
    residual : Path, metamorphic methods only
        The appearance residual on the template's grid.
    forward_xfm : Path
        Template points to native points (``affine ∘ forward``): resamples the native image.
    inverse_xfm : Path
        Native points to template points.
    displacement : Path
        ``forward`` minus identity on the template's grid, vector image (LPS, mm).
    jacobian : Path
        Its det J, float32; exactly 1 where the displacement is 0.
    """
    folder, grid, native = Path.cwd(), read_image(template), read_image(image)
    linear = read_transform(affine)
    template_to_native = compose(linear, read_transform(forward))
    native_to_template = compose(read_transform(inverse), linear.GetInverse())
    warped = sitk.Resample(native, grid, template_to_native, sitk.sitkLinear)
    dseg = resample_labels(read_image(labels, sitk.sitkUInt8), grid, template_to_native)
    field = displacement_on(read_transform(forward), grid, sitk.sitkVectorFloat32)
    imaged = sitk.Cast(native == native, sitk.sitkUInt8)
    coverage = sitk.Resample(imaged, grid, template_to_native, sitk.sitkNearestNeighbor)
    files = {
        "used": Path(used),
        "warped": write_image(warped, folder / "warped.nii.gz"),
        "mask": write_image(sitk.Cast(dseg > 0, sitk.sitkUInt8), folder / "mask.nii.gz"),
        "dseg": write_image(dseg, folder / "dseg.nii.gz"),
        "coverage": write_image(coverage, folder / "coverage.nii.gz"),
        "forward_xfm": write_transform(template_to_native, folder / "forward_xfm.h5"),
        "inverse_xfm": write_transform(native_to_template, folder / "inverse_xfm.h5"),
        "displacement": write_image(field, folder / "displacement.nii.gz"),
        "jacobian": write_image(jacobian_determinant(field), folder / "jacobian.nii.gz"),
    }
    for region, path in by_region(probabilities).items():
        moved = sitk.Resample(read_image(path), grid, template_to_native, sitk.sitkLinear)
        name = f"probability_{region}"
        files[name] = write_image(moved, folder / f"{name}.nii.gz")
    if appearance is not None:
        residual = _embedded(read_image(appearance), grid)
        moved = sitk.Resample(read_image(matched), grid, template_to_native, sitk.sitkLinear)
        healthy = sitk.Clamp(moved + residual, sitk.sitkFloat32, 0, 1)
        files["residual"] = write_image(residual, folder / "residual.nii.gz")
        files["healthy"] = write_image(healthy, folder / "healthy.nii.gz")
    return {name: File(path) for name, path in files.items()}


def _embedded(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """A working-grid image on the template's grid, whose voxels coincide: values are copied, 0 outside."""
    return sitk.Resample(image, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, image.GetPixelID())


Warp = task(warp, "files")
