"""A given tumour segmentation, brought into the image's own grid by world coordinates."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from fileformats.generic import File

from ..datasets.query import REGION_NAMES, table_rows
from ..files.images import (
    ImageError,
    from_array,
    read_image,
    same_box,
    to_array,
    voxel_volume_ml,
    write_image,
)
from ..registration.ants import pyramid, register_ants
from ..task import task

CONVENTIONS = {
    frozenset({1, 2, 4}): {"NCR": 1, "ED": 2, "ET": 4},
    frozenset({1, 2, 3}): {"NCR": 1, "ED": 2, "ET": 3},
}
"""BraTS label maps: ET is 4 until the 2022 edition and 3 since."""

EITHER = {index: region for labels in CONVENTIONS.values() for region, index in labels.items()}
"""The region of each label, in whichever of the conventions."""

LABELS = CONVENTIONS[frozenset({1, 2, 4})]
"""What the stages pass on and publish."""

MOST_NAMES = 10
"""Of a label table in an error; tables of anatomy have hundreds."""

REGIONS = {"WT": ("NCR", "ED", "ET"), "TC": ("NCR", "ET"), "ET": ("ET",), "NCR": ("NCR",), "ED": ("ED",)}


def tumor(
    image: Path,
    brain_mask: Path,
    segmentation: Path,
    kind: str,
    template: Path,
    table: Path | None = None,
) -> tuple[Path, dict[str, Any]]:
    """The tumour's labels on the image's grid.

    The segmentation is resampled by world coordinates, label by label. Where it lies wholly outside the image
    but on the template's own grid (BraTS practice: the patient was aligned rigidly to the template before the
    tumour was drawn), the frames are related by a rigid registration of the image to the template; a notice
    says so, since two such registrations differ by some millimetres.

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

    Returns
    -------
    labels : Path
        uint8 on the image's grid: BraTS labels 0, 1, 2, 4 for a ``dseg`` (ET is written as 4 whatever the
        input says), 0 and 1 for a ``mask``.
    info : dict
        ``kind``, ``frame`` (``world`` or ``template``), ``volume_ml``, ``share_of_brain``, ``labels``,
        ``notices``.

    Raises
    ------
    ImageError
        Empty mask, unknown labels, a table that does not tell them, or frames that cannot be related.
    """
    native, brain = read_image(image), read_image(brain_mask, sitk.sitkUInt8)
    voxels, name = read_image(segmentation, sitk.sitkFloat32), Path(segmentation).name
    given = brats_labels(voxels, kind, name, Path(table) if table is not None else None)
    frame, notices = "world", []
    labels = resample_labels(given, native)
    if not to_array(labels).any():
        _require_visible(given, native, name, Path(image).name)
        labels = _through_template(given, native, brain, read_image(template), name)
        frame = "template"
        notices.append(
            "the tumour mask does not overlap the image in world coordinates, but lies on the template's grid: "
            "it was brought in through a rigid registration of the image to the template, which places it "
            "within some millimetres only"
        )
    inside = to_array(labels) > 0
    in_brain = float((inside & (to_array(brain) > 0)).sum() / inside.sum())
    if in_brain < 0.5:
        raise ImageError(
            f"{name}: only {in_brain:.0%} of the tumour mask lies in the brain of "
            f"{Path(image).name}; do both come from the same subject and frame?"
        )
    if in_brain < 0.95:
        notices.append(f"{1 - in_brain:.0%} of the tumour mask lies outside the brain")
    out = write_image(labels, Path.cwd() / "tumor.nii.gz")
    volume = float(inside.sum()) * voxel_volume_ml(native)
    share = float(inside.sum() / max(1, to_array(brain).sum()))
    info = {"kind": kind, "frame": frame, "volume_ml": round(volume, 3), "share_of_brain": round(share, 5)}
    return out, info | {"labels": np.unique(to_array(labels)).tolist(), "notices": notices}


def _require_visible(labels: sitk.Image, native: sitk.Image, name: str, image: str) -> None:
    """Raise if a tumour that lies on the image is too small for its voxels."""
    everywhere = from_array(np.ones(native.GetSize(), np.uint8), native)
    on_image = to_array(sitk.Resample(everywhere, labels, sitk.Transform(), sitk.sitkNearestNeighbor))
    if on_image[to_array(labels) > 0].any():
        volume = np.count_nonzero(to_array(labels)) * voxel_volume_ml(labels)
        raise ImageError(
            f"{name}: a tumour that fills half of at least one voxel of {image} "
            f"({1000 * voxel_volume_ml(native):.3g} mm³) is required, the mask holds {1000 * volume:.3g} mm³: give a "
            "sharper image of the subject, or leave the mask out"
        )


def resample_labels(
    labels: sitk.Image, grid: sitk.Image, transform: sitk.Transform | None = None
) -> sitk.Image:
    """A label map on another grid: every label resampled linearly, then decided from the whole to its parts.

    Tumour where all labels together reach one half; within it core (1 and 4) where that outweighs oedema (2);
    within the core the heavier of both. One by one, a rim as thin as a voxel would lose against what it
    separates.

    Parameters
    ----------
    labels : SimpleITK.Image
        BraTS labels 0, 1, 2, 4; a mask of 0 and 1.
    grid : SimpleITK.Image
        Where the result lies.
    transform : SimpleITK.Transform, optional
        Maps points of ``grid`` to points of ``labels`` (LPS, mm); identity if not given.

    Returns
    -------
    resampled : SimpleITK.Image
        uint8.
    """
    transform = transform or sitk.Transform()
    values = [int(value) for value in np.unique(to_array(labels)) if value]
    if not values:
        return sitk.Cast(sitk.Resample(labels, grid, transform, sitk.sitkNearestNeighbor), sitk.sitkUInt8)
    shares = [
        to_array(sitk.Resample(sitk.Cast(labels == v, sitk.sitkFloat32), grid, transform, sitk.sitkLinear))
        for v in values
    ]
    share = dict(zip(values, shares, strict=True))
    none = np.zeros_like(shares[0])
    core, rim, edema = (share.get(LABELS[part], none) for part in ("NCR", "ET", "ED"))
    part = np.where(rim > core, LABELS["ET"], LABELS["NCR"])
    part = np.where(edema > core + rim, LABELS["ED"], part)
    return from_array(np.where(np.sum(shares, axis=0) >= 0.5, part, 0).astype(np.uint8), grid)


def brats_labels(segmentation: sitk.Image, kind: str, name: str, table: Path | None = None) -> sitk.Image:
    """A segmentation in the labels that the stages pass on.

    Parameters
    ----------
    segmentation : SimpleITK.Image
    kind : str
        ``mask`` or ``dseg``.
    name : str
        Of its file, for errors.
    table : Path, optional
        The ``dseg.tsv`` that says which label is what; without it a ``dseg`` follows one of :data:`CONVENTIONS`.

    Returns
    -------
    labels : SimpleITK.Image
        uint8: 0 and 1 for a mask; 0, 1, 2, 4 (:data:`LABELS`) for a label map.

    Raises
    ------
    ImageError
        NaN, no voxel above 0, labels that the table (or the convention) has no region for, or a table that
        :func:`table_regions` refuses.
    """
    voxels = to_array(segmentation)
    if not np.isfinite(voxels).all():
        raise ImageError(f"{name}: the tumour mask holds NaN or infinite values")
    if not (voxels > 0).any():
        raise ImageError(f"{name}: the tumour mask is empty (no voxel above 0)")
    if kind == "mask":
        return sitk.Cast(segmentation >= 0.5, sitk.sitkUInt8)
    if table is None:
        regions, required = EITHER, "BraTS labels {1, 2, 4} (ET = 4) or {1, 2, 3} (ET = 3)"
    else:
        regions = table_regions(table)
        listed = ", ".join(f"{index} {region}" for index, region in sorted(regions.items()))
        required = f"labels that {table.name} gives to a region ({listed})"
    whole = np.round(voxels)
    found = {int(value) for value in np.unique(whole)} - {0}
    ambiguous = table is None and {3, 4} <= found
    if not np.allclose(voxels, whole) or not found <= regions.keys() or ambiguous:
        raise ImageError(f"{name}: {required} are required, found {sorted(found)}")
    labels = np.zeros(voxels.shape, np.uint8)
    for index in found:
        labels[whole == index] = LABELS[regions[index]]
    return from_array(labels, segmentation)


def table_regions(table: Path) -> dict[int, str]:
    """Which labels a table gives to NCR, ED and ET.

    Parameters
    ----------
    table : Path
        ``dseg.tsv`` with the columns ``index`` and ``abbreviation`` or ``name``
        (:data:`~gliomorph.interfaces.datasets.query.REGION_NAMES`, in capitals or not).

    Returns
    -------
    regions : dict of int to str
        By label: ``{1: "ET", 2: "NCR", 3: "ED"}``. A region may have several; other rows are left out.

    Raises
    ------
    ImageError
        An index that is no whole number, is 0 for a region or there twice; a region that is not named.
    """
    rows, name = table_rows(table), table.name
    if odd := [index for index, _ in rows if not index.isdecimal()]:
        raise ImageError(f"{name}: an index (0, 1, 2, …) is required in every row, found {odd[0]!r}")
    named = [(int(index), text) for index, text in rows]
    if twice := [index for index, count in Counter(index for index, _ in named).items() if count > 1]:
        meanings = ", ".join(text for index, text in named if index == twice[0])
        raise ImageError(f"{name}: every index is required once, found {twice[0]} for {meanings}")
    regions = {index: REGION_NAMES[text.upper()] for index, text in named if text.upper() in REGION_NAMES}
    if set(regions.values()) != set(LABELS):
        found = ", ".join(text for _, text in named[:MOST_NAMES]) or "none"
        more = ", …" if len(named) > MOST_NAMES else ""
        raise ImageError(
            f"{name}: rows named NCR, ED and ET (column abbreviation or name) are required, found {found}{more}"
        )
    if 0 in regions:
        raise ImageError(f"{name}: 0 is required for the background, found it for {regions[0]}")
    return regions


def _through_template(
    labels: sitk.Image, native: sitk.Image, brain: sitk.Image, template: sitk.Image, name: str
) -> sitk.Image:
    if not same_box(labels, template):
        raise ImageError(
            f"{name}: the tumour mask and the image do not overlap in world coordinates, and the mask is not on "
            "the template's grid either: their frames cannot be related. Give a mask drawn on this image, or "
            "one resampled to it"
        )
    files = register_ants(
        template, sitk.Mask(native, brain), "Rigid", seed=0, **RIGID_OPTIONS, **pyramid(template)
    )
    template_to_native = sitk.ReadTransform(files["fwdtransforms"][0])
    moved = resample_labels(labels, native, template_to_native.GetInverse())
    if not to_array(moved).any():
        raise ImageError(f"{name}: the tumour mask lies outside the image, also through the template's frame")
    return moved


RIGID_OPTIONS: dict[str, Any] = {
    "aff_metric": "mattes",
    "aff_iterations": (500, 250, 100),
}

Tumor = task(tumor, labels=File, info=dict)


def class_indices(labels: np.ndarray) -> np.ndarray:
    """uint8 indices of a network's classes (background, NCR, ED, ET) for BraTS labels as :func:`brats_labels` gives."""
    values = [0, LABELS["NCR"], LABELS["ED"], LABELS["ET"]]
    return np.searchsorted(values, labels).astype(np.uint8)
