"""Heads of their own from a template's tissues: position, shape, ventricles, atrophy; torch, any device.

Positions are (1, 3, x, y, z) voxels of the atlas, on a lattice of the head's voxels about 6 mm apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from .. import geometry
from .anatomy import Anatomy
from .chance import Chance

MAPS = ("CSF", "GM", "WM", "texture", "white", "fluid")
"""What is known at every voxel of an atlas or a head."""
LATTICE_MM = 6.0
"""Of the lattice of positions: half of the finest scale of the deformations."""
SCALES_MM = (12.0, 30.0)
"""Of the deformations from head to head."""
WIDENING_STEPS = 4
CISTERNS = 0.5
"""Share of the heads whose fluid fills the hollows of the brain's base and sides."""
THICK = 0.6
"""Share of the heads whose cortex is thicker here and there."""
FOLDED = 0.8
"""Share of the heads with sulci of their own: an average template's are blurred."""
PLAIN = 0.35
"""Share of the heads with none of these: blurred cortex is no tumour, either."""


@attrs.frozen(kw_only=True)
class Atlas:
    """A template's arrays on a device."""

    maps: Tensor = attrs.field(repr=False)
    """(1, 6, X, Y, Z), order of :data:`MAPS`."""
    widening: Tensor = attrs.field(repr=False)
    """(1, 3, X, Y, Z), points towards the ventricles around their walls; length at most 1."""
    voxel_mm: float
    step: int
    """Voxels between neighbours of the coarse lattice."""
    centre: tuple[float, ...]
    """Where the middle of a head's grid lies, voxels: that of the brain's box as a rule."""
    extent: tuple[int, ...]
    """Sides of the brain's box, voxels."""


def atlas_of(anatomy: Anatomy, device: str | torch.device = "cpu") -> Atlas:
    """``anatomy`` as this module needs it."""
    parts = [*anatomy.tissues, anatomy.texture, anatomy.white, anatomy.fluid]
    maps = torch.stack([torch.as_tensor(part, dtype=torch.float32) for part in parts])[None]
    inside = torch.nonzero(maps[0, :3].sum(0) > 0.5)
    first, last = inside.min(0).values, inside.max(0).values
    return Atlas(
        maps=maps.to(device),
        widening=widening_of(maps[:, 5:], anatomy.voxel_mm).to(device),
        voxel_mm=anatomy.voxel_mm,
        step=max(1, round(LATTICE_MM / anatomy.voxel_mm)),
        centre=tuple((0.5 * (first + last)).tolist()),
        extent=tuple((last - first + 1).tolist()),
    )


def widening_of(fluid: Tensor, voxel_mm: float) -> Tensor:
    """Vectors towards the ventricles around their walls, (1, 3, X, Y, Z) from their share (1, 1, X, Y, Z)."""
    reach = max(1, round(4.0 / voxel_mm))
    for _ in range(2):
        fluid = functional.avg_pool3d(fluid, 2 * reach + 1, 1, reach, count_include_pad=False)
    slope = geometry.gradient(fluid)[:, 0]
    return slope / slope.square().sum(1, keepdim=True).sqrt().max().clamp_min(1e-6)


def sample_positions(atlas: Atlas, shape: Sequence[int], chance: Chance, misalignment: float = 1.0) -> Tensor:
    """Where the voxels of a random head lie in the atlas.

    An affine map (what an alignment leaves over, perhaps mirrored), a random diffeomorphism, ventricles wider
    or narrower than the atlas'.

    Parameters
    ----------
    atlas : Atlas
    shape : sequence of int
        (X, Y, Z) of the head's grid, in the atlas' voxel size.
    chance : Chance
    misalignment : float
        Of the affine map: with 1 heads differ in size by a tenth and are turned by up to 7 degrees, with 0 they are
        aligned.

    Returns
    -------
    positions : Tensor
        On every ``atlas.step``-th voxel.
    """
    unit = atlas.step * atlas.voxel_mm
    coarse = coarse_shape(shape, atlas.step)
    strengths = (chance.uniform(0.5, 2.0), chance.uniform(1.0, 5.0))
    fields = [
        strength / unit * chance.field(coarse, scale / unit, 3)
        for strength, scale in zip(strengths, SCALES_MM, strict=True)
    ]
    displacement = geometry.exponential((fields[0] + fields[1])[None], 4)
    matrix, shift = _alignment(atlas, shape, chance, misalignment)
    points = atlas.step * (geometry.identity_grid(displacement) + displacement)
    positions = torch.einsum("ij,njxyz->nixyz", matrix, points) + shift
    return _widened(atlas, positions, chance.uniform(-1.0, 6.0))


def _widened(atlas: Atlas, positions: Tensor, reach_mm: float) -> Tensor:
    """``positions`` carried along ``atlas.widening``: in one step, both walls of a ventricle would cross."""
    for _ in range(WIDENING_STEPS):
        pull = geometry.sample(atlas.widening, list(positions.unbind(1)))
        positions = positions + reach_mm / WIDENING_STEPS / atlas.voxel_mm * pull
    return positions


def _alignment(
    atlas: Atlas, shape: Sequence[int], chance: Chance, misalignment: float
) -> tuple[Tensor, Tensor]:
    """Matrix (3, 3) and shift (1, 3, 1, 1, 1) from the head's voxels to the atlas'."""
    skew = torch.zeros(3, 3)
    for row, column in ((0, 1), (0, 2), (1, 2)):
        skew[row, column] = misalignment * chance.uniform(-0.12, 0.12)
    common = chance.uniform(0.92, 1.08) ** misalignment
    zooms = torch.tensor([common * chance.uniform(0.93, 1.07) ** misalignment for _ in range(3)])
    if chance.happens(0.5):
        zooms[0] = -zooms[0]
    matrix = torch.linalg.matrix_exp(skew - skew.T) * zooms
    middle = torch.tensor([(size - 1) / 2 for size in shape])
    target = (
        torch.tensor(atlas.centre)
        + torch.tensor([misalignment * chance.uniform(-4, 4) for _ in shape]) / atlas.voxel_mm
    )
    shift = (target - matrix @ middle).view(1, 3, 1, 1, 1)
    return matrix.to(chance.device), shift.to(chance.device)


def coarse_shape(shape: Sequence[int], step: int) -> tuple[int, ...]:
    """Shape of the lattice of every ``step``-th voxel that covers ``shape``."""
    return tuple(-(-(size - 1) // step) + 1 for size in shape)


def read(atlas: Atlas, positions: Tensor) -> Tensor:
    """The atlas' maps (6, …) at ``positions`` (1, 3, …); 0 beyond its grid."""
    maps = geometry.sample(atlas.maps, list(positions.unbind(1)))[0]
    beyond = torch.zeros_like(maps[0], dtype=torch.bool)
    for position, size in zip(positions[0], atlas.maps.shape[2:], strict=True):
        beyond |= (position < 0) | (position > size - 1)
    return maps.masked_fill_(beyond, 0.0)


def refined(atlas: Atlas, positions: Tensor, shape: Sequence[int]) -> Tensor:
    """``positions`` (coarse lattice) at every voxel of a head's grid, (1, 3, X, Y, Z)."""
    size = [atlas.step * (n - 1) + 1 for n in positions.shape[2:]]
    fine = functional.interpolate(positions, size=size, mode="trilinear", align_corners=True)
    return fine[..., : shape[0], : shape[1], : shape[2]]


def sample_head(atlas: Atlas, positions: Tensor, shape: Sequence[int], chance: Chance) -> Tensor:
    """The maps of the head whose voxels lie at ``positions`` (coarse lattice), with wider or narrower sulci.

    Returns
    -------
    maps : Tensor
        (6, X, Y, Z), order of :data:`MAPS`; the tissues sum to at most 1, to less at the brain's edge.
    """
    maps = read(atlas, refined(atlas, positions, shape))
    brain = maps[:3].sum(0)
    maps[0] *= chance.log_uniform(0.5, 3.0)  # fluid and tissue share the voxels of a sulcus
    maps[:3] *= brain / maps[:3].sum(0).clamp_min(1e-6)
    return maps


def with_variants(maps: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """Some of what heads have and a template has not: :func:`with_cisterns`, ``_thick_cortex``, ``_sulci``."""
    for share, variant in ((CISTERNS, with_cisterns), (THICK, with_thick_cortex), (FOLDED, with_sulci)):
        if chance.happens(share):
            maps = variant(maps, voxel_mm, chance)
    return maps


def with_sulci(maps: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """Sulci of a head's own: sheets of fluid, lined with grey matter, that reach from the surface into the brain.

    They lie where a random field is near 0, and end 5 to 15 mm from the surface or a fissure; in some regions they
    are wide and their grey matter thick, in others thin.

    Parameters
    ----------
    maps : Tensor
        (6, X, Y, Z) of :func:`sample_head`.
    voxel_mm : float
    chance : Chance

    Returns
    -------
    maps : Tensor
        White and grey matter are given to fluid, and white matter to grey, in part; their sum stays.
    """
    scale_mm = chance.uniform(4.0, 9.0)
    sheets = chance.field(maps.shape[1:], scale_mm / voxel_mm)[0].abs() * scale_mm  # about the distance in mm
    surface = _near_surface(maps[1:3].sum(0), voxel_mm)
    crowded = 1 + 0.5 * chance.field(maps.shape[1:], 20.0 / voxel_mm)[0].clamp(-1.6, 3.0)
    fluid, grey, white = maps[:3]
    lining = surface * torch.sigmoid(2 * (chance.uniform(2.0, 4.0) * crowded - sheets)) * white
    opening = surface * torch.sigmoid(3 * (chance.uniform(0.5, 2.2) * crowded - sheets))
    opening = chance.uniform(0.4, 1.0) * opening * (grey + white)
    left = 1 - opening / (grey + white).clamp_min(1e-6)
    return torch.cat(
        [torch.stack([fluid + opening, (grey + lining) * left, (white - lining) * left]), maps[3:]]
    )


def with_cisterns(maps: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """Fluid in the hollows of the brain's outline: one template's mask holds the cisterns, another's does not.

    Parameters
    ----------
    maps : Tensor
        (6, X, Y, Z) of :func:`sample_head`.
    voxel_mm : float
    chance : Chance

    Returns
    -------
    maps : Tensor
        With more of CSF and fluid outside the brain.
    """
    brain = maps[:3].sum(0)
    level = chance.uniform(0.35, 0.6)
    filled = torch.sigmoid(25 * (_smooth(brain, voxel_mm, 4) - level)) * (1 - brain).clamp(0, 1)
    return torch.cat([maps[:1] + filled, maps[1:5], (maps[5:] + filled).clamp(0, 1)])


def with_thick_cortex(maps: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """Grey matter that is thicker in some regions: up to a clump, as where a cut runs along the cortex.

    Parameters
    ----------
    maps : Tensor
        (6, X, Y, Z) of :func:`sample_head`.
    voxel_mm : float
    chance : Chance

    Returns
    -------
    maps : Tensor
        White matter near grey matter is given to it, in part; their sum stays.
    """
    field = chance.field(maps.shape[1:], chance.uniform(10.0, 20.0) / voxel_mm)[0]
    level = (chance.uniform(0.35, 0.6) - 0.15 * field).clamp_min(0.2)
    moved = torch.sigmoid(20 * (_smooth(maps[1], voxel_mm, 1) - level)) * maps[2]
    return torch.cat([maps[:1], (maps[1] + moved)[None], (maps[2] - moved)[None], maps[3:]])


def _near_surface(tissue: Tensor, voxel_mm: float) -> Tensor:
    """1 at the surface of the brain and beside fissures, one half 6 mm below, near 0 from 15 mm on."""
    return (3 * (1 - _smooth(tissue, voxel_mm, 4))).clamp(0, 1)


def _smooth(share: Tensor, voxel_mm: float, times: int) -> Tensor:
    """Means over boxes of 12 mm, so many times one after the other, on voxels of 4 mm; 0 lies beyond the grid."""
    step = max(1, round(4.0 / voxel_mm))
    coarse = functional.avg_pool3d(share[None, None], step, ceil_mode=True, count_include_pad=False)
    for _ in range(times):
        coarse = functional.avg_pool3d(coarse, 3, 1, 1)
    return functional.interpolate(coarse, size=share.shape, mode="trilinear", align_corners=False)[0, 0]
