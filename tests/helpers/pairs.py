"""Two sessions of one small head as fine as sulci, the way from one to the other known."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import phantoms
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from gliomorph.interfaces.files.images import from_array, write_image
from gliomorph.interfaces.files.transforms import compose
from gliomorph.interfaces.pairs.records import PairImages
from gliomorph.interfaces.pairs.sides import Side

SHAPE, SPACING_MM = (44, 46, 40), 2.0
SEMI_AXES_MM = (36.0, 38.0, 32.0)
LESION_AT, CAVITY_AT = phantoms.at(-14, 16, 6), phantoms.at(16, -14, -4)
RADIUS_MM = 8.0


def grid() -> sitk.Image:
    """The grid of both, turned by half a turn."""
    return phantoms.grid(SHAPE, (SPACING_MM,) * 3, np.diag([-1.0, -1.0, 1.0]))


def fixed_from_moving() -> sitk.Transform:
    """The truth: points of the second session to points of the first; both heads lie turned to each other."""
    warp = sitk.DisplacementFieldTransform(phantoms.smooth_displacement(grid(), 3.0))
    return compose(warp, sitk.Euler3DTransform(phantoms.CENTRE.tolist(), 0.06, -0.04, 0.08, (3.0, -2.0, 2.5)))


@cache
def sessions() -> tuple[Side, Side]:
    """The second session and the first; read only. Both have a lesion, the second a cavity besides that no mask has."""
    like, random = grid(), np.random.default_rng(0)
    places = phantoms.positions(like)
    voxels = gaussian_filter(random.normal(size=SHAPE), 2.0)
    voxels = 1 + (voxels - voxels.min()) / np.ptp(voxels)
    lesion = np.linalg.norm(places - LESION_AT[:, None, None, None], axis=0) < RADIUS_MM
    centre = phantoms.CENTRE[:, None, None, None]
    brain = np.linalg.norm((places - centre) / np.reshape(SEMI_AXES_MM, (3, 1, 1, 1)), axis=0) < 1
    first = Side(
        name="first",
        image=from_array(np.where(lesion, 2.5, voxels * brain).astype(np.float32), like),
        brain=from_array(brain.astype(np.uint8), like),
        lesion=from_array(lesion.astype(np.uint8), like),
    )
    second = first.on(like, fixed_from_moving())
    cavity = sitk.Resample(_ball(like, CAVITY_AT), like, fixed_from_moving(), sitk.sitkNearestNeighbor)
    emptied = sitk.Mask(second.image, cavity == 0) + sitk.Cast(cavity, sitk.sitkFloat32) * 0.7
    noise = from_array(random.normal(scale=0.01, size=SHAPE).astype(np.float32), like)
    second = Side(
        name="second",
        image=sitk.Mask(emptied + noise, second.brain),
        brain=second.brain,
        lesion=second.lesion,
    )
    return second, first


def _ball(like: sitk.Image, centre: np.ndarray) -> sitk.Image:
    return from_array(phantoms.ball(like, centre, RADIUS_MM).astype(np.uint8), like)


def written(folder: Path, moving: Side, fixed: Side) -> PairImages:
    """Both sides as files."""
    files = {
        f"{name}{part}": write_image(image, folder / f"{name}{part}.nii.gz")
        for name, side in (("moving", moving), ("fixed", fixed))
        for part, image in (("", side.image), ("_brain", side.brain), ("_lesion", side.lesion))
    }
    return PairImages(**files)


def inner_points(side: Side) -> np.ndarray:
    """Places (LPS, mm) in a brain, away from its border, its lesion and the cavity; (N, 3)."""
    inside = sitk.BinaryErode(sitk.And(side.brain, side.lesion == 0), [3, 3, 3])
    away = sitk.And(inside, _ball(side.image, CAVITY_AT) == 0)
    indices = np.argwhere(sitk.GetArrayFromImage(away).T)[::97]
    return np.array([side.image.TransformIndexToPhysicalPoint(index.tolist()) for index in indices])
