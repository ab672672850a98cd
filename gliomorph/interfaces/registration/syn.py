"""SyN by ANTs, plain and with the tumour masked."""

from __future__ import annotations

from typing import Any

import SimpleITK as sitk

from ..files.masks import dilated
from ..files.transforms import compose, displacement_on, read_transform
from .ants import register_ants
from .problem import Answer, Problem

CC_RADIUS = 2
"""Radius of the window of ``syn-cc``, in voxels of each level; ANTs' usual one, 4, takes twice the time, less exact."""


def syn(problem: Problem) -> Answer:
    """SyN of the whole images, mutual information."""
    return _run_syn(problem, {})


def syn_cfm(problem: Problem) -> Answer:
    """SyN with cost-function masking: the tumour has no part in the cost."""
    # ANTs smooths its coarse levels across the mask's border: two voxels more keep the rim out of the cost
    tumors = {"fixed_mask": problem.fixed_tumor, "moving_mask": problem.tumor}
    return _run_syn(
        problem,
        {
            name: sitk.Cast(dilated(tumor) == 0, sitk.sitkUInt8)
            for name, tumor in tumors.items()
            if tumor is not None
        },
    )


def syn_cc(problem: Problem) -> Answer:
    """SyN of the whole images, local cross-correlation."""
    return _run_syn(problem, {}, syn_metric="CC", syn_sampling=CC_RADIUS)


def _run_syn(problem: Problem, masks: dict[str, sitk.Image], **options: Any) -> Answer:
    """SyN alone, a single stage: the images are affinely aligned already (ANTs' default iterations)."""
    import ants

    files = register_ants(
        problem.fixed,
        problem.moving,
        "SyNOnly",
        seed=problem.seed,
        initial_transform="identity",
        **masks,
        **options,
    )
    settings = {"type_of_transform": "SyNOnly", "masks": sorted(masks), **options}
    return Answer(
        forward=_on_grid(files["fwdtransforms"], problem.fixed),
        inverse=_on_grid(files["invtransforms"], problem.fixed),
        used={"settings": settings, "ants": ants.__version__},
    )


def _on_grid(files: list[str], grid: sitk.Image) -> sitk.Transform:
    """ANTs' list of transforms (the first is applied last) as one displacement field on the working grid."""
    parts = [_read_ants(name) for name in files]
    return sitk.DisplacementFieldTransform(displacement_on(compose(*parts), grid))


def _read_ants(name: str) -> sitk.Transform:
    if name.endswith((".nii.gz", ".nii")):
        return sitk.DisplacementFieldTransform(sitk.ReadImage(name, sitk.sitkVectorFloat64))
    return read_transform(name)
