"""N4 bias-field correction (Tustison 2010) inside the brain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..files.images import read_image, to_array, write_image
from ..files.masks import finite_image
from ..task import task
from .records import BiasInfo

FITTING_MM = 4.0
LEVELS = 3
"""The finest splines have their knots at a quarter of the image's width, some 50 mm.

A fourth level follows the anatomy: it takes cortex and white matter for bias.
"""


def n4(image: Path, brain_mask: Path) -> tuple[Path, BiasInfo]:
    """The image without its bias field and without what lies outside the brain.

    The field is fitted on a grid of about 4 mm and evaluated at full resolution.

    Parameters
    ----------
    image, brain_mask : Path
        On one grid.

    Returns
    -------
    corrected : Path
        float32 on the image's grid, ``image / bias`` inside the brain, 0 outside, no negative values.
    info : BiasInfo
        Range of the field.
    """
    picture, _ = finite_image(image)
    mask = read_image(brain_mask, sitk.sitkUInt8)
    positive = sitk.Clamp(picture, sitk.sitkFloat32, 1e-3 * float(to_array(picture).max()))
    factors = [max(1, round(FITTING_MM / spacing)) for spacing in picture.GetSpacing()]
    fit = sitk.N4BiasFieldCorrectionImageFilter()
    fit.SetMaximumNumberOfIterations([50] * LEVELS)
    fit.SetConvergenceThreshold(1e-3)
    fit.Execute(sitk.Shrink(positive, factors), sitk.Shrink(mask, factors))
    bias = sitk.Exp(fit.GetLogBiasFieldAsImage(positive))
    corrected = sitk.Mask(sitk.Clamp(picture / bias, sitk.sitkFloat32, 0.0), mask)
    inside = to_array(bias)[to_array(mask) > 0]
    out = write_image(corrected, Path.cwd() / "n4.nii.gz")
    return out, BiasInfo(bias_min=float(np.min(inside)), bias_max=float(np.max(inside)))


N4 = task(n4, "image", "info")
