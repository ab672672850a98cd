"""VoxelMorph, the learned baseline: a stationary velocity, integrated by scaling and squaring.

Balakrishnan et al. 2019, Dalca et al. 2019. It has no appearance; ``cfm`` masking leaves the tumour out of its
cost and shows the network the mask.
"""

from __future__ import annotations

from torch import Tensor

from .. import geometry
from .networks import NetworkSettings, PairUNet, RegistrationNetwork
from .pair import Pair
from .shooting import Path


class VoxelMorph(RegistrationNetwork):
    """U-Net → velocity v → exp(v) and exp(−v). The energy of its path is :func:`roughness` of v."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self.velocity = PairUNet(settings, settings.dimension)

    def forward(self, pair: Pair) -> Path:
        self.check(pair)
        velocity = self.velocity(self.small(pair))
        return Path(
            backward=geometry.resize(geometry.exponential(velocity, self.settings.steps), pair.shape),
            forward=geometry.resize(geometry.exponential(-velocity, self.settings.steps), pair.shape),
            change=None,
            energy=(roughness(velocity) * pair.moving[0, 0].numel() / velocity[0, 0].numel())[None],
        )


def roughness(velocity: Tensor) -> Tensor:
    """Σ ‖Dv‖² / (2 D²) over the grid and the batch.

    Beside ½ Σ (I − J)² its weight λ is that of the published loss, the mean squared difference and λ times the
    mean squared derivative.
    """
    return geometry.gradient(velocity).square().sum() / (2.0 * velocity.shape[1] ** 2)
