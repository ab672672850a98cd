"""The scans of a folder that ``gliomorph`` has written, as pairs for the training of a registration network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk

from ...interfaces.datasets.templates import Template
from ...interfaces.derivatives.registrations import Registration, find_registrations
from ...interfaces.files.folders import files_in
from ...interfaces.files.images import ImageError, read_image, require_same_grid, to_array
from ...interfaces.files.labels import resample_labels
from ...interfaces.files.transforms import linear_part, read_transform
from ...interfaces.methods import RIGID
from ..scans import TrainingDataError, prepare_all, require_within, stored
from .data import MODALITY, Target

RANGE_TOLERANCE = 1e-3
"""Of intensities in [0, 1]."""


@attrs.frozen(kw_only=True)
class AlignedScan:
    """What a run of ``gliomorph`` has left of one scan."""

    label: str
    """What its files' names begin with."""
    subject: str
    image: Path
    """Aligned with the template and matched, on its full grid (``desc-preproc``)."""
    root: Path
    """The folder that the run wrote."""
    registrations: tuple[Registration, ...]
    """To that template at that resolution."""

    def sources(self) -> tuple[Path, Path]:
        """Native tumour mask, and the transform whose linear part is the alignment.

        Raises
        ------
        ImageError
            If one is missing, or several may be meant.
        """
        able = [one for one in self.registrations if one.method not in RIGID]
        if not able:
            raise ImageError(
                f"{self.image.name}: a registration of this scan by another method than {' and '.join(RIGID)} is "
                "required beside it, whose transform tells the alignment; run gliomorph again with --registration "
                "affine"
            )
        newest = max(able, key=lambda one: one.record.stat().st_mtime_ns)
        masks = [
            path
            for path in sorted(self.image.parent.glob(f"{self.label}_label-tumor_desc-*_mask.nii.gz"))
            if path.relative_to(self.root).as_posix() in newest.outputs
        ]
        if len(masks) != 1:
            names = ", ".join(path.name for path in masks) or "none"
            raise ImageError(
                f"{self.image.name}: one {self.label}_label-tumor_desc-*_mask.nii.gz of the same run is required "
                f"beside it, found {names}"
            )
        if not newest.native_from_template.is_file():
            raise ImageError(f"{newest.native_from_template.name}: required and missing")
        return masks[0], newest.native_from_template


def prepare_pairs(
    derivatives_dir: Path, target: Target, folder: Path, report: Callable[[str], None] = lambda line: None
) -> dict[str, list[Path]]:
    """All scans of a run of ``gliomorph``, checked and on disk as tensors.

    Parameters
    ----------
    derivatives_dir : Path
        What the run has written, with the target's template at its resolution.
    target : Target
    folder : Path
        Where they are kept; what is there and still fits is not made again.
    report : callable
        Gets a line for every scan.

    Returns
    -------
    files : dict of str to list of Path
        By subject: ``moving`` float16 in [0, 1] and ``mask`` uint8, (X, Y, Z) on the working grid.

    Raises
    ------
    TrainingDataError
        No scan, or a list of all those that cannot be used.
    """
    prepared = partial(_prepare_scan, target=target, folder=folder)
    return prepare_all(_find_aligned(derivatives_dir, target.template), prepared, report)


def _find_aligned(root: Path, template: Template) -> list[AlignedScan]:
    tail = f"_space-{template.name}_res-{template.resolution}_desc-preproc_{MODALITY}.nii.gz"
    images = files_in(root, f"sub-*/anat/*{tail}", f"sub-*/ses-*/anat/*{tail}")
    if not images:
        raise TrainingDataError(
            f"{root}: a folder that gliomorph has written is required, with sub-*/[ses-*/]anat/*{tail}, and holds "
            "none; check --template and --voxel-size, or run gliomorph with these (--template, --resolution)"
        )
    known = find_registrations(root, template=template.name, resolution=template.resolution).by_scan
    labels = [image.name.removesuffix(tail) for image in images]
    return [
        AlignedScan(
            label=label,
            subject=label.split("_")[0].removeprefix("sub-"),
            image=image,
            root=root,
            registrations=tuple(known.get(label, {}).values()),
        )
        for label, image in zip(labels, images, strict=True)
    ]


def _prepare_scan(scan: AlignedScan, target: Target, folder: Path) -> tuple[Path, list[str]]:
    mask, transform = scan.sources()
    files = [scan.image, mask, transform]
    read = partial(_read_scan, scan.image, mask, transform, target)
    return stored(scan.label, files, [target.sha256], folder, read), []


def _read_scan(image: Path, mask: Path, transform: Path, target: Target) -> dict[str, np.ndarray]:
    picture = read_image(image)
    require_same_grid(template=target.template.image, **{image.name: picture})
    _check_intensities(to_array(picture), image.name)
    moving = to_array(sitk.Resample(picture, target.image, sitk.Transform(), sitk.sitkNearestNeighbor))
    brain = moving > 0
    share = float((to_array(target.brain) > 0)[brain].mean()) if brain.any() else 0.0
    require_within(share, f"{image.name}: only {share:.0%} of the brain lies within the template's")
    native = read_image(mask, sitk.sitkUInt8) > 0
    try:
        affine = linear_part(read_transform(transform))
    except ValueError as error:
        raise ImageError(str(error)) from error
    tumor = to_array(resample_labels(native, target.image, affine))
    if not tumor.any():
        raise ImageError(f"{mask.name}: no voxel of the tumour is left on the template's working grid")
    share = float(brain[tumor > 0].mean())
    require_within(
        share, f"{mask.name}: only {share:.0%} of the tumour lies within the brain of {image.name}"
    )
    return {"moving": moving.clip(0, 1).astype(np.float16), "mask": tumor}


def _check_intensities(voxels: np.ndarray, name: str) -> None:
    if spoilt := int((~np.isfinite(voxels)).sum()):
        raise ImageError(f"{name}: finite values are required, {spoilt} voxels are NaN or infinite")
    low, high = float(voxels.min()), float(voxels.max())
    if low == high or np.ptp(voxels[voxels != 0]) == 0:
        raise ImageError(f"{name}: the image is constant in the brain ({high:g})")
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        raise ImageError(
            f"{name}: intensities matched to the template, in [0, 1], are required, got {low:g} to {high:g}"
        )
