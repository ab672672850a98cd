"""Data on which a registration network is trained in seconds: scans of the template of ``conftest``, at 8 mm."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import phantoms
import SimpleITK as sitk

from gliomorph.interfaces.datasets.templates import load_template
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import compose, write_transform
from gliomorph.models.registration.networks import DEFAULTS
from gliomorph.models.registration.training import EpochSettings
from gliomorph.training.folder import TrainingFolder
from gliomorph.training.registration.data import Target, target_of
from gliomorph.training.registration.options import RegistrationOptions
from gliomorph.training.registration.train import train

EPOCHS = 2
VOXEL_MM = 8
SUBJECTS = ("01", "02", "03", "04", "05", "06")
SETTINGS = {
    "metamorph-r": attrs.evolve(DEFAULTS["metamorph-r"], width=2, steps=2),
    "metamorph-g": attrs.evolve(DEFAULTS["metamorph-g"], width=2, steps=2),
    "voxelmorph": attrs.evolve(DEFAULTS["voxelmorph"], width=2, steps=3),
    "voxelmorph-cfm": attrs.evolve(DEFAULTS["voxelmorph-cfm"], width=2, steps=3),
}
"""By registration method."""


def target_from(template_home: Path) -> Target:
    return target_of(load_template("Tiny", VOXEL_MM, [template_home]))


def template_grid(voxel_mm: int = VOXEL_MM) -> sitk.Image:
    """The template's grid at 4 or 8 mm."""
    return phantoms.grid((160 // voxel_mm, 192 // voxel_mm, 160 // voxel_mm), (voxel_mm,) * 3)


def tumor_on(like: sitk.Image) -> np.ndarray:
    """Where the tumour of :func:`write_scan` lies in the aligned image."""
    return phantoms.ball(like, phantoms.TUMOR_AT, 22)


def stem_of(deriv: Path, subject: str) -> Path:
    return deriv / f"sub-{subject}" / "anat" / f"sub-{subject}"


def preproc_of(deriv: Path, subject: str, voxel_mm: int = VOXEL_MM) -> Path:
    return Path(f"{stem_of(deriv, subject)}_space-Tiny_res-{voxel_mm}_desc-preproc_T1w.nii.gz")


def mask_of(deriv: Path, subject: str, source: str = "masks") -> Path:
    return Path(f"{stem_of(deriv, subject)}_label-tumor_desc-{source}_mask.nii.gz")


def record_of(deriv: Path, subject: str, method: str = "syn", voxel_mm: int = VOXEL_MM) -> Path:
    return Path(f"{stem_of(deriv, subject)}_space-Tiny_res-{voxel_mm}_desc-{method}_registration.json")


def transform_of(deriv: Path, subject: str, method: str = "syn") -> Path:
    return Path(f"{stem_of(deriv, subject)}_from-native_to-Tiny_mode-image_desc-{method}_xfm.h5")


def write_scan(deriv: Path, subject: str, voxel_mm: int = VOXEL_MM) -> None:
    """What ``gliomorph`` leaves of a scan, as far as a training reads it: the template's head, deformed, with a tumour.

    The native frame is turned and scaled against the template's.
    """
    like, affine = template_grid(voxel_mm), phantoms.some_affine()
    warp = sitk.DisplacementFieldTransform(phantoms.smooth_displacement(like, 2.0 + 2 * int(subject)))
    moved = to_array(sitk.Resample(phantoms.brain_image(like), like, warp, sitk.sitkLinear)).copy()
    tumor = tumor_on(like)
    moved[tumor & (moved > 0)] = 0.2 + 0.1 * int(subject)
    write_image(from_array(moved, like), preproc_of(deriv, subject, voxel_mm))
    native = phantoms.grid((60, 70, 60), (3.0, 3.0, 3.0), phantoms.turned())
    mask = sitk.Resample(
        from_array(tumor.astype(np.uint8), like), native, affine.GetInverse(), sitk.sitkNearestNeighbor
    )
    write_image(mask, mask_of(deriv, subject))
    field = sitk.DisplacementFieldTransform(phantoms.smooth_displacement(like, 9.0))
    write_transform(compose(affine, field), transform_of(deriv, subject))
    write_record(deriv, subject, voxel_mm=voxel_mm)


def write_record(deriv: Path, subject: str, method: str = "syn", voxel_mm: int = VOXEL_MM) -> None:
    outputs = [mask_of(deriv, subject).relative_to(deriv).as_posix()]
    record = {"method": method, "quality": {}, "outputs": outputs}
    record_of(deriv, subject, method.replace("-", ""), voxel_mm).write_text(json.dumps(record))


def write_derivatives(deriv: Path, subjects: Iterable[str] = SUBJECTS, voxel_mm: int = VOXEL_MM) -> Path:
    for subject in subjects:
        write_scan(deriv, subject, voxel_mm)
    return deriv


def change_image(path: Path, change: Any) -> None:
    """Write an image again after ``change`` has made another of its voxels (X, Y, Z)."""
    image = read_image(path)
    write_image(from_array(np.asarray(change(to_array(image)), np.float32), image), path)


def options_of(deriv: Path | None = None, method: str = "metamorph-r", **changed: Any) -> RegistrationOptions:
    """A network on the scans of a run, or on simulated patients."""
    known: dict[str, Any] = {
        "network": SETTINGS[method],
        "optimisation": EpochSettings(epochs=EPOCHS, learning_rate=1e-2),
        "lam": 6e-4,
        "templates": ("Tiny",),
        "voxel_mm": VOXEL_MM,
    }
    known |= {"simulated": 2, "held_out": 1} if deriv is None else {"derivatives_dir": deriv}
    return RegistrationOptions(**{**known, **changed})


def run(options: RegistrationOptions, folder: Path, template_home: Path, **arguments: Any) -> Path:
    """The training, without a word."""
    known = {"gpu": "none", "report": lambda line: None}
    return train(options, TrainingFolder(folder), [template_home], **{**known, **arguments})
