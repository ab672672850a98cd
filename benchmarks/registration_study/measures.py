"""What is measured of every patient and method, by the package's own functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk

from gliomorph.evaluation.labels import carried, measure_label
from gliomorph.evaluation.truth import (
    Truth,
    find_truth,
    measure_truth,
    read_truth,
    require_same_patient,
    target_registration_error,
)
from gliomorph.interfaces.datasets.templates import Template, load_template
from gliomorph.interfaces.derivatives.registrations import EvaluationError, Registration
from gliomorph.interfaces.files.images import read_image, to_array
from gliomorph.interfaces.files.transforms import apply_to_points, jacobian_determinant, read_transform
from gliomorph.interfaces.reports.pages import Measure

from ..comparison import Row
from ..records import RECORDED, recorded
from .options import Options
from .twins import twin_transform
from .ventricles import native_ventricles, template_ventricles

TRUE = "truth"
"""The true map, where it stands among methods."""
MEASURES = {
    "outside_mean_mm": Measure("TRE, mean", "mm", "lower"),
    "outside_p95_mm": Measure("TRE, 95 %", "mm", "lower"),
    "near_mean_mm": Measure("TRE near the tumour", "mm", "lower"),
    "ventricles_dice": Measure("Dice of the ventricles", "", "higher"),
    "tumor_dice": Measure("Dice of the tumour", "", "higher"),
    "folds_percent": RECORDED["folds_percent"],
    "inverse_consistency_mm": RECORDED["inverse_consistency_mm"],
    "jacobian_tumor": Measure("det J in the tumour"),
    "jacobian_tumor_true": Measure("true det J in the tumour"),
    "twin_mean_mm": Measure("With against without tumour", "mm", "lower"),
    "twin_p95_mm": Measure("With against without tumour, 95 %", "mm", "lower"),
    "seconds": RECORDED["seconds"],
    "cpu_seconds": RECORDED["cpu_seconds"],
    "peak_memory_gb": RECORDED["peak_memory_gb"],
}
"""Columns of ``study.tsv`` after patient and method."""

Found = Mapping[str, Mapping[str, Registration]]
"""Method, as tables name it, then scan."""


@attrs.frozen(kw_only=True, eq=False)
class Target:
    """The template, as the measures need it.

    Attributes
    ----------
    template : Template
    ventricles : ndarray of bool, (X, Y, Z)
    source : str
        Where the ventricles are known from.
    brain_voxels : int
    """

    template: Template
    ventricles: np.ndarray
    source: str
    brain_voxels: int

    @classmethod
    def of(cls, options: Options) -> Target:
        """The target of a study."""
        template = load_template(options.template, options.resolution, options.template_folders)
        ventricles, source = template_ventricles(template)
        count = int(np.count_nonzero(to_array(template.brain_mask)))
        return cls(template=template, ventricles=ventricles, source=source, brain_voxels=count)


def measure_all(found: Found, target: Target, options: Options) -> tuple[list[Row], dict[str, float]]:
    """Every patient and method.

    Returns
    -------
    rows : list of dict
        ``participant_id``, ``method`` and :data:`MEASURES`. A row of the method :data:`TRUE` says what Dice of the
        ventricles the true map itself has: what interpolation leaves of it.
    frequencies : dict of str to float
        By method, see :func:`frequency_correlation`.

    Raises
    ------
    EvaluationError
        No registration, or no truth.
    """
    scans = sorted({scan for known in found.values() for scan in known})
    if not scans:
        raise EvaluationError(
            f"{options.out}: no scan could be registered; {options.out}/derivatives*/logs say why"
        )
    rows, tumors = [], {}
    for scan in scans:
        methods = {label: known[scan] for label, known in found.items() if scan in known}
        measured, truth = measure_scan(scan, methods, target, options)
        rows += measured
        tumors[scan] = truth.tumor
        print(f"{scan}: measured", flush=True)
    frequencies = {
        label: frequency_correlation(known, tumors, target.template) for label, known in found.items()
    }
    return rows, frequencies


def measure_scan(
    scan: str, methods: Mapping[str, Registration], target: Target, options: Options
) -> tuple[list[Row], Truth]:
    """The rows of one patient, and the truth about it."""
    first = next(iter(methods.values()))
    truth_dir = options.bids / "derivatives" / "truth"
    files = find_truth(truth_dir, first)
    if not files:
        raise EvaluationError(f"{truth_dir} holds no truth of {scan}")
    require_same_patient(files, first)
    truth = read_truth(files)
    true = attrs.evolve(first, folder=files["xfm"].parent, method=TRUE, quality={})
    ventricles = native_ventricles(target.ventricles, target.template, true, truth.labels)
    expected = jacobian_in_tumor(truth.native_from_template, truth)
    rows = [
        _row(scan, TRUE, {"ventricles_dice": _dice(ventricles, true, target), "jacobian_tumor": expected})
    ]
    for label, one in methods.items():
        figures = measure_one(one, truth, ventricles, target)
        figures["jacobian_tumor_true"] = expected
        figures |= measure_twin(one, truth, twin_transform(label, one, options))
        rows.append(_row(scan, label, figures))
    return rows, truth


def _row(scan: str, label: str, figures: Mapping[str, float | None]) -> Row:
    return {"participant_id": scan, "method": label, **{name: figures.get(name) for name in MEASURES}}


def measure_one(
    one: Registration, truth: Truth, ventricles: sitk.Image, target: Target
) -> dict[str, float | None]:
    """One method's figures for one patient."""
    return {
        **measure_truth(one, truth),
        **recorded(one, target.brain_voxels),
        "ventricles_dice": _dice(ventricles, one, target),
        "jacobian_tumor": jacobian_in_tumor(read_transform(one.native_from_template), truth),
    }


def _dice(ventricles: sitk.Image, one: Registration, target: Target) -> float | None:
    """Dice of the patient's ventricles, carried by a method, and the template's; None where it has none."""
    if not target.ventricles.any():
        return None
    ours = carried(ventricles, one, target.template.image)
    return measure_label(ours, target.ventricles, target.template.image)["dice"]


def jacobian_in_tumor(native_from_template: sitk.Transform, truth: Truth) -> float:
    """Mean det J of a whole map, its affine part included, over the true tumour in the template; NaN without one."""
    grid = truth.grid
    field = sitk.TransformToDisplacementField(
        native_from_template,
        sitk.sitkVectorFloat32,
        grid.GetSize(),
        grid.GetOrigin(),
        grid.GetSpacing(),
        grid.GetDirection(),
    )
    inside = to_array(jacobian_determinant(field))[truth.tumor]
    return float(inside.mean()) if inside.size else float("nan")


def measure_twin(one: Registration, truth: Truth, twin: sitk.Transform | None) -> dict[str, float | None]:
    """How far the patient's map and its twin's lie apart outside the tumour, in mm of native space."""
    if twin is None:
        return {"twin_mean_mm": None, "twin_p95_mm": None}
    points = truth.points["outside"]
    places = apply_to_points(read_transform(one.native_from_template), points)
    apart = target_registration_error(twin, points, places)
    return {"twin_mean_mm": float(apart.mean()), "twin_p95_mm": float(np.percentile(apart, 95))}


def frequency_correlation(
    known: Mapping[str, Registration], tumors: Mapping[str, np.ndarray], template: Template
) -> float:
    """Pearson r, over the brain, of a method's whole-tumour frequency map and the true one of the same patients."""
    brain = to_array(template.brain_mask) > 0
    if not known:
        return float("nan")
    ours = np.sum([to_array(read_image(_mask(one), sitk.sitkUInt8)) > 0 for one in known.values()], axis=0)
    true = np.sum([tumors[scan] for scan in known], axis=0)
    return pearson(ours[brain], true[brain])


def pearson(first: Sequence[float], second: Sequence[float]) -> float:
    """Correlation; NaN where one of both is constant."""
    if not np.ptp(first) or not np.ptp(second):
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _mask(one: Registration) -> Path:
    """The tumour mask that was published in template space."""
    space = f"space-{one.template}_res-{one.resolution}"
    return one.folder / f"{one.scan}_{space}_label-tumor_desc-{one.label}_mask.nii.gz"
