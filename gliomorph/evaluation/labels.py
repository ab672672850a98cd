"""``gliomorph-evaluate labels``: native structures, carried into template space, beside the template's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..interfaces.datasets.templates import Template, load_template
from ..interfaces.files.images import to_array
from ..interfaces.files.transforms import read_transform
from ..models.segmentation.metrics import hausdorff, mean_surface_distance
from .native_labels import Structure, find_structures, read_structure
from .study import LABELS_TABLE
from .tables import EvaluationError, Registration, check_out_dir, find_registrations, write_rows


def evaluate_labels(
    deriv_dir: Path,
    out_dir: Path,
    labels_dir: Path,
    *,
    names: Sequence[str] = (),
    template_folders: Sequence[Path] = (),
    template: str = "",
    resolution: int = 0,
    order: Sequence[str] = (),
    report: Callable[[str], None] = print,
) -> Path:
    """Dice and surface distances of every scan, method and structure, as ``labels.tsv``.

    Parameters
    ----------
    deriv_dir, out_dir, labels_dir : Path
        What ``gliomorph`` has written; where the table goes; the native structures, in the layout of BIDS.
    names : sequence of str
        Of the template's ``label-NAME`` masks; empty: all of them.
    template_folders : sequence of Path
        Where ``tpl-*`` folders are looked for.
    template, resolution, order
        As for :func:`~gliomorph.evaluation.tables.find_registrations`.
    report : callable
        Told each finished scan, and each scan and structure that is missing.

    Returns
    -------
    table : Path

    Raises
    ------
    EvaluationError
        A template without the structures that are asked for, or no scan with any of them.
    TemplateError, ImageError, ValueError
        Files that cannot be read.
    """
    check_out_dir(out_dir, deriv_dir)
    if not labels_dir.is_dir():
        raise EvaluationError(f"-d {labels_dir}: not a folder (in a container: is it mounted?)")
    known = find_registrations(deriv_dir, template=template, resolution=resolution, order=order)
    target = load_template(known.template, known.resolution, template_folders)
    wanted = _wanted(target, names)
    for notice in known.notices:
        report(notice)
    rows: list[dict[str, object]] = []
    for scan, registrations in known.by_scan.items():
        structures, notices = find_structures(labels_dir, next(iter(registrations.values())), wanted)
        missing = [name for name in wanted if name not in structures]
        for notice in [*notices, *([f"{scan}: no {', '.join(missing)} in {labels_dir}"] if missing else [])]:
            report(notice)
        methods = [registrations[method] for method in known.methods if method in registrations]
        found = [row for name, one in structures.items() for row in _rows(name, one, methods, target)]
        rows += found
        if found:
            report(f"{scan}: {', '.join(structures)} by {', '.join(one.method for one in methods)}")
    if not rows:
        raise EvaluationError(
            f"{labels_dir} holds no label-NAME_mask and no dseg with a table of {', '.join(wanted)} for any of the "
            f"{len(known.by_scan)} scans in {deriv_dir}; they are looked for in sub-X/[ses-Y/]anat"
        )
    return write_rows(rows, out_dir / LABELS_TABLE)


def _wanted(template: Template, names: Sequence[str]) -> list[str]:
    there = sorted(template.labels)
    stem = f"tpl-{template.name}/tpl-{template.name}_res-1_label-NAME_mask.nii.gz"
    if not there:
        raise EvaluationError(
            f"template {template.name} has no structures: put masks beside its image, as {stem}"
        )
    unknown = [name for name in names if name not in there]
    if unknown:
        raise EvaluationError(
            f"--label {', '.join(unknown)}: the template {template.name} has {', '.join(there)}; more are read "
            f"from {stem}"
        )
    return list(dict.fromkeys(names)) or there


def _rows(
    name: str, structure: Structure, methods: Sequence[Registration], template: Template
) -> list[dict[str, object]]:
    shares, truth = read_structure(structure), to_array(template.labels[name]) > 0
    return [
        one.row | {"label": name} | measure_label(carried(shares, one, template.image), truth, template.image)
        for one in methods
    ]


def carried(mask: sitk.Image, registration: Registration, grid: sitk.Image) -> np.ndarray:
    """A native mask in template space: its shares interpolated once (linear), decided at one half.

    Parameters
    ----------
    mask : SimpleITK.Image
        Float, 0 or 1, on any grid of the native frame.
    registration : Registration
    grid : SimpleITK.Image
        The template's.

    Returns
    -------
    inside : ndarray of bool, (X, Y, Z)
    """
    transform = read_transform(registration.native_from_template)
    return to_array(sitk.Resample(mask, grid, transform, sitk.sitkLinear, 0.0)) >= 0.5


def measure_label(ours: np.ndarray, truth: np.ndarray, grid: sitk.Image) -> dict[str, float]:
    """Overlap and surface distances of two masks on one grid.

    Returns
    -------
    measures : dict of str to float
        ``dice``: 1 where both are empty. ``surface_mean_mm``, ``surface_p95_mm``: average symmetric surface
        distance, and the 95 % Hausdorff distance; NaN where one mask is empty.
    """
    both = np.count_nonzero(ours) + np.count_nonzero(truth)
    return {
        "dice": 2 * np.count_nonzero(ours & truth) / both if both else 1.0,
        "surface_mean_mm": mean_surface_distance(ours, truth, grid.GetSpacing()),
        "surface_p95_mm": hausdorff(ours, truth, grid.GetSpacing())[1],
    }
