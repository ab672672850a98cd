"""MetaMorph: metamorphoses that a network predicts (thesis, Ch. 5).

**G** predicts the momentum z_0 of a geodesic from the pair (§5.2.1). **R** predicts the whole path (§5.2.2):
z_{t+1} = z_t − δ f_θt(z_t, I_t, J), with T residual blocks f and a z_0 that is learnt once for all pairs. From
z_t on, both are the same: v_t = −K(z_t ∇I_t), a flow of that velocity, appearance μ² z_t inside the moving mask.

The path of R is integrated in the source frame like a geodesic (:mod:`.shooting`), save that z is not carried
by the flow but comes from the network at each time:

    A_{t+1} = A_t + δ μ² z_t∘φ_t        I_t = (I_0 + m_0 A_t)∘ψ_t

so that image and mask are each interpolated once, whatever T (Eq. 5.9).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from .. import geometry
from ..kernels import Kernel, in_voxels
from ..unet import convolution
from .networks import NetworkSettings, PairUNet, RegistrationNetwork
from .objective import appearance_mask
from .pair import Pair
from .sharp import sharp_change
from .shooting import Path, shoot

Watch = Callable[[int, Tensor, Tensor], None]
"""Called with the step, ψ_t − Id and A_t, of a path of R."""


def momentum_unit(sigma_mm: float) -> float:
    """z that moves a long, straight edge of contrast 0.1 by 1 mm: √(2π) σ / 0.1. Networks compute in it."""
    return 10.0 * math.sqrt(2.0 * math.pi) * sigma_mm


class MetaMorphG(RegistrationNetwork):
    """U-Net → z_0 → geodesic shooting (Alg. 5.1, in the sharp scheme)."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self.momentum = PairUNet(settings, settings.modalities)

    def forward(self, pair: Pair) -> Path:
        self.check(pair)
        small = self.small(pair)
        momentum = momentum_unit(self.settings.sigma_mm) * self.momentum(small)
        geodesic = shoot(
            momentum,
            small.moving,
            kernel_of(self.settings, small),
            small.spacing_mm,
            self.settings.steps,
            self.settings.mu,
            appearance_mask(small, self.settings.masking),
            checkpointed=self.training and self.checkpointed,
        )
        return at_full_resolution(geodesic, small, pair)


class MetaMorphR(RegistrationNetwork):
    """T residual blocks → z_1 … z_T (Eq. 5.6), one velocity each."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self.blocks = nn.ModuleList(ResidualBlock(settings) for _ in range(settings.steps))
        # A coarse z_0, read at any shape: it is the same for all pairs, hence as smooth as they are many.
        self.start = nn.Parameter(torch.zeros(1, settings.modalities, *[START_NODES] * settings.dimension))

    def forward(self, pair: Pair, watch: Watch | None = None) -> Path:
        """The path; ``watch`` sees each of its states."""
        self.check(pair)
        small = self.small(pair)
        states: list[tuple[Tensor, Tensor]] = []

        def remember(step: int, backward: Tensor, forward: Tensor, change: Tensor) -> None:
            states.append((backward, forward))
            if watch is not None:
                watch(step, backward, change)

        path = at_full_resolution(self._integrate(small, remember), small, pair)
        if not self.settings.sharp:
            return path
        rate = self.settings.mu**2 * momentum_unit(self.settings.sigma_mm)
        again = self.training and self.checkpointed
        change = sharp_change(self.blocks, self.start, pair, states[:-1], rate, again)
        return attrs.evolve(path, change=change)

    def _integrate(self, pair: Pair, reached: Callable[[int, Tensor, Tensor, Tensor], None]) -> Path:
        settings, batch = self.settings, pair.moving.shape[0]
        kernel = kernel_of(settings, pair)
        where = appearance_mask(pair, settings.masking)
        per_node = geometry.columns(kernel.coarse_mm, pair.moving)
        unit, modalities = momentum_unit(settings.sigma_mm), settings.modalities

        def advance(
            block: nn.Module, z: Tensor, change: Tensor, backward: Tensor, forward: Tensor
        ) -> tuple[Tensor, ...]:
            """z, A, ψ, φ one step later, and the energy of the step."""
            source = torch.cat([pair.moving + where * change, where], 1)
            image, mask = geometry.warp(source, in_voxels(backward, pair.shape)).split([modalities, 1], 1)
            z = z - block(z, image, pair.fixed, mask) / settings.steps
            shaping = (1.0 - mask) * z if settings.apart else z
            slope = geometry.gradient(image, pair.spacing_mm)
            force = kernel.restrict(unit * (shaping[:, :, None] * slope).sum(1))
            velocity = -kernel.smooth(force)
            energy = -kernel.voxels_per_node * (force * velocity).sum()
            if settings.mu:
                energy = energy + (settings.mu * unit) ** 2 * (mask * z**2).sum()
                carried = geometry.warp(z, in_voxels(forward, pair.shape))
                change = change + (settings.mu**2 * unit / settings.steps) * carried
            moved = velocity / (settings.steps * per_node)
            return (z, change, geometry.compose(backward, -moved), geometry.compose(moved, forward), energy)

        z = geometry.stretch(self.start, pair.shape).expand(batch, *[-1] * (pair.moving.dim() - 1))
        change = torch.zeros_like(pair.moving)
        backward = forward = change.new_zeros(batch, settings.dimension, *kernel.coarse_shape)
        repeated = self.training and self.checkpointed
        energies = []
        for step, block in enumerate(self.blocks):
            reached(step, backward, forward, change)
            state = (block, z, change, backward, forward)
            z, change, backward, forward, energy = (
                checkpoint(advance, *state, use_reentrant=False) if repeated else advance(*state)
            )
            energies.append(energy)
        reached(len(self.blocks), backward, forward, change)
        return Path(
            backward=backward,
            forward=forward,
            change=change if settings.mu else None,
            energy=torch.stack(energies),
        )


START_NODES = 16
"""Nodes of the learnt z_0 along each axis."""


class ResidualBlock(nn.Module):
    """f_θt (Fig. 5.2): conv 3 → h → h → C, without bias; its output begins at nearly 0."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        conv, width = convolution(settings.dimension), settings.width
        self.sees_mask = settings.sees_mask
        channels = 3 * settings.modalities + settings.sees_mask
        first = FilledConv3d if settings.dimension == 3 else conv
        last = conv(width, settings.modalities, 3, padding=1, bias=False)
        self.layers = nn.Sequential(
            first(channels, width, 3, padding=1, bias=False),
            nn.LeakyReLU(0.01),
            nn.Dropout(settings.dropout),
            conv(width, width, 3, padding=1, bias=False),
            nn.LeakyReLU(0.01),
            last,
        )
        nn.init.normal_(last.weight, std=1e-3)

    def forward(self, z: Tensor, image: Tensor, fixed: Tensor, mask: Tensor) -> Tensor:
        """Change of z per unit time, (batch, C, …), from z_t, I_t, J and, where the settings say so, m_t."""
        seen = torch.cat([z, image, fixed, *([mask] if self.sees_mask else [])], 1)
        with torch.autocast("cuda", torch.bfloat16, enabled=seen.is_cuda):
            change: Tensor = self.layers(seen)
        return change.to(seen.dtype).contiguous()


class FilledConv3d(nn.Conv3d):
    """A convolution whose few input channels are filled up with zeros on the CPU.

    For so few of them torch has a slower path of its own there.
    """

    def forward(self, image: Tensor) -> Tensor:
        if image.is_cuda:
            return super().forward(image)
        lacking = (*[0] * 7, max(0, LEAST_CHANNELS - self.in_channels))
        wide, weight = functional.pad(image, lacking), functional.pad(self.weight, lacking)
        return functional.conv3d(
            wide.contiguous(memory_format=torch.channels_last_3d), weight, self.bias, padding=self.padding
        )


LEAST_CHANNELS = 16
"""From which on, on the grids of brains, torch takes oneDNN's convolution."""


def kernel_of(settings: NetworkSettings, pair: Pair) -> Kernel:
    """K on the grid of ``pair``."""
    return Kernel(pair.shape, pair.spacing_mm, (settings.sigma_mm,), like=pair.moving)


def at_full_resolution(path: Path, small: Pair, pair: Pair) -> Path:
    """The path with its change on the grid of ``pair`` and its energy in that grid's voxels."""
    change = path.change
    return Path(
        backward=path.backward,
        forward=path.forward,
        change=None if change is None else geometry.stretch(change, pair.shape),
        energy=path.energy * (math.prod(pair.shape) / math.prod(small.shape)),
    )
