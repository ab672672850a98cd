"""Between SimpleITK and ANTsPy, in memory and without a change of frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..files.images import to_array

RIGID_OPTIONS: dict[str, Any] = {"aff_metric": "mattes", "aff_iterations": (500, 250, 100)}


def to_ants(image: sitk.Image) -> Any:
    """The same voxels in the same frame as an ``ants.ANTsImage`` (float32)."""
    import ants

    return ants.from_numpy(
        np.ascontiguousarray(to_array(image), dtype=np.float32),
        origin=image.GetOrigin(),
        spacing=image.GetSpacing(),
        direction=np.array(image.GetDirection()).reshape(3, 3),
    )


def pyramid(fixed: sitk.Image) -> dict[str, Any]:
    """Levels of a linear registration, coarse to fine: 12, 8 and 4 mm voxels at most, for any grid.

    Coarser levels than these hold a handful of voxels: the optimum there can lie anywhere (a 4 mm head shrunk by
    6 was mis-registered in 3 of 20 runs).
    """
    finer = min(1.0, 2.0 / min(fixed.GetSpacing()))
    return {
        "aff_shrink_factors": tuple(max(1, round(factor * finer)) for factor in (6, 4, 2)),
        "aff_smoothing_sigmas": tuple(sigma * finer for sigma in (3, 2, 1)),
    }


def register_ants(
    fixed: sitk.Image,
    moving: sitk.Image,
    kind: str,
    *,
    seed: int,
    fixed_mask: sitk.Image | None = None,
    moving_mask: sitk.Image | None = None,
    **options: Any,
) -> dict[str, list[str]]:
    """``ants.registration`` with masks that hold at every stage, files in the current folder.

    Returns
    -------
    transforms : dict
        ``fwdtransforms`` and ``invtransforms``, file names as ANTsPy gives them.
    """
    import ants

    # 0 means "take one from the clock" to ANTs
    ants.config.set_ants_deterministic(True, seed or 2**31 - 1)
    masks = {
        name: to_ants(mask)
        for name, mask in (("mask", fixed_mask), ("moving_mask", moving_mask))
        if mask is not None
    }
    try:
        result: dict[str, list[str]] = ants.registration(
            to_ants(fixed),
            to_ants(moving),
            type_of_transform=kind,
            outprefix=str(Path.cwd() / f"ants-{kind}-"),
            mask_all_stages=bool(masks),
            random_seed=seed or 2**31 - 1,
            **masks,
            **options,
        )
    except Exception as error:
        error.add_note("ANTs could not register these images: do both hold a brain, and do they overlap?")
        raise
    return result
