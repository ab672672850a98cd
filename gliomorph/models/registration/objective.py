"""What a registration minimises: how unlike the images still are, and what the path between them cost.

    E = D(I_1, J) + λ ∫ ‖v_t‖²_V + μ² ⟨m_t z_t, z_t⟩ dt + ω ‖Id − ψ_1∘φ_1‖²       (thesis, Eq. 5.3, 5.4, 5.7)

D is one of :mod:`.similarity`, ½‖I_1 − J‖² in the thesis. How the tumour mask enters is the *masking*:

``none``
    it does not: every voxel counts, and appearance (μ > 0) may change everywhere;
``cfm``
    cost-function masking: D leaves the moving, flowing tumour out, and a margin around it;
``local``
    local regularisation (Eq. 5.11): as ``cfm``, and appearance may change inside the tumour alone, where a path with
    appearance is compared as well.

Why a margin: a scan is blurred, so that the voxels next to the tumour show some of it. Compared with healthy tissue
they would best have no extent at all, and pull the tumour together to a fraction of its volume.
"""

from __future__ import annotations

from typing import Literal

import attrs
import torch
from torch import Tensor

from .. import geometry
from ..kernels import in_voxels
from .pair import Pair
from .shooting import Path
from .similarity import Measure, squared_difference

Masking = Literal["none", "cfm", "local"]
MASKINGS = ("none", "cfm", "local")


@attrs.frozen(kw_only=True)
class Objective:
    """E of a path, for one pair or the sum over a batch."""

    lam: float
    """λ, weight of the path's energy."""
    masking: Masking = "local"
    """One of ``"none"``, ``"cfm"``, ``"local"``. See the module."""
    measure: Measure = attrs.field(factory=squared_difference)
    """D."""
    inside: Measure = attrs.field(factory=squared_difference)
    """D inside a tumour whose appearance may change: intensities, not their correlation, are asked to agree."""
    inverse_consistency: float = 0.0
    """ω, per mm²."""
    margin_mm: float = 0.0
    """Around the moving tumour, along each axis, in mm: what D leaves out with it. 0 in the thesis."""

    def similarity(self, path: Path, pair: Pair) -> Tensor:
        """D of the warped moving image, with its new appearance, and the fixed one."""
        start = path.start(pair.moving, appearance_mask(pair, self.masking))
        displacement = in_voxels(path.backward, pair.shape)
        if self.masking == "none":
            return self.measure(geometry.warp(start, displacement), pair.fixed, pair.brain)
        around = geometry.dilate(pair.mask, self.margin_mm, pair.spacing_mm)
        moved = geometry.warp(torch.cat([start, pair.mask, around], 1), displacement)
        warped, tumor, around = moved.split([start.shape[1], 1, 1], 1)
        # Were the weights differentiated, the tumour would grow over whatever fits badly.
        value = self.measure(warped, pair.fixed, pair.brain * (1 - around.detach()))
        if self.masking == "local" and path.change is not None:
            value = value + self.inside(warped, pair.fixed, pair.brain * tumor.detach())
        return value

    def regularisation(self, path: Path, pair: Pair) -> Tensor:
        """λ times the energy of the path, and ω times what its two maps lack of being inverse."""
        value = self.lam * path.energy.mean()
        if self.inverse_consistency:
            value = value + self.inverse_consistency * inverse_inconsistency(path, pair)
        return value


def appearance_mask(pair: Pair, masking: Masking) -> Tensor:
    """m_0: where appearance may change, (batch, 1, …); everywhere without masking."""
    return torch.ones_like(pair.mask) if masking == "none" else pair.mask


def inverse_inconsistency(path: Path, pair: Pair) -> Tensor:
    """R_inv = ‖Id − ψ_1∘φ_1‖², in mm², summed over the voxels of ``pair``."""
    backward, forward = (in_voxels(u, pair.shape) for u in (path.backward, path.forward))
    lack = geometry.compose(backward, forward) * geometry.columns(pair.spacing_mm, backward)
    return lack.square().sum()
