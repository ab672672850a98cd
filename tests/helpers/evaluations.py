"""A derivatives folder as gliomorph writes it, with just what evaluations read."""

from __future__ import annotations

import json
from pathlib import Path

import phantoms
import SimpleITK as sitk

from gliomorph.interfaces.files.images import write_image
from gliomorph.interfaces.files.transforms import write_transform

QUALITY = {
    "status": "ok",
    "ncc_outside": 0.9,
    "l2_outside": 10.0,
    "l2_inside": 3.0,
    "folds": 0,
    "jacobian_min": 0.5,
    "tumor_volume_ratio": 1.0,
    "inverse_consistency_mm": 0.1,
    "seconds": 7.0,
    "peak_memory_gb": 1.5,
}


def anat(root: Path, scan: str) -> Path:
    """``root/sub-X/[ses-Y/]anat``."""
    return root.joinpath(*(part for part in scan.split("_") if part[:4] in ("sub-", "ses-")), "anat")


def write_record(
    out: Path, scan: str, method: str, *, template: str = "Tiny", resolution: int = 4, **quality: object
) -> Path:
    """``_registration.json`` of one scan and method; ``quality`` changes :data:`QUALITY`."""
    label = method.replace("-", "")
    path = anat(out, scan) / f"{scan}_space-{template}_res-{resolution}_desc-{label}_registration.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"method": method, "quality": QUALITY | quality}))
    return path


def write_registration(
    out: Path,
    scan: str,
    method: str,
    native_from_template: sitk.Transform | None = None,
    template_from_native: sitk.Transform | None = None,
) -> None:
    """Record and both transforms (identity, where none is given) of one scan and method."""
    label, folder = method.replace("-", ""), write_record(out, scan, method).parent
    forward = native_from_template or sitk.AffineTransform(3)
    inverse = template_from_native or forward.GetInverse()
    write_transform(forward, folder / f"{scan}_from-native_to-Tiny_mode-image_desc-{label}_xfm.h5")
    write_transform(inverse, folder / f"{scan}_from-Tiny_to-native_mode-image_desc-{label}_xfm.h5")


def write_truth(truth_dir: Path, subject: str) -> None:
    """What the evaluation reads of a simulated patient who is the template, with a tumour."""
    like, folder = phantoms.frame("LPS"), truth_dir / subject / "anat"
    for name in ("seg-brats_dseg", "space-Tiny_seg-brats_res-4_dseg"):
        write_image(phantoms.labels_image(like), folder / f"{subject}_{name}.nii.gz")
    write_image(phantoms.brain_mask(like), folder / f"{subject}_desc-brain_mask.nii.gz")
    name = f"{subject}_from-native_to-Tiny_mode-image_desc-truth_xfm.h5"
    write_transform(sitk.AffineTransform(3), folder / name)


def shift(x: float, y: float, z: float) -> sitk.AffineTransform:
    """A translation (LPS, mm)."""
    moved = sitk.AffineTransform(3)
    moved.SetTranslation((x, y, z))
    return moved
