"""Rigid and affine alignment to the template (ANTs, mutual information), the tumour left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..files.images import read_image, same_box
from ..files.masks import brain_with_rim, overlap
from ..files.transforms import matrix_of, write_transform
from ..registration.ants import RIGID_OPTIONS, pyramid, register_ants
from ..task import task
from .records import AlignInfo

AFFINE_OPTIONS = RIGID_OPTIONS | {"aff_iterations": (300, 200, 100)}
IN_FRAME_DICE = 0.8


def align(
    image: Path,
    brain_mask: Path,
    tumor: Path | None,
    template: Path,
    fixed: Path,
    fixed_brain: Path,
    seed: int,
) -> tuple[Path, Path, AlignInfo]:
    """Linear transforms from template points to native points.

    Where the image's header already is the template's frame and both brains overlap (Dice ≥ 0.8: BraTS data),
    the rigid part is the identity; the affine one is estimated in every case.

    Parameters
    ----------
    image, brain_mask : Path
        Native, bias-corrected.
    tumor : Path, optional
        Native labels; left out of the similarity.
    template : Path
        The template on its full grid.
    fixed, fixed_brain : Path
        The template and its brain on the working grid.
    seed : int
        Of ANTs' sampling.

    Returns
    -------
    rigid, affine : Path
        ITK transforms (``.h5``), template points (LPS, mm) to native points.
    info : AlignInfo
        How the affine fits.
    """
    moving = read_image(image)
    brain, target, target_brain = read_image(brain_mask), read_image(fixed), read_image(fixed_brain)
    before = overlap(brain, target_brain, sitk.Transform())
    in_frame = bool(same_box(moving, read_image(template)) and before >= IN_FRAME_DICE)
    common = {
        **pyramid(target),
        "fixed_mask": brain_with_rim(target_brain),
        "moving_mask": _without_tumor(tumor) if tumor else None,
    }
    if in_frame:
        rigid = sitk.Transform(3, sitk.sitkAffine)
        start = "identity"
    else:
        files = register_ants(target, moving, "Rigid", seed=seed, **common, **RIGID_OPTIONS)
        start = files["fwdtransforms"][0]
        rigid = sitk.ReadTransform(start)
    files = register_ants(
        target, moving, "Affine", seed=seed, initial_transform=start, **common, **AFFINE_OPTIONS
    )
    affine = sitk.ReadTransform(files["fwdtransforms"][0])
    info = AlignInfo(
        in_template_frame=in_frame,
        brain_dice_before=round(before, 4),
        brain_dice=round(overlap(brain, target_brain, affine), 4),
        scale=round(float(np.cbrt(np.linalg.det(matrix_of(affine)))), 4),
    )
    return (
        write_transform(rigid, Path.cwd() / "rigid.h5"),
        write_transform(affine, Path.cwd() / "affine.h5"),
        info,
    )


def _without_tumor(tumor: Path) -> sitk.Image:
    """Everything but the tumour: the background stays, or a brain too small would cost nothing."""
    return sitk.Cast(read_image(tumor, sitk.sitkUInt8) == 0, sitk.sitkUInt8)


Align = task(align, "rigid", "affine", "info")
