"""Tumours of a given volume that grow along white matter; torch, any device.

The time that a front needs from the tumour's seats to every voxel (fast in white matter, slow in grey, hardly through
fluid) is mixed with the plain distance; the whole tumour is where this score is lowest, up to the volume wanted. The
core and its rim follow in the same way inside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from ..chance import Chance
from . import anatomy

LARGEST_SHARE = 0.4
"""Of the brain's tissue that a tumour fills at most."""
STRONGEST_PUSH = 0.4
"""Share of the core's radius by which tissue is displaced at most."""
BARRIER = 12.0
"""How many times longer a front takes through fluid than through white matter."""


@attrs.frozen(kw_only=True)
class Plan:
    """What one patient's tumour is to be."""

    volume_ml: float
    """Volume of the whole tumour, all foci together."""
    core: float
    """Share of it that is necrosis or enhances."""
    enhancing: float
    """Share of the core that enhances, from its surface on."""
    grey: float
    """How many times longer the front takes through grey matter than through white."""
    geodesic: float
    """Weight of the front's time beside the plain distance, in [0, 1]."""
    roughness: float
    """Standard deviation of the border over the tumour's radius."""
    foci: int
    push: float
    """Largest displacement of the tissue around, as a share of the core's radius; below 0.7."""

    @property
    def radius_mm(self) -> float:
        """Radius of a ball of the tumour's volume."""
        return ball_radius(self.volume_ml)

    @property
    def core_radius_mm(self) -> float:
        """Radius of a ball of the core's volume."""
        return ball_radius(self.core * self.volume_ml)


@attrs.frozen(kw_only=True)
class Pushing:
    """What displaces the tissue around (:class:`~gliomorph.models.synthesis.lesions.Mass`)."""

    centre: tuple[float, ...]
    radius: float
    push: float


def ball_radius(volume_ml: float) -> float:
    """Radius (mm) of a ball of this volume."""
    return float((750 * volume_ml / torch.pi) ** (1 / 3))


def sample_plan(chance: Chance) -> Plan:
    """A random tumour: large (100 to 250 ml) as often as small (3 to 40 ml); a quarter has more than one focus."""
    size = chance.uniform()
    if size < 0.35:
        volume = chance.uniform(100.0, 250.0)
    elif size < 0.7:
        volume = chance.log_uniform(3.0, 40.0)
    else:
        volume = chance.uniform(40.0, 100.0)
    kind = chance.uniform()
    if kind < 0.18:
        enhancing = 0.0
    elif kind < 0.28:
        enhancing = 1.0
    elif kind < 0.35:
        enhancing = chance.uniform(0.02, 0.15)
    else:
        enhancing = chance.uniform(0.15, 0.85)
    return Plan(
        volume_ml=volume,
        core=chance.uniform(0.1, 0.7) if enhancing else chance.uniform(0.3, 1.0),
        enhancing=enhancing,
        grey=chance.uniform(1.5, 5.0),
        geodesic=chance.uniform(0.3, 1.0),
        roughness=chance.uniform(0.05, 0.25),
        foci=1 if chance.happens(0.75) else 2 + chance.integer(3),
        push=chance.uniform(0.0, STRONGEST_PUSH),
    )


def pushing(plan: Plan, seats: Tensor) -> Pushing:
    """The first focus' core as what displaces the tissue."""
    radius = plan.core_radius_mm
    return Pushing(centre=tuple(seats[0].tolist()), radius=radius, push=plan.push * radius)


def sample_seats(possible: Tensor, plan: Plan, unit_mm: float, chance: Chance) -> Tensor:
    """Where the foci sit, (foci, 3) mm from the first voxel: one anywhere, the others within three radii of it.

    Parameters
    ----------
    possible : Tensor
        Bool (x, y, z): where there may be one.
    plan : Plan
    unit_mm : float
        Voxel size of ``possible``.
    chance : Chance
    """
    places = torch.nonzero(possible).float() * unit_mm
    first = places[chance.integer(len(places))]
    near = places[(places - first).norm(dim=1) < max(20.0, 3 * plan.radius_mm)]
    others = [near[chance.integer(len(near))] for _ in range(plan.foci - 1)]
    return torch.stack([first, *others])


def grow(plan: Plan, seats: Tensor, maps: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """Shares of necrosis, oedema and enhancing tumour.

    Parameters
    ----------
    plan : Plan
    seats : Tensor
        (foci, 3), mm from the first voxel.
    maps : Tensor
        (15, X, Y, Z) of :data:`~.anatomy.MAPS`.
    voxel_mm : float
    chance : Chance

    Returns
    -------
    shares : Tensor
        (3, X, Y, Z) of NCR, ED, ET; in [0, 1], sum at most 1.
    """
    shape = maps.shape[1:]
    room = room_of(maps)
    delays = [0.0] + [chance.uniform(0.0, 0.6) * plan.radius_mm for _ in seats[1:]]
    plain = distance(seats, delays, shape, voxel_mm)
    front = travel_time(seats, delays, maps, plan.grey, voxel_mm)
    surface, detail, core_surface, depth_noise = (
        chance.field(shape, max(1.0, part * radius / voxel_mm))[0]
        for part, radius in (
            (0.5, plan.radius_mm), (0.15, plan.radius_mm), (0.4, plan.core_radius_mm), (0.3, plan.core_radius_mm),
        )
    )  # fmt: skip
    rough = plan.roughness * plan.radius_mm
    score = plain.lerp(front, plan.geodesic) + rough * (surface + 0.4 * detail)
    sharp = voxel_mm * chance.uniform(0.15, 0.5)
    volume = min(plan.volume_ml, LARGEST_SHARE * float((room > 0.5).sum()) * voxel_mm**3 / 1000)
    whole, border = _lowest(score, room, volume, voxel_mm, sharp)
    # the core is rounder than the oedema, and nowhere outside of it
    core_score = plain.lerp(front, 0.5 * plan.geodesic) + plan.roughness * plan.core_radius_mm * core_surface
    core_score = core_score + 4 * (score - border).clamp_min(0)
    core, core_border = _lowest(core_score, whole, plan.core * volume, voxel_mm, sharp)
    depth = core_score - core_border + 0.25 * plan.core_radius_mm * depth_noise
    inner_ml = plan.core * (1 - plan.enhancing) * volume
    necrosis, _ = _lowest(depth, core, inner_ml, voxel_mm, sharp)
    necrosis = core if plan.enhancing == 0 else torch.minimum(necrosis, core)
    return torch.stack([necrosis, (whole - core).clamp_min(0), core - necrosis])


def room_of(maps: Tensor) -> Tensor:
    """How much of a voxel a tumour may take: tissue, and narrow sulci, which experts draw over, in part."""
    sulci, ventricles = maps[0], maps[1]
    return (maps[-1] - ventricles - 0.6 * sulci).clamp(0, 1)


def _lowest(
    score: Tensor, room: Tensor, volume_ml: float, voxel_mm: float, sharp: float
) -> tuple[Tensor, float]:
    """Share (X, Y, Z) of where ``score`` (mm) is lowest in ``room``, up to a volume; and the highest score in it."""
    scores = score[room > 0.5]
    count = min(round(1000 * volume_ml / voxel_mm**3), len(scores))
    if count < 1:
        return torch.zeros_like(score), float("-inf")
    border = float(scores.kthvalue(count).values)
    return torch.sigmoid((border - score) / sharp) * room, border


def distance(seats: Tensor, delays: Sequence[float], shape: Sequence[int], voxel_mm: float) -> Tensor:
    """Distance (mm) to the nearest seat, each with a delay (mm), (X, Y, Z)."""
    axes = [voxel_mm * torch.arange(size, dtype=torch.float32, device=seats.device) for size in shape]
    nearest = torch.full(tuple(shape), torch.inf, device=seats.device)
    for seat, delay in zip(seats, delays, strict=True):
        x, y, z = ((axis - place).square() for axis, place in zip(axes, seat, strict=True))
        squares = x[:, None, None] + y[None, :, None] + z[None, None, :]
        nearest = torch.minimum(nearest, squares.sqrt() + delay)
    return nearest


def travel_time(seats: Tensor, delays: Sequence[float], maps: Tensor, grey: float, voxel_mm: float) -> Tensor:
    """Time of a front in mm of white matter, (X, Y, Z); found on a lattice of about 6 mm."""
    step = max(1, round(6.0 / voxel_mm))
    white = sum(maps[anatomy.MAPS.index(name)] for name in ("white", "arbor", "stem"))
    tissue = maps[anatomy.TISSUE].sum(0)
    cost = BARRIER + (grey - BARRIER) * tissue + (1 - grey) * white
    coarse = functional.avg_pool3d(cost[None, None], step, ceil_mode=True, count_include_pad=False)
    unit = step * voxel_mm
    middle = seats - 0.5 * (step - 1) * voxel_mm  # the lattice's voxels hold `step` of the grid's
    start = distance(middle, delays, coarse.shape[2:], unit)
    beside = distance(middle, [0.0] * len(seats), coarse.shape[2:], unit) < 1.2 * unit
    steps = coarse.clamp_min(0.5) * unit
    time = torch.where(beside, start, torch.inf)[None, None]
    for number in range(_iterations(coarse.shape[2:])):
        time = torch.minimum(time, _least_neighbour(time, number % 2 == 0) + steps)
    fine = functional.interpolate(
        time.clamp_max(1e4), scale_factor=step, mode="trilinear", align_corners=False
    )[0, 0]
    x, y, z = maps.shape[1:]
    return fine[:x, :y, :z]


def _iterations(shape: Sequence[int]) -> int:
    """Enough to cross most of a brain."""
    return round(0.6 * max(shape))


def _least_neighbour(time: Tensor, diagonal: bool) -> Tensor:
    """Least value among 26 neighbours or among 6: in turns they make a front nearly round."""
    if diagonal:
        return -functional.max_pool3d(-time, 3, 1, 1)
    sides = [(3, 1, 1), (1, 3, 1), (1, 1, 3)]
    pooled = [-functional.max_pool3d(-time, side, 1, tuple(n // 2 for n in side)) for side in sides]
    return torch.minimum(torch.minimum(pooled[0], pooled[1]), pooled[2])
