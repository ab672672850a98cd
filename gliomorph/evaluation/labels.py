"""``gliomorph-evaluate labels``: native structures, carried into template space, beside the template's own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk

from ..interfaces.datasets.entities import INDICES, NATIVE
from ..interfaces.datasets.templates import Template, load_template
from ..interfaces.derivatives.registrations import EvaluationError, Registration, Registrations
from ..interfaces.files.folders import files_in
from ..interfaces.files.images import from_array, read_grid, read_image, to_array
from ..interfaces.files.labels import find_table, whole_labels
from ..interfaces.files.masks import GIVE_ONE_FRAME, in_one_frame
from ..interfaces.files.tables import read_tsv
from ..interfaces.files.transforms import read_transform
from ..models.segmentation.metrics import hausdorff, mean_surface_distance
from .study import LABELS_TABLE
from .tables import check_out_dir, write_rows

OF_THE_FILE = ("space", "seg", "atlas", "label", "desc", "res", "den")
"""Entities that say what a file holds; the others say which image it belongs to."""


def evaluate_labels(
    known: Registrations,
    out_dir: Path,
    labels_dir: Path,
    *,
    names: Sequence[str] = (),
    template_folders: Sequence[Path] = (),
    report: Callable[[str], None] = print,
) -> Path:
    """Dice and surface distances of every scan, method and structure, as ``labels.tsv``.

    Parameters
    ----------
    known : Registrations
    out_dir, labels_dir : Path
        Where the table goes; the native structures, in the layout of BIDS.
    names : sequence of str
        Of the template's ``label-NAME`` masks; empty: all of them.
    template_folders : sequence of Path
        Where ``tpl-*`` folders are looked for.
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
    check_out_dir(out_dir, known.folder)
    if not labels_dir.is_dir():
        raise EvaluationError(f"-d {labels_dir}: not a folder (in a container: is it mounted?)")
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
            f"{len(known.by_scan)} scans in {known.folder}; they are looked for in sub-X/[ses-Y/]anat"
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
    shares = read_structure(structure, methods[0].native_image)
    truth = to_array(template.labels[name]) > 0
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


@attrs.frozen
class Structure:
    """Where one structure of a scan lies: in a mask (no ``indices``), or as these labels of a label map."""

    path: Path
    indices: tuple[int, ...] = ()


def find_structures(
    labels_dir: Path, scan: Registration, wanted: Collection[str]
) -> tuple[dict[str, Structure], list[str]]:
    """The structures that a folder holds for one scan, by name.

    Files lie where the scan's outputs do (``sub-X/[ses-Y/]anat``). Those belong to the scan whose entities
    (``sub``, ``ses``, ``acq``, ``ce``…) it has too; the file with the most of them is taken, masks before label maps.

    Parameters
    ----------
    labels_dir : Path
    scan : Registration
        Any method's of that scan.
    wanted : collection of str
        Names of the template's masks; a label map's table may have them as ``name`` or ``abbreviation``.

    Returns
    -------
    structures : dict of str to Structure
    notices : list of str
        Label maps without a table.

    Raises
    ------
    EvaluationError
        A table that cannot be read, or two files that may both be meant.
    """
    found: dict[str, list[tuple[tuple[int, int], Structure]]] = {}
    notices = []
    folder, parts = labels_dir / scan.where, set(map(_without_zeros, scan.scan.split("_")))
    for path in files_in(folder, "*.nii.gz", "*.nii"):
        *pieces, suffix = path.name.split(".")[0].split("_")
        entities = dict(piece.partition("-")[::2] for piece in pieces)
        own = {_without_zeros(piece) for piece in pieces if piece.partition("-")[0] not in OF_THE_FILE}
        if not own <= parts or entities.get("space", "") not in (*NATIVE, "T1w"):
            continue
        named: dict[str, Structure] = {}
        if suffix == "mask" and entities.get("label") in wanted:
            named[entities["label"]] = Structure(path)
        elif suffix == "dseg":
            table = find_table(path, labels_dir)
            if table is None:
                notices.append(f"{path.name}: no dseg.tsv says what its labels are, passed over")
            else:
                indices = _indices(table, wanted)
                named = {name: Structure(path, values) for name, values in indices.items()}
        for name, structure in named.items():
            found.setdefault(name, []).append(((int(suffix == "mask"), len(own)), structure))
    return {name: _best(name, choices) for name, choices in sorted(found.items())}, notices


def _without_zeros(piece: str) -> str:
    """A part of a name in the form in which it is compared: ``run-02`` is ``run-2``."""
    key, _, value = piece.partition("-")
    return f"{key}-{int(value)}" if key in INDICES and value.isdecimal() else piece


def read_structure(structure: Structure, native: Path | None) -> sitk.Image:
    """A structure as a mask (float32, 0 or 1) on its own grid, which is in the frame of the ``native`` image.

    Raises
    ------
    ImageError, EvaluationError
        A file that cannot be read, a label map with values between labels, a mask with several values, or a header
        that does not place the native image's voxels where they are.
    """
    image = read_image(structure.path)
    if native is not None:
        image, differing = in_one_frame(image, read_grid(native), structure.path.name, native.name)
        if differing:
            raise EvaluationError(f"{differing}: {GIVE_ONE_FRAME}")
    values = to_array(image)
    if structure.indices:
        labels = whole_labels(values, structure.path.name)
        return from_array(np.isin(labels, structure.indices).astype(np.float32), image)
    kinds = np.unique(np.round(values[values != 0], 2))
    if len(kinds) > 1:
        raise EvaluationError(
            f"{structure.path.name}: a mask has one value besides 0, this one has {len(kinds)} "
            f"({kinds[0]:g}, {kinds[1]:g}…); name a label map dseg, with a table"
        )
    return from_array((values != 0).astype(np.float32), image)


def _best(name: str, choices: list[tuple[tuple[int, int], Structure]]) -> Structure:
    top = max(rank for rank, _ in choices)
    best = [structure for rank, structure in choices if rank == top]
    if len(best) > 1:
        names = " and ".join(structure.path.name for structure in best)
        raise EvaluationError(f"label {name}: {names} may both be meant, keep one")
    return best[0]


def _indices(table: Path, wanted: Collection[str]) -> dict[str, tuple[int, ...]]:
    """Label values by wanted name; a name that several rows have is all of them together."""
    try:
        _, rows = read_tsv(table)
    except ValueError as error:
        raise EvaluationError(str(error)) from error
    found: dict[str, list[int]] = {}
    for row in rows:
        texts = {row.cells.get(key, "").strip() for key in ("name", "abbreviation")}
        for name in sorted(texts & set(wanted)):
            index = row.cells.get("index", "").strip()
            if not index.isdecimal():
                raise EvaluationError(
                    f"{table.name}, line {row.line}: a whole number as index is required, got {index!r}"
                )
            found.setdefault(name, []).append(int(index))
    return {name: tuple(indices) for name, indices in found.items()}
