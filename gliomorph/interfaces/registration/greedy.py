"""PICSL greedy (Yushkevich, University of Pennsylvania): diffeomorphic registration by local cross-correlation."""

from __future__ import annotations

import io
from importlib.metadata import version

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..files.images import from_array, to_array
from ..files.masks import dilated
from .problem import Answer, Problem

OPTIONS = "-m NCC 2x2x2 -n 100x50x20 -s 1.7320508vox 0.7071068vox -wp 0"
"""Metric with its window's radius, iterations from a quarter of the resolution to the whole, smoothing of each step's
update and of the sum."""


def greedy(problem: Problem) -> Answer:
    """Greedy of the whole images."""
    return _run(problem, {})


def greedy_cfm(problem: Problem) -> Answer:
    """Greedy with cost-function masking: neither the tumour's place nor its signal has a part in the cost.

    The mask leaves windows out by their centres. The tumour, dilated by two voxels, is filled besides by the nearest
    voxels around, so that the windows around it, wide ones at coarse levels, do not see it. One value for all of it
    would be a structure of its own, which the template does not have.
    """
    tumors = {"fixed": problem.fixed_tumor, "moving": problem.tumor}
    return _run(problem, {name: dilated(tumor) for name, tumor in tumors.items() if tumor is not None})


MASK_OPTIONS = {"fixed": "-gm", "moving": "-mm"}


def _run(problem: Problem, tumors: dict[str, sitk.Image]) -> Answer:
    """Greedy from the identity, for the images are aligned already; ``tumors`` are left out of their images."""
    try:
        import picsl_greedy
    except ImportError as error:
        raise ImportError("greedy needs the package picsl-greedy: pip install picsl-greedy") from error
    images: dict[str, sitk.Image | None] = {"warp": None, "inverse": None}
    # greedy adds noise to both images; 0 means a seed from the clock to it
    words = f"-i fixed moving {OPTIONS} -seed {problem.seed or 2**31 - 1} -o warp -oinv inverse -V 0"
    for name, image in (("fixed", problem.fixed), ("moving", problem.moving)):
        images[name] = image
        if name in tumors:
            images[name] = _filled(image, tumors[name])
            images[f"{name}_mask"] = sitk.Cast(tumors[name] == 0, sitk.sitkFloat32)
            words += f" {MASK_OPTIONS[name]} {name}_mask"
    solver, log = picsl_greedy.Greedy3D(), io.StringIO()
    try:
        solver.execute(words, out=log, err=log, **images)
    except Exception as error:
        error.add_note("greedy could not register these images: do both hold a brain, and do they overlap?")
        raise
    return Answer(
        forward=_transform(solver["warp"]),
        inverse=_transform(solver["inverse"]),
        used={
            "settings": {"options": OPTIONS, "masks": [f"{name}_mask" for name in tumors]},
            "greedy": version("picsl-greedy"),
        },
    )


def _filled(image: sitk.Image, mask: sitk.Image) -> sitk.Image:
    inside = to_array(mask) > 0
    nearest = ndimage.distance_transform_edt(inside, return_distances=False, return_indices=True)
    return from_array(to_array(image)[tuple(nearest)].astype(np.float32), image)


def _transform(warp: sitk.Image) -> sitk.Transform:
    """A displacement of greedy (mm, LPS, fixed to moving points) as the transform that it is."""
    if not np.isfinite(sitk.GetArrayViewFromImage(warp)).all():
        raise RuntimeError("greedy gave no finite map: do both images hold a brain, outside the tumour too?")
    return sitk.DisplacementFieldTransform(sitk.Cast(warp, sitk.sitkVectorFloat64))
