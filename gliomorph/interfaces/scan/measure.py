"""How well one registration went: similarity, det J, the tumour's fate, consistency, overlap."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..files.images import read_image, to_array, voxel_volume_ml, write_text
from ..files.labels import tumor_only
from ..files.masks import overlap
from ..files.transforms import matrix_of, read_transform
from ..records import as_dict
from ..task import task
from .records import SHRINKAGE, MethodFiles, WarpedFiles

MIN_BRAIN_DICE = 0.8
"""Below this overlap of the warped brain with the template's the scan is kept out of the atlas."""
FOLDED_SHARE = 0.001


def measure(
    files: WarpedFiles,
    matched: Path,
    labels: Path,
    brain_mask: Path,
    affine: Path,
    template: Path,
    template_brain: Path,
) -> MethodFiles:
    """Quality of one method, added to its files as a flat JSON: a row of ``group_quality.tsv``.

    Similarities compare the matched image with the template inside the template's brain: ``ncc`` is the
    correlation, ``l2`` the sum of squared differences times the voxel volume in ml. ``jacobian_*`` is det J of
    the deformable part, inside the brain; ``folds`` counts voxels with det J ≤ 0.

    Parameters
    ----------
    files : WarpedFiles
    matched, labels, brain_mask : Path
        Native.
    affine : Path
        ITK transform, template points to native points.
    template, template_brain : Path
        On the template's full grid.

    Returns
    -------
    files : MethodFiles
        The same with ``quality``.
    """
    fixed, brain = read_image(template), to_array(read_image(template_brain)) > 0
    tumor = to_array(read_image(files.mask)) > 0
    picture = read_image(matched)
    before = _onto(picture, fixed, affine)
    after = _onto(picture, fixed, files.forward_xfm)
    reference = to_array(fixed)
    # a resection cavity has no counterpart in the template, and is no tumour either
    outside = brain & (to_array(read_image(files.dseg)) == 0)
    determinant = to_array(read_image(files.jacobian))
    settings = files.registration()
    native_ml = _volume(labels)
    template_ml = float(tumor.sum()) * voxel_volume_ml(fixed)
    row: dict[str, Any] = {
        "method": settings["method"],
        "tumor_volume_native_ml": native_ml,
        "tumor_volume_affine_ml": native_ml / _volume_scale(affine),
        "tumor_volume_template_ml": template_ml,
        "ncc_outside_before": _ncc(before[outside], reference[outside]),
        "ncc_outside": _ncc(after[outside], reference[outside]),
        "l2_outside_before": _l2(before[outside], reference[outside], fixed),
        "l2_outside": _l2(after[outside], reference[outside], fixed),
        "l2_inside": _l2(after[tumor], reference[tumor], fixed),
        "jacobian_min": float(determinant[brain].min()),
        "jacobian_max": float(determinant[brain].max()),
        "jacobian_tumor_mean": float(determinant[tumor].mean()) if tumor.any() else float("nan"),
        "folds": int((determinant[brain] <= 0).sum()),
        "brain_dice": overlap(
            read_image(brain_mask), read_image(template_brain), read_transform(files.forward_xfm)
        ),
        "inverse_consistency_mm": inverse_consistency(files.forward_xfm, files.inverse_xfm, template_brain),
        "seconds": settings["seconds"],
        "peak_memory_gb": settings["peak_memory_gb"],
        "device": settings["device"],
    }
    row["tumor_volume_ratio"] = template_ml / row["tumor_volume_affine_ml"] if native_ml else math.nan
    row |= _verdict(row, int(brain.sum()))
    quality = write_text(json.dumps(_rounded(row), indent=1), Path.cwd() / "quality.json")
    return MethodFiles(**as_dict(files), quality=quality)


def inverse_consistency(forward: Path, inverse: Path, brain: Path, points: int = 2000) -> float:
    """Mean distance in mm between a template point in the brain and ``inverse(forward(point))``."""
    mask = read_image(brain, sitk.sitkUInt8)
    inside = np.argwhere(to_array(mask) > 0)
    sample = inside[np.linspace(0, len(inside) - 1, min(points, len(inside))).astype(int)]
    there, back = read_transform(forward), read_transform(inverse)
    starts = [mask.TransformIndexToPhysicalPoint(index.tolist()) for index in sample]
    ends = [back.TransformPoint(there.TransformPoint(start)) for start in starts]
    return float(np.linalg.norm(np.array(ends) - np.array(starts), axis=1).mean())


def _verdict(row: dict[str, Any], brain_voxels: int) -> dict[str, str]:
    """``status`` and ``reason``: what keeps a scan out of the atlas; ``flag``: what a reader should look at."""
    flags = []
    if row["tumor_volume_ratio"] < SHRINKAGE:
        flags.append(f"tumour shrank to {row['tumor_volume_ratio']:.0%} of its aligned volume")
    if row["folds"]:
        flags.append(f"{row['folds']} folded voxels")
    reason = ""
    if row["brain_dice"] < MIN_BRAIN_DICE:
        reason = f"warped brain overlaps the template's by {row['brain_dice']:.2f} only (Dice)"
    elif row["folds"] > FOLDED_SHARE * brain_voxels:
        reason = f"{row['folds']} folded voxels, more than {FOLDED_SHARE:.1%} of the brain"
    elif row["tumor_volume_template_ml"] == 0:
        there_was_one = math.isfinite(row["tumor_volume_ratio"])
        reason = "the tumour vanished in template space" if there_was_one else "no tumour was found"
    return {"status": "excluded" if reason else "ok", "reason": reason, "flag": "; ".join(flags)}


def _onto(image: sitk.Image, grid: sitk.Image, transform: Path) -> np.ndarray:
    return to_array(sitk.Resample(image, grid, read_transform(transform), sitk.sitkLinear))


def _volume(labels: Path) -> float:
    image = read_image(labels, sitk.sitkUInt8)
    return float((tumor_only(to_array(image)) > 0).sum()) * voxel_volume_ml(image)


def _volume_scale(affine: Path) -> float:
    """Native volume for one of template volume."""
    return float(abs(np.linalg.det(matrix_of(read_transform(affine)))))


def _ncc(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1]) if len(first) > 1 and first.std() and second.std() else 0.0


def _l2(first: np.ndarray, second: np.ndarray, grid: sitk.Image) -> float:
    return float(((first - second) ** 2).sum() * voxel_volume_ml(grid))


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Rounded, and None for what is no number: JSON knows no NaN."""
    return {
        key: (round(value, 5) if math.isfinite(value) else None) if isinstance(value, float) else value
        for key, value in row.items()
    }


Measure = task(measure, "files")
