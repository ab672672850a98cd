"""``gliomorph-evaluate truth``: the transforms of simulated patients beside the true ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..interfaces.files.images import to_array, voxel_volume_ml
from ..interfaces.files.transforms import apply_to_points, read_transform
from ..interfaces.reports.pages import as_number
from ..interfaces.scan.tumor import resample_labels
from .simulated_truth import Truth, find_truth, read_truth, require_same_patient
from .study import TRUTH_REGIONS, TRUTH_TABLE
from .tables import EvaluationError, Registration, check_out_dir, find_registrations, write_rows


def evaluate_truth(
    deriv_dir: Path,
    out_dir: Path,
    truth_dir: Path,
    *,
    template: str = "",
    resolution: int = 0,
    order: Sequence[str] = (),
    report: Callable[[str], None] = print,
) -> Path:
    """Errors of every scan and method against the known truth, as ``truth.tsv``.

    Parameters
    ----------
    deriv_dir, out_dir, truth_dir : Path
        What ``gliomorph`` has written; where the table goes; ``derivatives/truth`` of the simulated cohort.
    template, resolution, order
        As for :func:`~gliomorph.evaluation.tables.find_registrations`.
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
    check_out_dir(out_dir, deriv_dir)
    if not truth_dir.is_dir():
        raise EvaluationError(f"TRUTH_DIR {truth_dir}: not a folder (in a container: is it mounted?)")
    known = find_registrations(deriv_dir, template=template, resolution=resolution, order=order)
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
            f"{len(known.by_scan)} scans in {deriv_dir}: give derivatives/truth of the cohort that "
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
