"""A given tumour segmentation, brought into the image's own grid by world coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..files.images import (
    ImageError,
    from_array,
    image_and_notices,
    read_image,
    same_box,
    to_array,
    voxel_volume_ml,
    write_image,
)
from ..files.labels import brats_labels, resample_labels, tumor_only
from ..files.masks import TRUST_VOXELS, in_one_frame
from ..registration.ants import RIGID_OPTIONS, pyramid, register_ants
from ..task import task
from .records import AS_THEY_STAND, Reading, TumorInfo

SURE_IN_BRAIN = 0.8
"""A tumour mask with a smaller share in the brain, or in the image, may be another patient's, or in another frame."""


def tumor(
    image: Path,
    brain_mask: Path,
    segmentation: Path,
    kind: str,
    template: Path,
    table: Path | None = None,
    reading: Reading = AS_THEY_STAND,
    in_template: bool = False,
) -> tuple[Path, TumorInfo]:
    """The tumour's labels on the image's grid.

    The segmentation is resampled by world coordinates, label by label; one with as many voxels as the image and another
    frame is refused (:func:`~gliomorph.interfaces.files.masks.in_one_frame`). Where it lies wholly outside the image
    but on the template's own grid (BraTS practice: the patient was aligned rigidly to the template before the
    tumour was drawn), or is ``in_template``, the frames are related by a rigid registration of the image to the
    template; a flag says so, since two such registrations differ by some millimetres.

    Parameters
    ----------
    image, brain_mask : Path
        Native image and its brain mask.
    segmentation : Path
        Binary mask or label map, on any grid.
    kind : str
        ``mask`` or ``dseg``.
    template : Path
        The template on its full grid.
    table : Path, optional
        Of a ``dseg``, as :func:`brats_labels` reads it.
    reading : Reading
        What is trusted of the headers.
    in_template : bool
        The segmentation is in the template's space, by its name: world coordinates say nothing of the image, unless
        that lies on the template's grid itself.

    Returns
    -------
    labels : Path
        uint8 on the image's grid: BraTS labels 0, 1, 2, 4 for a ``dseg`` (ET is written as 4 whatever the
        input says; a resection cavity, which counts as no tumour, as 5), 0 and 1 for a ``mask``.
    info : TumorInfo
        What is known of them.

    Raises
    ------
    ImageError
        Empty mask, unknown labels, a table that does not tell them, or frames that cannot be related.
    """
    native, brain = read_image(image), read_image(brain_mask, sitk.sitkUInt8)
    name = segmentation.name
    voxels, odd = image_and_notices(
        segmentation, orientation=reading.orientation, like=native if reading.trust_voxels else None
    )
    given, notices, flags = brats_labels(voxels, kind, name, table)
    flags = [*(f"{name}: {text}" for text in odd), *flags]
    doubts: list[str] = []
    labels, cause, in_image = _on_image(given, native, brain, read_image(template), in_template, name)
    if cause:
        flags.append(
            f"the tumour mask {cause}: it was brought in through a rigid registration of the image to the template, "
            "which places it within some millimetres only, and worse if it was drawn on a warped image"
        )
    inside = tumor_only(to_array(labels)) > 0
    in_brain = float((inside & (to_array(brain) > 0)).sum() / inside.sum())
    if in_brain < 0.5:
        raise ImageError(
            f"{name}: only {in_brain:.0%} of the tumour mask lies in the brain of the "
            "image; do both come from the same subject and frame?"
        )
    for share, of in ((in_brain, "brain"), (in_image, "image")):
        if share < 0.95:
            remarks = doubts if share < SURE_IN_BRAIN else flags
            remarks.append(f"{1 - share:.0%} of the tumour mask lies outside the {of}")
    out = write_image(labels, Path.cwd() / "tumor.nii.gz")
    volume = float(inside.sum()) * voxel_volume_ml(native)
    return out, TumorInfo(
        kind=kind,
        frame="template" if cause else "world",
        volume_ml=round(volume, 3),
        share_of_brain=round(float(inside.sum() / max(1, to_array(brain).sum())), 5),
        labels=np.unique(to_array(labels)).tolist(),
        notices=notices,
        flags=flags,
        doubts=doubts,
    )


def _on_image(
    given: sitk.Image,
    native: sitk.Image,
    brain: sitk.Image,
    template: sitk.Image,
    in_template: bool,
    name: str,
) -> tuple[sitk.Image, str, float]:
    """Labels on the image's grid, why they came through the template, and the share of the tumour in the image's view.

    The reason is empty where they came by world coordinates.
    ``name`` is that of the segmentation's file, for errors.
    """
    given, differing = in_one_frame(given, native, name, "the image")
    labels = resample_labels(given, native)
    on_image = given.GetSize() == native.GetSize() and not differing
    by_name = in_template and not on_image and not same_box(native, template)
    if differing and not by_name and (to_array(labels).any() or not same_box(given, template)):
        raise ImageError(f"{differing}: {TRUST_VOXELS}")
    if by_name:
        cause = "is in the template's space by its name"
    elif to_array(labels).any():
        return labels, "", _share_in_view(given, native)
    else:
        _require_visible(given, native, name)
        _require_template(given, template, name)
        cause = "does not overlap the image in world coordinates, but lies on the template's grid"
    labels, in_view = _through_template(given, native, brain, template, name)
    return labels, cause, in_view


def _require_visible(labels: sitk.Image, native: sitk.Image, name: str) -> None:
    """Raise if a tumour that lies on the image is too small for its voxels."""
    if _share_in_view(labels, native):
        volume = np.count_nonzero(to_array(labels)) * voxel_volume_ml(labels)
        raise ImageError(
            f"{name}: a tumour that fills half of at least one voxel of the image "
            f"({1000 * voxel_volume_ml(native):.3g} mm³) is required, the mask holds {1000 * volume:.3g} mm³: give a "
            "sharper image of the subject, or leave the mask out"
        )


def _share_in_view(labels: sitk.Image, native: sitk.Image, to_native: sitk.Transform | None = None) -> float:
    """The share of a tumour that lies in the image's field of view; a transform of points where frames differ."""
    everywhere = from_array(np.ones(native.GetSize(), np.uint8), native)
    seen = sitk.Resample(everywhere, labels, to_native or sitk.Transform(), sitk.sitkNearestNeighbor)
    return float(to_array(seen)[to_array(labels) > 0].mean())


def _require_template(labels: sitk.Image, template: sitk.Image, name: str) -> None:
    """Raise if a tumour that lies outside the image is not on the template's grid."""
    if not same_box(labels, template):
        raise ImageError(
            f"{name}: the tumour mask and the image do not overlap in world coordinates, and the mask is not on "
            "the template's grid either: their frames cannot be related. Give a mask drawn on this image, or "
            "one resampled to it"
        )


def _through_template(
    labels: sitk.Image, native: sitk.Image, brain: sitk.Image, template: sitk.Image, name: str
) -> tuple[sitk.Image, float]:
    files = register_ants(
        template, sitk.Mask(native, brain), "Rigid", seed=0, **RIGID_OPTIONS, **pyramid(template)
    )
    template_to_native = sitk.ReadTransform(files["fwdtransforms"][0])
    moved = resample_labels(labels, native, template_to_native.GetInverse())
    if not to_array(moved).any():
        raise ImageError(f"{name}: the tumour mask lies outside the image, also through the template's frame")
    return moved, _share_in_view(labels, native, template_to_native)


Tumor = task(tumor, "labels", "info")
