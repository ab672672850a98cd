"""What is known of a simulated patient, as ``gliomorph-simulate`` leaves it in ``derivatives/truth``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk
from scipy.ndimage import distance_transform_edt

from ..interfaces.files.images import read_image, require_same_grid, to_array
from ..interfaces.files.transforms import apply_to_points, read_transform
from ..interfaces.scan.tumor import resample_labels
from .tables import EvaluationError, Registration

NEAR_MM = 10.0
POINTS = 20_000


@attrs.frozen(kw_only=True, eq=False)
class Truth:
    """The truth about one patient.

    Attributes
    ----------
    native_from_template : SimpleITK.Transform
    labels : SimpleITK.Image
        BraTS labels, native.
    grid : SimpleITK.Image
        The template's, on which the patient was made.
    tumor : ndarray of bool, (X, Y, Z)
        The native labels on that grid, carried there by the true transform.
    points : mapping of str to ndarray, (N, 3)
        As :func:`region_points`.
    places : mapping of str to ndarray, (N, 3)
        Where the true transform takes them; native LPS mm.
    """

    native_from_template: sitk.Transform
    labels: sitk.Image
    grid: sitk.Image
    tumor: np.ndarray
    points: Mapping[str, np.ndarray]
    places: Mapping[str, np.ndarray]


def find_truth(truth_dir: Path, registration: Registration) -> dict[str, Path]:
    """The files about a scan's patient; empty where the folder does not know the patient.

    Parameters
    ----------
    truth_dir : Path
        ``derivatives/truth`` of a simulated cohort.
    registration : Registration
        Any of the scan; a simulated patient has no sessions and one frame for all images.

    Returns
    -------
    files : dict of str to Path
        ``xfm``, ``labels``, ``brain`` and, on the template's grid, ``template_labels``.

    Raises
    ------
    EvaluationError
        The truth is of another template, or a file is missing.
    """
    subject, template = registration.scan.split("_")[0], registration.template
    folder = truth_dir / subject / "anat"
    known = sorted(folder.glob(f"{subject}_from-native_to-*_mode-image_desc-truth_xfm.h5"))
    if not known or registration.row["session_id"] != "n/a":
        return {}
    xfm = folder / f"{subject}_from-native_to-{template}_mode-image_desc-truth_xfm.h5"
    if xfm not in known:
        there = ", ".join(path.name.split("_to-")[1].split("_")[0] for path in known)
        raise EvaluationError(
            f"{truth_dir}: the truth of {subject} is of the template {there}, its registrations go to {template}: "
            f"run gliomorph with --template {there}"
        )
    on_template = sorted(folder.glob(f"{subject}_space-{template}_seg-brats_res-*_dseg.nii.gz"))
    named = folder / f"{subject}_space-{template}_seg-brats_res-*_dseg.nii.gz"
    files = {
        "xfm": xfm,
        "labels": folder / f"{subject}_seg-brats_dseg.nii.gz",
        "brain": folder / f"{subject}_desc-brain_mask.nii.gz",
        "template_labels": on_template[0] if on_template else named,
    }
    for path in files.values():
        if not path.is_file():
            raise EvaluationError(
                f"{path}: required and not there; the same gliomorph-simulate command completes the truth"
            )
    return files


def read_truth(files: Mapping[str, Path]) -> Truth:
    """The truth in the files of :func:`find_truth`.

    Raises
    ------
    ImageError, ValueError
        A file that cannot be read.
    """
    transform = read_transform(files["xfm"])
    labels, brain = read_image(files["labels"], sitk.sitkUInt8), read_image(files["brain"])
    on_template = read_image(files["template_labels"], sitk.sitkUInt8)
    inside = to_array(sitk.Resample(brain, on_template, transform, sitk.sitkLinear, 0.0)) >= 0.5
    points = region_points(inside, to_array(on_template) > 0, on_template)
    return Truth(
        native_from_template=transform,
        labels=labels,
        grid=on_template,
        tumor=to_array(resample_labels(labels, on_template, transform)) > 0,
        points=points,
        places={region: apply_to_points(transform, chosen) for region, chosen in points.items()},
    )


def require_same_patient(files: Mapping[str, Path], registration: Registration) -> None:
    """Refuse the truth of another cohort, whose patients have the same names and other grids.

    Raises
    ------
    ImageError
        The registered image is not on the grid of the true labels.
    """
    for path in sorted(registration.folder.glob(f"{registration.scan}_desc-n4_*.nii.gz"))[:1]:
        images = {path.name: read_image(path), str(files["labels"]): read_image(files["labels"])}
        require_same_grid(**images)


def region_points(
    brain: np.ndarray, tumor: np.ndarray, grid: sitk.Image, near_mm: float = NEAR_MM
) -> dict[str, np.ndarray]:
    """Voxel centres, drawn evenly, that speak for each region of the template.

    Parameters
    ----------
    brain, tumor : ndarray of bool, (X, Y, Z)
        On ``grid``.
    grid : SimpleITK.Image
    near_mm : float
        How far from the tumour "near" reaches.

    Returns
    -------
    points : dict of str to ndarray, (N, 3)
        LPS mm, :data:`POINTS` at most: ``outside``, the brain without the tumour; ``near``, the part of it within
        ``near_mm`` of the tumour; ``inside``, the tumour. None of the last two where there is no tumour.
    """
    outside = brain & ~tumor
    near = np.zeros_like(outside)
    if tumor.any():
        near = outside & (distance_transform_edt(~tumor, sampling=grid.GetSpacing()) <= near_mm)
    return {
        "outside": _drawn(outside, grid),
        "near": _drawn(near, grid),
        "inside": _drawn(tumor, grid),
    }


def _drawn(where: np.ndarray, grid: sitk.Image) -> np.ndarray:
    indices = np.argwhere(where)
    chosen = indices[np.random.default_rng(0).permutation(len(indices))[:POINTS]].tolist()
    return np.array([grid.TransformIndexToPhysicalPoint(index) for index in chosen]).reshape(-1, 3)
