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
from .flow import limited
from .networks import NetworkSettings, PairUNet, RegistrationNetwork
from .objective import appearance_mask
from .pair import Pair
from .pull import Pull
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
    """T residual blocks → z_1 … z_T (Eq. 5.6), one velocity each; the last of them perhaps at smaller voxels."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self.stages = stages_of(settings)
        self.blocks = nn.ModuleList(
            ResidualBlock(settings, stage.width) for stage in self.stages for _ in range(stage.steps)
        )
        # A coarse z_0, read at any shape: it is the same for all pairs, hence as smooth as they are many.
        self.start = nn.Parameter(torch.zeros(1, settings.modalities, *[START_NODES] * settings.dimension))
        if settings.guided:
            # of each step: how much of the pull is followed, and of the z before it kept
            self.gain = nn.Parameter(torch.full((len(self.blocks),), FIRST_GAIN))
            self.kept = nn.Parameter(torch.full((len(self.blocks),), FIRST_KEPT))

    def forward(self, pair: Pair, watch: Watch | None = None) -> Path:
        """The path; ``watch`` sees each of its states."""
        self.check(pair)
        states: list[tuple[Tensor, Tensor]] = []

        def remember(step: int, backward: Tensor, forward: Tensor, change: Tensor) -> None:
            states.append((backward, forward))
            if watch is not None:
                watch(step, backward, change)

        path = self._integrate(pair, remember)
        if not self.settings.sharp:
            return path
        rate = self.settings.mu**2 * momentum_unit(self.settings.sigma_mm)
        again = self.training and self.checkpointed
        change = sharp_change(self.blocks, self.start, pair, states[:-1], rate, again)
        return attrs.evolve(path, change=change)

    def _integrate(self, pair: Pair, reached: Callable[[int, Tensor, Tensor, Tensor], None]) -> Path:
        """The path through all stages, at the voxels of ``pair``."""
        batch, dimension = pair.moving.shape[0], self.settings.dimension
        small = self.small(pair, self.stages[0].voxel_mm)
        z = geometry.stretch(self.start, small.shape).expand(batch, *[-1] * (dimension + 1))
        change = torch.zeros_like(small.moving)
        backward = forward = change.new_zeros(batch, dimension, *[1] * dimension)
        energies, done = [], 0
        for stage in self.stages:
            small = self.small(pair, stage.voxel_mm)
            advance, nodes = self._advance(small, stage)
            z, change = geometry.stretch(z, small.shape), geometry.stretch(change, small.shape)
            backward, forward = (in_voxels(u, nodes) for u in (backward, forward))
            again = self.training and self.checkpointed
            for step in range(done, done + stage.steps):
                reached(step, backward, forward, change)
                state = (torch.tensor(step), z, change, backward, forward)
                z, change, backward, forward, energy = (
                    checkpoint(advance, *state, use_reentrant=False) if again else advance(*state)
                )
                energies.append(energy * (math.prod(pair.shape) / math.prod(small.shape)))
            done += stage.steps
        reached(done, backward, forward, change)
        return Path(
            backward=backward,
            forward=forward,
            change=geometry.stretch(change, pair.shape) if self.settings.mu else None,
            energy=torch.stack(energies),
        )

    def _advance(self, pair: Pair, stage: Stage) -> tuple[Callable[..., tuple[Tensor, ...]], tuple[int, ...]]:
        """One time step at the voxels of ``pair``, and the nodes on which its maps live."""
        settings, total = self.settings, len(self.blocks)
        kernel = Kernel(pair.shape, pair.spacing_mm, (stage.sigma_mm,), like=pair.moving)
        where = appearance_mask(pair, settings.masking)
        per_node = geometry.columns(kernel.coarse_mm, pair.moving)
        unit, modalities = momentum_unit(stage.sigma_mm), settings.modalities
        pull = Pull(pair, stage.sigma_mm / stage.voxel_mm) if settings.guided else None

        def advance(
            step: Tensor, z: Tensor, change: Tensor, backward: Tensor, forward: Tensor
        ) -> tuple[Tensor, ...]:
            """z, A, ψ, φ one step later, and the energy of the step."""
            number = int(step)
            source = torch.cat([pair.moving + where * change, where], 1)
            moved_by = in_voxels(backward, pair.shape)
            image, mask = geometry.warp(source, moved_by).split([modalities, 1], 1)
            block, followed = self.blocks[number], None
            if pull is not None:
                followed = pull(image.detach(), moved_by.detach()) * (total / unit)
                z = self.kept[number] * z + self.gain[number] * followed
            z = z - block(z, image, pair.fixed, mask, followed) / total
            shaping = (1.0 - mask) * z if settings.apart else z
            slope = geometry.gradient(image, pair.spacing_mm)
            force = kernel.restrict(unit * (shaping[:, :, None] * slope).sum(1))
            velocity = -kernel.smooth(force)
            energy = -kernel.voxels_per_node * (force * velocity).sum()
            if settings.mu:
                energy = energy + (settings.mu * unit) ** 2 * (mask * z**2).sum()
                carried = geometry.warp(z, in_voxels(forward, pair.shape))
                change = change + (settings.mu**2 * unit / total) * carried
            moved = velocity / (total * per_node)
            if pull is not None:
                moved = limited(moved, LONGEST)
            return (z, change, geometry.compose(backward, -moved), geometry.compose(moved, forward), energy)

        return advance, kernel.coarse_shape


FIRST_GAIN, FIRST_KEPT = 0.8, 0.6
"""Of a guided network before it has learnt anything."""
LONGEST = 0.4
"""Nodes by which a guided step moves a point at most: such steps do not fold."""
START_NODES = 16
"""Nodes of the learnt z_0 along each axis."""


class ResidualBlock(nn.Module):
    """f_θt (Fig. 5.2): conv 3 → h → h → C, without bias; its output begins at nearly 0."""

    def __init__(self, settings: NetworkSettings, width: int) -> None:
        super().__init__()
        conv = convolution(settings.dimension)
        self.sees_mask = settings.sees_mask
        channels = (3 + settings.guided) * settings.modalities + settings.sees_mask
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

    def forward(
        self, z: Tensor, image: Tensor, fixed: Tensor, mask: Tensor, pull: Tensor | None = None
    ) -> Tensor:
        """Change of z per unit time, (batch, C, …), from z_t, I_t, J and, where asked for, m_t and the pull."""
        others = [mask] if self.sees_mask else []
        seen = torch.cat([z, image, fixed, *others, *([] if pull is None else [pull])], 1)
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


@attrs.frozen
class Stage:
    """Some of a network's time steps, at voxels of their own."""

    voxel_mm: float
    sigma_mm: float
    """Width of the kernel."""
    steps: int
    width: int
    """Channels of the residual blocks."""


def stages_of(settings: NetworkSettings) -> list[Stage]:
    """The stages of a MetaMorph-R, coarse to fine."""
    coarse = Stage(settings.voxel_mm, settings.sigma_mm, settings.steps, settings.width)
    fine = Stage(settings.fine_voxel_mm, settings.fine_sigma_mm, settings.fine_steps, settings.fine_width)
    return [stage for stage in (coarse, fine) if stage.steps]


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
