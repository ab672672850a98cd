r"""The pull of the images on each other, as a momentum: what a guided network starts each of its steps from.

Inside a window around each point the fixed image is a I_t + b, but for a residual r. One step of Gauss and Newton for
Σ w r² / σ_J² (:mod:`.flow`) moves by −K(z_t ∇I_t) with

    z_t = −w a r / σ_J² / (K(w a² |∇I_t|² / σ_J²) + α)

A network that is given this scalar learns how far to trust it and what it lacks, instead of how to compare images, as
networks do that learn the steps of a descent (Adler and Öktem 2017; Qiu et al. 2022, GraDIRN). As a and r adapt to the
contrast of the images at hand, one network serves all modalities.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .. import geometry
from .flow import NEARLY_ALL, FlowSettings, smoothed
from .pair import Pair
from .similarity import VARIANCE_FLOOR

SETTINGS = FlowSettings()
"""Rim, margin and floor of the comparison are those of the flow that refines the answer."""
WINDOW = 1.7
"""Standard deviation of the window, in voxels."""


class Pull:
    """The comparison of a batch of pairs on one grid.

    Parameters
    ----------
    pair : Pair
        At the voxels at which the images are compared.
    width : float
        Standard deviation of K in voxels, by which the stiffness is smoothed.
    """

    def __init__(self, pair: Pair, width: float) -> None:
        self.pair, self.width = pair, width
        self.around = geometry.dilate(pair.mask, SETTINGS.margin_mm, pair.spacing_mm)
        self.brain = geometry.dilate(pair.brain, SETTINGS.rim_mm, pair.spacing_mm)
        self.voxel_mm = sum(pair.spacing_mm) / len(pair.spacing_mm)

    @torch.no_grad()
    def __call__(self, image: Tensor, backward: Tensor) -> Tensor:
        """−z_t (batch, C, …) such that K(−z_t ∇I_t), ∇ per mm, is a step in mm.

        Parameters
        ----------
        image : Tensor
            The moving image as it is now, I_t.
        backward : Tensor
            ψ_t − Id in voxels of the pair.
        """
        fixed, channels = self.pair.fixed, image.shape[1]
        weight = self.brain * (geometry.warp(self.around, backward) < 0.5)
        count = smoothed(weight, WINDOW).clamp_min(1e-3)
        products = [image, fixed, image * image, fixed * fixed, image * fixed]
        means = smoothed(weight * torch.cat(products, 1), WINDOW) / count
        mean, mean_fixed, square, square_fixed, product = means.split(channels, 1)
        variance = (square - mean**2).clamp_min(0) + VARIANCE_FLOOR
        variance_fixed = (square_fixed - mean_fixed**2).clamp_min(0) + VARIANCE_FLOOR
        covariance = product - mean * mean_fixed
        slope = covariance / variance
        # as in the flow: equal images do not pull, though flat places have a floor
        residual = (fixed - mean_fixed) - covariance / (variance - NEARLY_ALL) * (image - mean)
        pull = weight * slope / variance_fixed
        steepness = geometry.gradient(image).square().sum(2)
        stiffness = smoothed((pull * slope * steepness).sum(1, keepdim=True), self.width)
        return self.voxel_mm**2 * pull * residual / (stiffness + SETTINGS.floor * channels)
