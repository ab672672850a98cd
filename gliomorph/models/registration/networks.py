"""Networks that register a pair in one pass: what they have in common, and how one is described.

A network takes a :class:`~.registration.Pair` and gives a :class:`~.shooting.Path`, so that the same objective
trains it, the same code finishes its answer, and an optimisation can go on from there (:mod:`.refinement`).
The convolutions run on voxels of their own size, whatever the images': the kernel discards what that loses, and a
network serves every resolution. Images are interpolated, and compared, at full resolution.
"""

from __future__ import annotations

import math
from typing import Any

import attrs
import torch
from attrs import validators as valid
from torch import Tensor, nn
from torch.nn import functional

from ..unet import DIVISOR, UNet
from . import metamorphosis
from .objective import MASKINGS, Masking
from .pair import Pair
from .shooting import Path

NETWORKS = ("metamorph-r", "metamorph-g", "voxelmorph")

MOST_SQUARINGS = 20
"""Beyond, a single step is lost in the rounding of single precision."""


@attrs.frozen(kw_only=True)
class NetworkSettings:
    """All that determines a network but its weights; it travels with them."""

    method: str = attrs.field(validator=valid.in_(NETWORKS))
    """One of ``"metamorph-r"``, ``"metamorph-g"``, ``"voxelmorph"``."""
    dimension: int = attrs.field(default=3, validator=valid.in_((2, 3)))
    """2 or 3."""
    modalities: int = attrs.field(default=1, validator=valid.ge(1))
    """C, channels of each image."""
    width: int = attrs.field(default=32, validator=valid.ge(1))
    """Channels of a residual block (R) or of the U-Net's first level (G, VoxelMorph)."""
    voxel_mm: float = attrs.field(default=4.0, converter=float, validator=valid.gt(0))
    """Voxel size on which the network works, in mm: images are brought to it; to none finer than their own."""
    steps: int = attrs.field(default=15, validator=valid.ge(1))
    """T, time steps: residual blocks (R), of the shooting (G), or squarings (VoxelMorph: 2^steps)."""
    sigma_mm: float = attrs.field(default=8.0, converter=float, validator=valid.gt(0))
    """Width of the Gaussian kernel; not used by VoxelMorph."""
    mu: float = attrs.field(default=0.05, converter=float, validator=valid.ge(0))
    """Weight of appearance; 0 where the path has none."""
    masking: Masking = attrs.field(default="local", validator=valid.in_(MASKINGS))
    """One of ``"none"``, ``"cfm"``, ``"local"``. What the tumour mask is for (:mod:`.objective`). ``local`` asks for
    μ > 0, ``cfm`` for μ = 0."""
    sees_mask: bool = True
    """The mask is an input of the convolutions."""
    sharp: bool = False
    """MetaMorph-R: run the blocks a second time at full resolution inside the box of the mask, for the appearance
    there."""
    apart: bool = False
    """MetaMorph-R: inside the moving tumour z changes the appearance alone, v = −K((1 − m_t) z ∇I). In the thesis z
    does both there, and the edges of the tumour are pushed by what fills it."""
    guided: bool = False
    """MetaMorph-R: every block also sees the pull of the images (:mod:`.pull`), and z follows it by learnt steps."""
    fine_steps: int = attrs.field(default=0, validator=valid.ge(0))
    """MetaMorph-R: further residual blocks at smaller voxels, after those of ``steps``."""
    fine_voxel_mm: float = attrs.field(default=2.0, converter=float, validator=valid.gt(0))
    fine_sigma_mm: float = attrs.field(default=4.0, converter=float, validator=valid.gt(0))
    fine_width: int = attrs.field(default=8, validator=valid.ge(1))
    """``fine_voxel_mm``, ``fine_sigma_mm``, ``fine_width``: their voxels, kernel and channels."""
    dropout: float = attrs.field(default=0.0, converter=float, validator=[valid.ge(0), valid.lt(1)])
    """Inside a residual block, in training."""

    def __attrs_post_init__(self) -> None:
        appears = self.method != "voxelmorph" and self.masking != "cfm"
        if self.masking == "local" and not (appears and self.mu):
            raise ValueError(
                "masking local needs a method with appearance and μ > 0: "
                f"got {self.method} with mu={self.mu}; take cfm or none"
            )
        if self.mu and not appears:
            raise ValueError(f"{self.method} with masking {self.masking} has no appearance: set mu=0")
        if self.sees_mask and self.masking == "none":
            raise ValueError("masking none is to make no use of the mask: set sees_mask=False")
        if self.dropout and self.method != "metamorph-r":
            raise ValueError(f"dropout is an option of metamorph-r, got {self.method}")
        if self.method == "voxelmorph" and self.steps > MOST_SQUARINGS:
            raise ValueError(f"voxelmorph takes at most {MOST_SQUARINGS} squarings, got steps={self.steps}")
        if (self.guided or self.fine_steps) and (self.method != "metamorph-r" or self.sharp):
            raise ValueError(
                f"guided and fine_steps are options of metamorph-r without sharp, got {self.method}"
            )
        if (self.sharp or self.apart) and (self.method != "metamorph-r" or self.masking != "local"):
            raise ValueError(
                "sharp and apart are options of metamorph-r with masking local, "
                f"got {self.method} with {self.masking}"
            )


DEFAULTS = {
    "voxelmorph": NetworkSettings(
        method="voxelmorph", width=16, steps=7, mu=0.0, masking="none", sees_mask=False
    ),
    "voxelmorph-cfm": NetworkSettings(method="voxelmorph", width=16, steps=7, mu=0.0, masking="cfm"),
    "metamorph-g": NetworkSettings(method="metamorph-g", width=16),
    "metamorph-r": NetworkSettings(method="metamorph-r"),
}
"""By registration method."""

THESIS = NetworkSettings(
    method="metamorph-r", width=60, voxel_mm=1.0, mu=metamorphosis.THESIS.mu, sees_mask=False
)
"""MetaMorph-R for BraTS as the thesis has it (§5.3.4): full resolution, about 1.5 million parameters. For μ see
:data:`.metamorphosis.THESIS`."""


class RegistrationNetwork(nn.Module):
    """Abstract: from a pair to the path that registers it.

    Attributes
    ----------
    settings : NetworkSettings
    checkpointed : bool
        In training, compute each time step again in the backward pass: memory of one step, a third more time. So it
        is for voxels too small for all steps to be kept.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        self.checkpointed = settings.dimension == 3 and settings.voxel_mm < 3

    def forward(self, pair: Pair) -> Path:
        raise NotImplementedError

    def check(self, pair: Pair) -> None:
        """Refuse a pair of other dimensions or channels than the network was made for."""
        dimension, modalities = len(pair.spacing_mm), pair.moving.shape[1]
        if (dimension, modalities) != (self.settings.dimension, self.settings.modalities):
            raise ValueError(
                f"the {self.settings.method} network registers {self.settings.dimension}-D images of "
                f"{self.settings.modalities} channels, got {dimension}-D images of {modalities}"
            )

    def small(self, pair: Pair, voxel_mm: float | None = None) -> Pair:
        """The pair on the network's grid, or on that of other voxels; no finer than its own."""
        sides = zip(pair.shape, pair.spacing_mm, strict=True)
        finest = voxel_mm or self.settings.voxel_mm
        return pair.at([min(size, math.ceil(round(size * mm / finest, 6))) for size, mm in sides])


class PairUNet(nn.Module):
    """A U-Net on moving, fixed and (where the settings say so) mask; its output begins at nearly 0."""

    def __init__(self, settings: NetworkSettings, outputs: int) -> None:
        super().__init__()
        channels = 2 * settings.modalities + settings.sees_mask
        self.sees_mask = settings.sees_mask
        self.unet = UNet(channels, settings.width, outputs, settings.dimension)
        nn.init.normal_(self.unet.head.weight, std=1e-3)
        assert self.unet.head.bias is not None
        nn.init.zeros_(self.unet.head.bias)

    def forward(self, pair: Pair) -> Tensor:
        """(batch, outputs, …) on the grid of ``pair``; any shape will do."""
        channels = [pair.moving, pair.fixed, *([pair.mask] if self.sees_mask else [])]
        image = torch.cat(channels, 1)
        wanted = pair.shape
        # at the bottom two voxels are the least that can be normalised
        margins = [(0, max(size + -size % DIVISOR, 2 * DIVISOR) - size) for size in reversed(wanted)]
        padded = functional.pad(image, [side for margin in margins for side in margin], mode="replicate")
        field: Tensor = self.unet(padded)
        inner: tuple[Any, ...] = (..., *[slice(size) for size in wanted])
        return field[inner]
