"""What every registration method is given, and what it gives back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import SimpleITK as sitk


@attrs.frozen(kw_only=True)
class Further:
    """A further modality of the patient on the working grid, and the template's image that it is compared with."""

    moving: sitk.Image
    fixed: sitk.Image


@attrs.frozen(kw_only=True)
class Problem:
    """What a method is given, on the working grid."""

    method: str
    """A key of :data:`~gliomorph.interfaces.methods.REGISTRY`."""
    moving: sitk.Image
    fixed: sitk.Image
    """``moving``, ``fixed``: Patient (affinely aligned, matched) and template, in [0, 1]."""
    further: tuple[Further, ...] = ()
    """Further modalities, for methods of several."""
    tumor: sitk.Image
    """uint8 mask in the moving frame."""
    fixed_tumor: sitk.Image | None = None
    """uint8 mask in the fixed frame, where that is a patient's, too; left out wherever ``tumor`` is."""
    brain: sitk.Image
    """The template's brain mask."""
    rigid: sitk.Transform
    affine: sitk.Transform
    """``rigid``, ``affine``: Template points to native points; the moving image was resampled through ``affine``."""
    weights: Path | None = None
    """File of the network, learned methods only."""
    refine: int = 0
    """Iterations of the flow at the images' voxels after a network's answer; 0: the network alone."""
    speed: str = "default"
    """A key of :data:`~gliomorph.interfaces.methods.SPEEDS`, for methods that a flow refines."""
    seed: int
    gpu: str


@attrs.frozen(kw_only=True)
class Answer:
    """What a method gives back."""

    forward: sitk.Transform
    """Template points to points of the moving image (both in the working frame)."""
    inverse: sitk.Transform
    """The other way."""
    appearance: np.ndarray | None = None
    """Residual of a metamorphosis on the working grid, of the primary image and in the template's intensities; None for
    methods that change the shape only."""
    used: dict[str, Any] = attrs.field(factory=dict)
    """Device, settings, what the method reports of itself."""
