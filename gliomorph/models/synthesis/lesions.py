"""Random tumours on a grid: necrosis, enhancing rim, oedema along white matter, mass effect; torch, any device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
import torch
from torch import Tensor

from .chance import Chance
from .contrast import CLASSES


class Mass(Protocol):
    """What pushes the tissue around; lengths in mm."""

    @property
    def centre(self) -> tuple[float, ...]:
        """Place from the first voxel."""
        ...

    @property
    def radius(self) -> float:
        """Radius of what pushes."""
        ...

    @property
    def push(self) -> float:
        """Largest displacement, below 0.7 radii."""
        ...


@attrs.frozen(kw_only=True)
class Growth:
    """What one tumour is to be; lengths in mm."""

    centre: tuple[float, ...]
    """From the first voxel."""
    radius: float
    """Radius of the core (necrosis and rim)."""
    axes: tuple[float, ...]
    """The core's half axes over its radius; their product is 1."""
    rim: float
    """Thickness of what enhances; 0: nothing does."""
    reach: float
    """Reach of the oedema into white matter; 0: none."""
    roughness: float
    """Standard deviation of the core's surface over the radius."""
    push: float
    """Largest displacement of the tissue around, below 0.7 radii."""


def sample_growth(centre: Sequence[float], chance: Chance) -> Growth:
    """A random tumour at ``centre`` (mm): ring-enhancing (60 %), wholly enhancing (15 %) or not at all (25 %)."""
    radius = chance.uniform(5.0, 24.0)
    stretches = torch.tensor([chance.log_uniform(0.75, 1.33) for _ in range(3)])
    kind = chance.uniform()
    if kind < 0.25:
        rim = 0.0
    elif kind < 0.4:
        rim = 1.5 * radius
    else:
        rim = chance.uniform(0.15, 0.6) * radius
    return Growth(
        centre=tuple(centre),
        radius=radius,
        axes=tuple((stretches / stretches.prod() ** (1 / 3)).tolist()),
        rim=rim,
        reach=0.0 if chance.happens(0.1) else chance.log_uniform(0.15, 1.5) * radius,
        roughness=chance.uniform(0.08, 0.3),
        push=chance.uniform(0.0, 0.4) * radius,
    )


def mass_effect(growth: Mass, shape: Sequence[int], voxel_mm: float, device: torch.device) -> Tensor:
    """Where tissue lay before the tumour pushed it.

    u(x) = −a (x − c) / s · exp((1 − |x − c|² / s²) / 2) with the largest push a and s = 1.4 radii: along a ray
    the map has derivative 1 − a/s · √e at the centre, positive for a < 0.6 s.

    Parameters
    ----------
    growth : Mass
    shape : sequence of int
        Of the lattice wanted.
    voxel_mm : float
        Its voxel size.
    device : torch.device

    Returns
    -------
    displacement : Tensor
        (1, 3, X, Y, Z) in voxels of the lattice, from displaced to undisplaced places.
    """
    reach = 1.4 * growth.radius
    offset = _offset(growth, shape, voxel_mm, device)
    decay = torch.exp(0.5 * (1 - offset.square().sum(0) / reach**2))
    return (-growth.push / reach / voxel_mm * decay * offset)[None]


def sample_regions(growth: Growth, maps: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """Shares of necrosis, oedema and enhancing tumour.

    Parameters
    ----------
    growth : Growth
    maps : Tensor
        (6, X, Y, Z) of :func:`~.heads.sample_head`: the tumour stays in the brain and out of the ventricles,
        oedema follows white matter.
    voxel_mm : float
    chance : Chance

    Returns
    -------
    shares : Tensor
        (3, X, Y, Z) of NCR, ED, ET; in [0, 1], sum at most 1.
    """
    shape = maps.shape[1:]
    axes = torch.tensor(growth.axes, device=maps.device).view(3, 1, 1, 1)
    distance = (_offset(growth, shape, voxel_mm, maps.device) / axes).square().sum(0).sqrt()
    surface, detail, thick, spread = (
        chance.field(shape, part * growth.radius / voxel_mm)[0] for part in (0.6, 0.2, 0.5, 0.5)
    )
    outside = distance - growth.radius * (1 + growth.roughness * (surface + 0.4 * detail))
    tissue = (maps[:3].sum(0) * (1 - maps[5])).clamp(0, 1)
    sharp = voxel_mm * chance.uniform(0.15, 0.4)
    core = torch.sigmoid(-outside / sharp) * tissue
    rim = growth.rim * (1 + 0.4 * thick).clamp(0.2, 2.0)
    necrosis = core * torch.sigmoid(-(outside + rim) / sharp) if growth.rim else core
    reach = growth.reach * (1 + 0.4 * spread).clamp(0.0, 2.2) * (0.15 + 0.85 * maps[4].clamp(0, 1))
    blur = chance.uniform(0.2, 1.5)
    edema = (tissue - core) * torch.sigmoid((reach - outside) / blur) * float(growth.reach > 0)
    return torch.stack([necrosis, edema, core - necrosis])


def largest(tumor: Tensor) -> Tensor:
    """Class index of each voxel's largest share, background where none is larger; faster than ``argmax``."""
    largest = (1 - tumor.sum(0)).clamp_min(0)
    labels = torch.zeros(largest.shape, dtype=torch.int64, device=tumor.device)
    for index, share in enumerate(tumor, start=1):
        labels.masked_fill_(share > largest, index)
        largest = torch.maximum(largest, share)
    return labels


def with_spots(shares: Tensor, maps: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """Harmless lesions of white matter, small and scattered, with the signal of oedema: no tumour for all that.

    Parameters
    ----------
    shares : Tensor
        (6, X, Y, Z) of :data:`~.contrast.CLASSES`.
    maps : Tensor
        Of the head.
    voxel_mm : float
    chance : Chance

    Returns
    -------
    shares : Tensor
        White matter in the spots is given to oedema, in part.
    """
    level = chance.uniform(1.6, 2.6)
    field = chance.field(maps.shape[1:], chance.uniform(2.0, 4.0) / voxel_mm)[0]
    white, edema = CLASSES.index("WM"), CLASSES.index("ED")
    moved = (
        chance.uniform(0.3, 1.0) * torch.sigmoid(8 * (field - level)) * shares[white] * maps[4].clamp(0, 1)
    )
    shares = shares.clone()
    shares[white] -= moved
    shares[edema] += moved
    return shares


def _offset(growth: Mass, shape: Sequence[int], voxel_mm: float, device: torch.device) -> Tensor:
    """From the centre to every voxel in mm, (3, X, Y, Z)."""
    axes = [
        voxel_mm * torch.arange(size, dtype=torch.float32, device=device) - centre
        for size, centre in zip(shape, growth.centre, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))
