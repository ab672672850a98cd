"""Rigid registration of the working images (ANTs, mutual information), the tumour seen or left out.

The alignment's own rigid transform is but a start here: it leaves out a tumour that was given and sees one that is
segmented after it, and it is the identity for images in the template's frame. ``rigid`` and ``rigid-cfm`` differ in
the mask alone, whatever the scan.
"""

from __future__ import annotations

import math

import SimpleITK as sitk

from ..files.masks import brain_with_rim, dilated, filled
from ..files.transforms import compose
from .ants import RIGID_OPTIONS, pyramid, register_ants
from .problem import Answer, Problem

MARGIN_MM = 24
"""Around the working grid: a head that the affine had made smaller is larger again."""


def rigid(problem: Problem) -> Answer:
    """The rigid map of the whole brain."""
    return register_rigidly(problem, masked=False)


def rigid_cfm(problem: Problem) -> Answer:
    """The rigid map of the brain without its tumour."""
    return register_rigidly(problem, masked=True)


def affine(problem: Problem) -> Answer:
    """The identity: the images are affinely aligned already."""
    identity = sitk.AffineTransform(3)
    return Answer(forward=identity, inverse=identity)


def register_rigidly(problem: Problem, masked: bool) -> Answer:
    """The rigid map of the whole brain, or of the brain without its tumour.

    The moving image is carried back from the affine to the rigid frame of the alignment, registered to the template
    there, and the maps are composed: ``affine ∘ forward`` is rigid.

    Parameters
    ----------
    problem : Problem
    masked : bool
        Leave the tumour, dilated by two voxels, out of the similarity. What lies inside is replaced by the mean of
        the rest before, for ANTs smooths its levels across the mask's border: the result does not depend on it.

    Returns
    -------
    answer : Answer
    """
    import ants

    start = compose(problem.affine.GetInverse(), problem.rigid)
    frame = _wider(problem.fixed)
    tumor = dilated(problem.tumor)
    moving = filled(problem.moving, tumor) if masked else problem.moving
    masks = {}
    if masked:
        carried = sitk.Resample(tumor, frame, start, sitk.sitkNearestNeighbor)
        masks["moving_mask"] = sitk.Cast(carried == 0, sitk.sitkUInt8)
    files = register_ants(
        problem.fixed,
        sitk.Resample(moving, frame, start, sitk.sitkLinear),
        "Rigid",
        seed=problem.seed,
        initial_transform="identity",
        fixed_mask=brain_with_rim(problem.brain),
        **masks,
        **pyramid(problem.fixed),
        **RIGID_OPTIONS,
    )
    forward = compose(start, sitk.ReadTransform(files["fwdtransforms"][0]))
    settings = {"type_of_transform": "Rigid", "masks": ["fixed_mask", *masks], **RIGID_OPTIONS}
    return Answer(
        forward=forward, inverse=forward.GetInverse(), used={"settings": settings, "ants": ants.__version__}
    )


def _wider(grid: sitk.Image) -> sitk.Image:
    margin = [math.ceil(MARGIN_MM / size) for size in grid.GetSpacing()]
    return sitk.ConstantPad(grid, margin, margin)
