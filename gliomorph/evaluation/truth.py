"""``gliomorph-evaluate truth``: the transforms of simulated patients beside the true ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk
from scipy.ndimage import distance_transform_edt

from ..interfaces.derivatives.registrations import EvaluationError, Registration, Registrations
from ..interfaces.files.images import from_array, read_image, require_same_grid, to_array, voxel_volume_ml
from ..interfaces.files.labels import resample_labels, whole_labels
from ..interfaces.files.transforms import apply_to_points, read_transform
from ..interfaces.reports.pages import as_number
from .study import TRUTH_REGIONS, TRUTH_TABLE
from .tables import check_out_dir, write_rows

NEAR_MM = 10.0

POINTS = 20_000


def evaluate_truth(
    known: Registrations,
    out_dir: Path,
    truth_dir: Path,
    *,
    report: Callable[[str], None] = print,
) -> Path:
    """Errors of every scan and method against the known truth, as ``truth.tsv``.

    Parameters
    ----------
    known : Registrations
    out_dir, truth_dir : Path
        Where the table goes; ``derivatives/truth`` of the simulated cohort.
    report : callable
        Told each finished scan, and each scan without truth.

    Returns
    -------
    table : Path

    Raises
    ------
    EvaluationError
        No truth of any scan, one of another template, or files that are missing.
    ImageError, ValueError
        Files that cannot be read, or the truth of another cohort.
    """
    check_out_dir(out_dir, known.folder)
    if not truth_dir.is_dir():
        raise EvaluationError(f"TRUTH_DIR {truth_dir}: not a folder (in a container: is it mounted?)")
    for notice in known.notices:
        report(notice)
    rows: list[dict[str, object]] = []
    for scan, registrations in known.by_scan.items():
        first = next(iter(registrations.values()))
        files = find_truth(truth_dir, first)
        if not files:
            report(f"{scan}: no truth in {truth_dir}")
            continue
        require_same_patient(files, first)
        truth = read_truth(files)
        methods = [registrations[method] for method in known.methods if method in registrations]
        rows += [one.row | measure_truth(one, truth) for one in methods]
        report(f"{scan}: {', '.join(one.method for one in methods)}")
    if not rows:
        raise EvaluationError(
            f"{truth_dir} holds no sub-X/anat/sub-X_from-native_to-TPL_mode-image_desc-truth_xfm.h5 of any of the "
            f"{len(known.by_scan)} scans in {known.folder}: give derivatives/truth of the cohort that "
            "gliomorph-simulate has written"
        )
    return write_rows(rows, out_dir / TRUTH_TABLE)


def measure_truth(registration: Registration, truth: Truth) -> dict[str, float | None]:
    """One method's errors on one patient.

    Returns
    -------
    measures : dict of str to float or None
        ``{outside,near,inside}_{mean,median,p95}_mm``: target registration error, see
        :func:`target_registration_error`; NaN for a region without points. ``folds``: voxels with det J ≤ 0, as the
        registration's record counts them on the template's grid. ``tumor_change``: the tumour's volume in
        template space over its native volume; ``tumor_change_true``: the same by the true transform;
        ``tumor_change_error``: |the one over the other − 1|. ``tumor_dice``: overlap of the tumours that both
        transforms carry to the template.

    Raises
    ------
    EvaluationError
        The published transform is missing.
    """
    path = registration.native_from_template
    if not path.is_file():
        raise EvaluationError(f"{path}: required and not there; run gliomorph again")
    ours = read_transform(path)
    errors = {
        region: target_registration_error(ours, truth.points[region], truth.places[region])
        for region in TRUTH_REGIONS
    }
    figures: dict[str, float | None] = {
        f"{region}_{name}_mm": value for region in errors for name, value in _figures(errors[region]).items()
    }
    tumor = to_array(resample_labels(truth.labels, truth.grid, ours)) > 0
    native_ml = float(np.count_nonzero(to_array(truth.labels))) * voxel_volume_ml(truth.labels)
    ours_ml, true_ml, both_ml = (
        float(np.count_nonzero(mask)) * voxel_volume_ml(truth.grid)
        for mask in (tumor, truth.tumor, tumor & truth.tumor)
    )
    return figures | {
        "folds": as_number(registration.quality.get("folds")),
        "tumor_change": _ratio(ours_ml, native_ml),
        "tumor_change_true": _ratio(true_ml, native_ml),
        "tumor_change_error": abs(_ratio(ours_ml, true_ml) - 1),
        "tumor_dice": _ratio(2 * both_ml, ours_ml + true_ml),
    }


def target_registration_error(
    transform: sitk.Transform, points: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """How far from their places a transform takes points.

    Parameters
    ----------
    transform : SimpleITK.Transform
        Template points to native points.
    points, places : ndarray, (N, 3)
        LPS mm: in the template, and where they truly lie in the patient.

    Returns
    -------
    errors : ndarray, (N,)
        Distances in mm, in native space.
    """
    return np.linalg.norm(apply_to_points(transform, points).reshape(-1, 3) - places.reshape(-1, 3), axis=1)


def _figures(errors: np.ndarray) -> dict[str, float]:
    if not errors.size:
        return dict.fromkeys(("mean", "median", "p95"), float("nan"))
    return {
        "mean": float(errors.mean()),
        "median": float(np.median(errors)),
        "p95": float(np.percentile(errors, 95)),
    }


def _ratio(one: float, other: float) -> float:
    return one / other if other else float("nan")


@attrs.frozen(kw_only=True, eq=False)
class Truth:
    """The truth about one patient."""

    native_from_template: sitk.Transform
    labels: sitk.Image
    """BraTS labels, native."""
    grid: sitk.Image
    """The template's, on which the patient was made."""
    tumor: np.ndarray
    """(X, Y, Z) bool: the native labels on that grid, carried there by the true transform."""
    points: Mapping[str, np.ndarray]
    """(N, 3) as :func:`region_points`."""
    places: Mapping[str, np.ndarray]
    """(N, 3): where the true transform takes them; native LPS mm."""


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
    labels, on_template = (_read_labels(files[key]) for key in ("labels", "template_labels"))
    brain = read_image(files["brain"])
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


def _read_labels(path: Path) -> sitk.Image:
    image = read_image(path)
    return from_array(whole_labels(to_array(image), path.name).astype(np.uint8), image)


def require_same_patient(files: Mapping[str, Path], registration: Registration) -> None:
    """Refuse the truth of another cohort, whose patients have the same names and other grids.

    Raises
    ------
    ImageError
        The registered image is not on the grid of the true labels.
    """
    if path := registration.native_image:
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
    return {"outside": _drawn(outside, grid), "near": _drawn(near, grid), "inside": _drawn(tumor, grid)}


def _drawn(where: np.ndarray, grid: sitk.Image) -> np.ndarray:
    indices = np.argwhere(where)
    chosen = indices[np.random.default_rng(0).permutation(len(indices))[:POINTS]].tolist()
    return np.array([grid.TransformIndexToPhysicalPoint(index) for index in chosen]).reshape(-1, 3)
