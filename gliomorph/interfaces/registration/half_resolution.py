"""A registration problem on voxels of twice the size, and its answer on the wanted grid."""

from __future__ import annotations

import attrs
import numpy as np
import SimpleITK as sitk

from ..files.images import from_array, to_array
from ..files.transforms import displacement_on
from .problem import Answer, Problem


def halved(problem: Problem) -> Problem:
    """The same images and masks, each voxel the mean of eight; a mask has those of which half is in it."""
    return attrs.evolve(
        problem,
        moving=_shrunken(problem.moving),
        fixed=_shrunken(problem.fixed),
        tumor=sitk.Cast(_shrunken(sitk.Cast(problem.tumor > 0, sitk.sitkFloat32)) >= 0.5, sitk.sitkUInt8),
        brain=sitk.Cast(_shrunken(sitk.Cast(problem.brain > 0, sitk.sitkFloat32)) >= 0.5, sitk.sitkUInt8),
    )


def restored(answer: Answer, half: Problem, grid: sitk.Image) -> Answer:
    """The answer to a :func:`halved` problem, its displacements and appearance interpolated on a grid."""
    appearance = None
    if answer.appearance is not None:
        image = from_array(answer.appearance.astype(np.float32), half.fixed)
        appearance = to_array(sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear))
    return attrs.evolve(
        answer,
        forward=_on(answer.forward, grid),
        inverse=_on(answer.inverse, grid),
        appearance=appearance,
    )


def _shrunken(image: sitk.Image) -> sitk.Image:
    odd = [size % 2 for size in image.GetSize()]
    padded = sitk.ZeroFluxNeumannPad(image, [0] * 3, odd) if any(odd) else image
    return sitk.BinShrink(padded, [2] * 3)


def _on(transform: sitk.Transform, grid: sitk.Image) -> sitk.Transform:
    return sitk.DisplacementFieldTransform(displacement_on(transform, grid))
