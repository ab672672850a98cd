"""Two images registered to each other: linearly, then deformably, once in each direction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import SimpleITK as sitk

from ..files.grids import around, isotropic
from ..files.images import from_array, to_array, voxel_volume_ml, write_image, write_text
from ..files.masks import overlap
from ..files.transforms import compose, displacement_on, jacobian_determinant, write_transform
from ..methods import DEFORMABLE
from ..registration.problem import Problem
from ..registration.solve import solve
from ..task import task
from .records import PairFiles, PairImages
from .sides import LINEAR, Side, linear_map, matched, read_side

FINEST_MM = 1.0
"""Voxels of the comparison are not smaller unless asked for."""
THRESHOLD_MM = 3.0
"""A point that comes back farther from its place has no counterpart, unless asked for otherwise."""


@attrs.frozen(kw_only=True)
class Found:
    """Maps between two sides, in native points (LPS, mm)."""

    forward: sitk.Transform
    """Fixed points to moving points."""
    inverse: sitk.Transform
    """Its inverse."""
    back: sitk.Transform
    """Moving points to fixed points, found with the roles swapped."""
    used: dict[str, Any]


def register_pair(
    images: PairImages,
    linear: str,
    deformable: str,
    voxel_mm: float,
    threshold_mm: float,
    seed: int,
    gpu: str,
) -> PairFiles:
    """Register an image to another, and the other to it: where both maps agree there is a counterpart.

    Parameters
    ----------
    images : PairImages
        Of one contrast: the moving intensities are matched to the fixed ones.
    linear : str
        ``rigid`` or ``affine``: what comes first.
    deformable : str
        One of :data:`~gliomorph.interfaces.methods.DEFORMABLE`, which follows; empty for the linear map alone.
    voxel_mm : float
        Voxels on which images are compared; 0: those of the fixed image, 1 mm at least.
    threshold_mm : float
        A point that comes back farther from its place has no counterpart.
    seed : int
        Of random sampling.
    gpu : str
        ``auto``, ``all`` or ``none``.

    Returns
    -------
    files : PairFiles
        In the current folder.

    Raises
    ------
    ImageError
        Files on grids that differ, or no brain to compare.
    ValueError
        ``linear`` or ``deformable`` that there is not.
    """
    if linear not in LINEAR or deformable not in ("", *DEFORMABLE):
        raise ValueError(
            f"one of {', '.join(LINEAR)} is required, and one of {', '.join(DEFORMABLE)} or none: got "
            f"{linear!r} and {deformable!r}"
        )
    moving = read_side(images.moving, images.moving_brain, images.moving_lesion)
    fixed = read_side(images.fixed, images.fixed_brain, images.fixed_lesion)
    grid = comparison_grid(fixed, voxel_mm)
    target = fixed.on(grid, sitk.Transform())
    line = linear_map(moving, target, linear, seed)
    if deformable:
        found = _deformed(moving, target, line, Method(deformable, seed, gpu))
    else:
        back = linear_map(target, moving, linear, seed)
        found = Found(forward=line, inverse=line.GetInverse(), back=back, used={})
    trip = sitk.Resample(
        sitk.Mask(round_trip(found, grid), target.brain), fixed.image, sitk.Transform(), sitk.sitkLinear
    )
    trip = sitk.Mask(trip, fixed.brain)
    unseen = _unseen(moving, fixed, found.forward)
    lacking = sitk.Mask(sitk.Or(trip > threshold_mm, unseen), fixed.brain)
    record = {
        "linear": linear,
        "deformable": deformable or None,
        "voxel_mm": grid.GetSpacing()[0],
        "threshold_mm": threshold_mm,
        "masks": {name: getattr(images, f"{name}_lesion") is not None for name in ("moving", "fixed")},
        **_figures(moving, fixed, line, found, trip),
        "no_counterpart_ml": round(_ml(lacking), 3),
        "outside_view_ml": round(_ml(unseen), 3),
        **found.used,
    }
    return _written(moving, fixed, found, trip, lacking, record)


RegisterPair = task(register_pair, "files")


def comparison_grid(fixed: Side, voxel_mm: float) -> sitk.Image:
    """The isotropic grid around a brain, along its image's axes, on which images are compared."""
    size = voxel_mm or max(FINEST_MM, min(fixed.image.GetSpacing()))
    return around(fixed.on(isotropic(fixed.image, size), sitk.Transform()).brain, size)


def round_trip(found: Found, grid: sitk.Image) -> sitk.Image:
    """How far from its place (mm) each point of a grid comes back by the map there and the one back (float32)."""
    shift = displacement_on(compose(found.back, found.forward), grid, sitk.sitkVectorFloat32)
    return sitk.VectorMagnitude(shift)


@attrs.frozen
class Method:
    """How a deformable map is found."""

    name: str
    seed: int
    gpu: str


def _deformed(moving: Side, target: Side, line: sitk.Transform, method: Method) -> Found:
    """The linear map, and after it the deformable one, found in both directions on the target's grid."""
    one, other = matched(moving.on(target.image, line), target)
    there, used = solve(_problem(one, other, method))
    back, used_back = solve(_problem(other, one, method))
    away = line.GetInverse()
    return Found(
        forward=compose(line, there.forward),
        inverse=compose(there.inverse, away),
        back=compose(back.forward, away),
        used={"forward": used, "backward": used_back},
    )


def _problem(moving: Side, fixed: Side, method: Method) -> Problem:
    return Problem(
        method=method.name,
        moving=moving.image,
        fixed=fixed.image,
        tumor=moving.lesion,
        fixed_tumor=fixed.lesion,
        brain=fixed.brain,
        rigid=sitk.Transform(),
        affine=sitk.Transform(),
        seed=method.seed,
        gpu=method.gpu,
    )


def _unseen(moving: Side, fixed: Side, forward: sitk.Transform) -> sitk.Image:
    """Where the fixed brain's points lie outside the moving image (uint8)."""
    seen = from_array(np.ones(moving.image.GetSize(), np.uint8), moving.image)
    carried = sitk.Resample(seen, fixed.image, forward, sitk.sitkNearestNeighbor)
    return sitk.Mask(carried == 0, fixed.brain)


def _figures(
    moving: Side, fixed: Side, line: sitk.Transform, found: Found, trip: sitk.Image
) -> dict[str, float]:
    """How well both fit: overlap of the brains, correlation outside both lesions, det J, the round trip's mm."""
    inside = to_array(fixed.brain) > 0
    before, after = moving.on(fixed.image, line), moving.on(fixed.image, found.forward)
    shift = displacement_on(compose(line.GetInverse(), found.forward), fixed.image, sitk.sitkVectorFloat32)
    determinant = to_array(jacobian_determinant(shift))[inside]
    millimetres = to_array(trip)[fixed.compared]
    figures = {
        "brain_dice_linear": overlap(moving.brain, fixed.brain, line),
        "brain_dice": overlap(moving.brain, fixed.brain, found.forward),
        "ncc_linear": _correlation(before, fixed),
        "ncc": _correlation(after, fixed),
        "jacobian_min": float(determinant.min()),
        "jacobian_max": float(determinant.max()),
        "folds": int((determinant <= 0).sum()),
        "inconsistency_mm_mean": float(millimetres.mean()),
        "inconsistency_mm_p95": float(np.percentile(millimetres, 95)),
    }
    return {name: round(value, 5) for name, value in figures.items()}


def _correlation(moved: Side, fixed: Side) -> float:
    used = moved.compared & fixed.compared
    pair = to_array(moved.image)[used], to_array(fixed.image)[used]
    return float(np.corrcoef(*pair)[0, 1]) if min(map(np.std, pair), default=0) > 0 else 0.0


def _ml(mask: sitk.Image) -> float:
    return float((to_array(mask) > 0).sum()) * voxel_volume_ml(mask)


def _written(
    moving: Side, fixed: Side, found: Found, trip: sitk.Image, lacking: sitk.Image, record: dict[str, Any]
) -> PairFiles:
    folder = Path.cwd()
    warped = moving.on(fixed.image, found.forward)
    lesion = None
    if record["masks"]["moving"]:
        record["lesion_ml"] = {
            "moving": round(_ml(moving.lesion), 3),
            "carried": round(_ml(warped.lesion), 3),
        }
        lesion = write_image(warped.lesion, folder / "lesion.nii.gz")
    return PairFiles(
        warped=write_image(warped.image, folder / "warped.nii.gz"),
        forward_xfm=write_transform(found.forward, folder / "forward_xfm.h5"),
        inverse_xfm=write_transform(found.inverse, folder / "inverse_xfm.h5"),
        inconsistency=write_image(trip, folder / "inconsistency.nii.gz"),
        no_counterpart=write_image(lacking, folder / "no_counterpart.nii.gz"),
        lesion=lesion,
        used=write_text(json.dumps(record, indent=1) + "\n", folder / "used.json"),
    )


RegisterPair = task(register_pair, "files")
