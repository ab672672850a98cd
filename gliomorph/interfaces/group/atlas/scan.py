"""One scan of the atlas, from its published files to what it adds to the sums."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import SimpleITK as sitk

from ....models.atlas import (
    LIMIT,
    Grid,
    Participant,
    count_components,
    laterality_index,
    log_jacobian,
    midline,
    surroundings,
)
from ....models.regions import CAVITY, LABELS, REGIONS
from ...files.images import read_image, to_array
from ...files.labels import tumor_only
from ...files.transforms import displacement_on, jacobian_determinant, linear_part, matrix_of, read_transform
from ..records import GroupScan

MEANS = {"image": "warped", "healthy": "healthy", "appearance": "residual", "logjacobian": "forward_xfm"}
"""Images that are averaged, and the file that each is made of."""
SPREADS = ("appearance", "logjacobian")
REACH_MM = 15.0
"""How far around a tumour det J is looked at."""
SMALLEST_ML = 0.1
"""Least volume of a piece of a tumour that counts as a focus."""


@attrs.frozen(kw_only=True, eq=False)
class Frame:
    """The template that an atlas lies in."""

    image: sitk.Image
    brain: np.ndarray
    """(X, Y, Z) bool."""
    grid: Grid
    midline_mm: float
    """The mid-sagittal plane, x in RAS."""

    @classmethod
    def of(cls, template: Path, template_brain: Path) -> Frame:
        """From the template's files."""
        image = read_image(template)
        brain = to_array(read_image(template_brain)) > 0
        grid = Grid(shape=image.GetSize(), affine=ras_affine(image))
        return cls(image=image, brain=brain, grid=grid, midline_mm=midline(brain, grid))


def ras_affine(image: sitk.Image) -> np.ndarray:
    """Voxel indices to mm in RAS: (4, 4) float64."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def read_scan(scan: GroupScan, strata: Sequence[str], frame: Frame) -> tuple[Participant, dict[str, Any]]:
    """What a scan adds to the sums, and its row of ``group_patients.tsv``.

    Parameters
    ----------
    scan : GroupScan
        Its files are ``tumor`` and ``coverage`` on the template's grid, and as far as they are there ``warped``,
        ``forward_xfm``, ``healthy`` and ``residual``.
    strata : sequence of str
        Labels of those that its participant is in.
    frame : Frame

    Returns
    -------
    participant : Participant
    row : dict
    """
    files = scan.files
    lesion = to_array(read_image(files["tumor"], sitk.sitkUInt8))
    labels = tumor_only(lesion)
    seen = to_array(read_image(files["coverage"], sitk.sitkUInt8)) > 0
    values, where = {}, {}
    if "warped" in files:
        values["image"], where["image"] = _in_units_of_its_median(files["warped"], frame.brain), seen
    if "healthy" in files:
        values["healthy"], where["healthy"] = to_array(read_image(files["healthy"])), seen
    if "residual" in files:
        values["appearance"], where["appearance"] = (
            to_array(read_image(files["residual"])),
            seen & (labels > 0),
        )
    if "forward_xfm" in files:
        around = surroundings(labels, frame.grid, REACH_MM) & (lesion != CAVITY)
        found = log_determinant(read_transform(files["forward_xfm"]), around, frame.image)
        if found is not None:
            values["logjacobian"], where["logjacobian"] = found[0], found[1] & seen
    participant = Participant(
        label=scan.label,
        labels=labels,
        kind=scan.kind,
        strata=tuple(strata),
        seen=seen,
        values={name: np.clip(array, -LIMIT, LIMIT) for name, array in values.items()},
        where=where,
        key=scan.key,
    )
    return participant, _row(labels, scan.kind, frame)


def _in_units_of_its_median(path: Path, brain: np.ndarray) -> np.ndarray:
    voxels = to_array(read_image(path))
    inside = voxels[brain & (voxels > 0)]
    return voxels / np.median(inside) if inside.size else voxels


def log_determinant(
    transform: sitk.Transform, inside: np.ndarray, template: sitk.Image
) -> tuple[np.ndarray, np.ndarray] | None:
    """Logarithm of det J of the deformable part: positive where template tissue is larger in the patient.

    det of the whole map, over that of its linear part: of ``affine ∘ warp`` it is the warp's.

    Parameters
    ----------
    transform : SimpleITK.Transform
        Template points to native points.
    inside : ndarray
        (X, Y, Z) bool: where it is wanted.
    template : SimpleITK.Image

    Returns
    -------
    logarithm, known : ndarray
        (X, Y, Z): float32, 0 elsewhere; bool, without folds. None of a map without a deformable part, or nowhere.
    """
    if transform.IsLinear() or not inside.any():
        return None
    box = tuple(
        slice(max(int(span[0]) - 1, 0), int(span[-1]) + 2)
        for span in (np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    )
    field = displacement_on(transform, template[box])
    linear = float(np.linalg.det(matrix_of(linear_part(transform))))
    found, positive = log_jacobian(to_array(jacobian_determinant(field)) / np.float32(linear))
    logarithm, known = np.zeros(inside.shape, np.float32, order="F"), np.zeros(inside.shape, bool, order="F")
    logarithm[box], known[box] = found, positive
    return logarithm, known & inside


def _row(labels: np.ndarray, kind: str, frame: Frame) -> dict[str, Any]:
    """Measures of a tumour in template space; regions that nobody told are missing."""
    grid = frame.grid
    voxel_ml = abs(float(np.linalg.det(grid.affine[:3, :3]))) / 1000
    row: dict[str, Any] = {"tumor": kind}
    for region in REGIONS if kind == "dseg" else ("WT",):
        row[f"{region}_ml"] = round(float(region_mask(labels, region, kind).sum()) * voxel_ml, 4)
    whole = labels > 0
    row["laterality_index"] = round(laterality_index(whole, grid, frame.midline_mm), 4)
    row["foci"] = count_components(whole, grid, SMALLEST_ML)
    centre = np.argwhere(whole).mean(axis=0) if whole.any() else np.full(3, np.nan)
    for name, value in zip("xyz", grid.affine[:3, :3] @ centre + grid.affine[:3, 3], strict=True):
        row[f"centroid_{name}_mm"] = round(float(value), 2)
    return row


def region_mask(labels: np.ndarray, region: str, kind: str) -> np.ndarray:
    """Voxels of a region in BraTS labels (1 NCR, 2 ED, 4 ET); a plain mask is WT as a whole."""
    if kind == "mask":
        return labels > 0
    return np.isin(labels, [LABELS[part] for part in REGIONS[region]])
