"""What every registration method is given, and what it gives back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import SimpleITK as sitk


@attrs.frozen(kw_only=True)
class Problem:
    """What a method is given, on the working grid.

    Attributes
    ----------
    method : str
        A key of :data:`~gliomorph.interfaces.methods.REGISTRY`.
    moving, fixed : SimpleITK.Image
        Patient (affinely aligned, matched) and template, in [0, 1].
    tumor : SimpleITK.Image
        uint8 mask in the moving frame.
    brain : SimpleITK.Image
        The template's brain mask.
    rigid, affine : SimpleITK.Transform
        Template points to native points; the moving image was resampled through ``affine``.
    weights : Path or None
        File of the network, learned methods only.
    refine : int
        Iterations of optimisation after a network's answer.
    seed : int
    gpu : str
    """

    method: str
    moving: sitk.Image
    fixed: sitk.Image
    tumor: sitk.Image
    brain: sitk.Image
    rigid: sitk.Transform
    affine: sitk.Transform
    weights: Path | None = None
    refine: int = 0
    seed: int
    gpu: str


@attrs.frozen(kw_only=True)
class Answer:
    """What a method gives back.

    Attributes
    ----------
    forward : SimpleITK.Transform
        Template points to points of the moving image (both in the working frame).
    inverse : SimpleITK.Transform
        The other way.
    appearance : ndarray or None
        Residual of a metamorphosis on the working grid, in the template's intensities; None for methods that
        change the shape only.
    used : dict
        Device, settings, what the method reports of itself.
    """

    forward: sitk.Transform
    inverse: sitk.Transform
    appearance: np.ndarray | None = None
    used: dict[str, Any] = attrs.field(factory=dict)
