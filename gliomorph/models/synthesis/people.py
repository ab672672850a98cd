"""Individuals painted from label maps of their heads, with or without a tumour; torch, any device.

In contrast to :mod:`~.heads`, whose heads are a template's, bent, these are people's own: sulci, ventricles, atrophy.
:func:`individual_of` once a label map; then everything of a portrait follows from one source of chance.
Positions are (1, 3, X, Y, Z) voxels of the label map.
"""

from __future__ import annotations

import attrs
import numpy as np
import torch
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn import functional

from .. import geometry
from . import artefacts, lesions
from .chance import Chance
from .palette import Palette
from .structures import BY_NUMBER, COMPARED

CLOSING_MM = 7.0
"""Sulci narrower than twice this belong to the brain that a skull-stripping leaves."""
MARGIN_MM = 6.0
"""Around the brain, of the label map that is kept and of the portrait."""
PARTIAL_MM = 0.55
"""Standard deviation of the blur between structures: what one voxel of 1 mm holds of two."""
WHITE_MM = 3.0
"""Of the blur of white matter, along which oedema spreads."""
CHANNELS = ("CSF", "GM", "WM", "texture", "white", "fluid", "mask")
"""Of :attr:`Individual.maps`: those of :data:`~.heads.MAPS`, and the mask."""
AROUND = (24,)
"""Fluid around the brain, which belongs to it in sulci alone."""
DEEP = 0.5
"""Tumours are centred where this share of the blurred surroundings is white matter, if there is such a place."""


@attrs.frozen(kw_only=True)
class Individual:
    """One person's label map, cropped to the brain, and what follows from it; on a device."""

    labels: Tensor = attrs.field(repr=False)
    """(X, Y, Z) int64, numbers of :mod:`~.structures`."""
    maps: Tensor = attrs.field(repr=False)
    """(7, X, Y, Z) of :data:`CHANNELS`."""
    first: tuple[int, ...]
    """The voxel of the given label map where the crop begins."""
    voxel_mm: float


@attrs.frozen(kw_only=True)
class Portrait:
    """What is seen of an individual, on a grid of its own."""

    image: Tensor = attrs.field(repr=False)
    """(X, Y, Z) in (0, 1] in the brain, 0 outside."""
    brain: Tensor = attrs.field(repr=False)
    """Bool."""
    labels: Tensor = attrs.field(repr=False)
    """int64: the structure at every voxel of the brain, below the tumour as well; 0 outside."""
    tumor: Tensor = attrs.field(repr=False)
    """int64 class indices: 0 none, 1 NCR, 2 ED, 3 ET."""


def individual_of(labels: np.ndarray, voxel_mm: float, device: str | torch.device = "cpu") -> Individual:
    """A label map as the painter needs it.

    Parameters
    ----------
    labels : ndarray of int, shape (X, Y, Z)
        Numbers of :mod:`~.structures`; a whole head or a brain.
    voxel_mm : float
        Voxel size (isotropic).
    device : str or torch.device

    Raises
    ------
    ValueError
        Numbers that are no structures, or no brain.
    """
    unknown = sorted(set(np.unique(labels).tolist()) - set(BY_NUMBER))
    if unknown:
        raise ValueError(
            f"labels {', '.join(map(str, unknown))} are none of FreeSurfer's that are known here"
        )
    brain = _of_kind(labels, "tissue", "fluid") & ~np.isin(labels, AROUND)
    if not np.isin(labels, COMPARED["cerebral white matter"]).any():
        raise ValueError("a label map with cerebral white matter (2, 41) is required: tumours grow there")
    margin = int(np.ceil((CLOSING_MM + MARGIN_MM) / voxel_mm))
    places = np.argwhere(brain)
    first = np.maximum(places.min(0) - margin, 0)
    box = tuple(slice(a, b) for a, b in zip(first, places.max(0) + margin + 1, strict=True))
    cut = np.ascontiguousarray(labels[box]).astype(np.int64)
    return Individual(
        labels=torch.as_tensor(cut, device=device),
        maps=torch.as_tensor(_maps(cut, brain[box], voxel_mm), device=device),
        first=tuple(int(voxel) for voxel in first),
        voxel_mm=voxel_mm,
    )


def _of_kind(labels: np.ndarray, *kinds: str) -> np.ndarray:
    return np.isin(labels, [number for number, one in BY_NUMBER.items() if one.kind in kinds])


def _maps(labels: np.ndarray, brain: np.ndarray, voxel_mm: float) -> np.ndarray:
    """Shares of tissue, (7, X, Y, Z) float32."""
    reach = CLOSING_MM / voxel_mm
    wide = distance_transform_edt(~brain) <= reach
    mask = (distance_transform_edt(wide) > reach) | brain
    mask = binary_fill_holes(mask & _of_kind(labels, "tissue", "fluid"))
    fluid = _of_kind(labels, "fluid") & mask
    white = np.isin(labels, [number for number, one in BY_NUMBER.items() if one.white])
    parts = np.stack([fluid, brain & ~fluid & ~white, white, np.zeros_like(white), white, fluid, mask])
    blurs = [WHITE_MM if name == "white" else PARTIAL_MM for name in CHANNELS]
    shares = [
        gaussian_filter(part.astype(np.float32), blur / voxel_mm, mode="nearest")
        for part, blur in zip(parts, blurs, strict=True)
    ]
    return np.stack(shares)


def sample_positions(
    person: Individual, chance: Chance, voxel_mm: float, tilt_deg: float = 8.0
) -> tuple[Tensor, np.ndarray]:
    """Where the voxels of a scan lie in the label map: a grid of its own, turned and shifted, that holds the brain.

    Returns
    -------
    positions : Tensor
    matrix : ndarray, (4, 4)
        Voxels of the scan to voxels of the label map as it was given (before the crop).
    """
    angles = [chance.uniform(-tilt_deg, tilt_deg) for _ in range(3)]
    axes = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    places = torch.nonzero(person.maps[CHANNELS.index("mask")] > 0.5).double().cpu().numpy() * person.voxel_mm
    along = places @ axes
    margins = [MARGIN_MM + chance.uniform(0.0, voxel_mm) for _ in range(3)]
    start = along.min(0) - margins
    shape = np.ceil((along.max(0) + MARGIN_MM - start) / voxel_mm).astype(int) + 1
    matrix = np.eye(4)
    matrix[:3, :3] = axes * voxel_mm / person.voxel_mm
    matrix[:3, 3] = axes @ start / person.voxel_mm
    positions = _mapped(torch.zeros(1, 3, *shape, device=chance.device), matrix)
    matrix[:3, 3] += person.first
    return positions, matrix


def _mapped(displacement: Tensor, matrix: np.ndarray) -> Tensor:
    linear, shift = (torch.as_tensor(part, dtype=torch.float32) for part in (matrix[:3, :3], matrix[:3, 3]))
    points = geometry.identity_grid(displacement) + displacement
    moved = torch.einsum("ij,njxyz->nixyz", linear.to(points.device), points)
    return moved + shift.view(1, 3, 1, 1, 1).to(points.device)


def sample_growth(person: Individual, positions: Tensor, voxel_mm: float, chance: Chance) -> lesions.Growth:
    """A random tumour (:func:`~.lesions.sample_growth`) that is centred in the cerebrum's white matter."""
    white = torch.tensor(COMPARED["cerebral white matter"], device=positions.device)
    inside = torch.isin(labels_at(person, positions), white)
    share = geometry.sample(person.maps[None, CHANNELS.index("white"), None], list(positions.unbind(1)))[0, 0]
    deep = inside & (share > DEEP)
    seats = torch.nonzero(deep if deep.any() else inside)
    centre = seats[chance.integer(len(seats))] * voxel_mm
    return lesions.sample_growth(centre.tolist(), chance)


def pushed(positions: Tensor, growth: lesions.Growth, voxel_mm: float) -> Tensor:
    """``positions`` of the head that a tumour has displaced (:func:`~.lesions.mass_effect`)."""
    displacement = lesions.mass_effect(growth, positions.shape[2:], voxel_mm, positions.device)
    return geometry.warp(positions, displacement)


def labels_at(person: Individual, positions: Tensor) -> Tensor:
    """The labels (X, Y, Z) at ``positions``, those of the nearest voxel; 0 beyond the grid."""
    sizes = geometry.columns(person.labels.shape, positions)
    nearest = positions.round()
    beyond = ((nearest < 0) | (nearest > sizes - 1)).any(1)[0]
    x, y, z = nearest.clamp_min(0).minimum(sizes - 1).long()[0]
    return person.labels[x, y, z].masked_fill(beyond, 0)


@torch.no_grad()
def paint(
    person: Individual,
    palette: Palette,
    positions: Tensor,
    voxel_mm: float,
    chance: Chance,
    growth: lesions.Growth | None = None,
) -> Portrait:
    """The skull-stripped scan of an individual.

    Parameters
    ----------
    person : Individual
    palette : Palette
    positions : Tensor
        Of the scan's voxels, mass effect included.
    voxel_mm : float
        Of the scan (isotropic).
    chance : Chance
    growth : Growth, optional
        The tumour; none where it is not given.
    """
    points = list(positions.unbind(1))
    signal = geometry.sample(tissue_signal(person, palette, chance)[None, None], points)[0, 0]
    maps = geometry.sample(person.maps[None], points)[0]
    labels = labels_at(person, positions)
    brain = (maps[CHANNELS.index("mask")] > 0.5) & (labels > 0)
    tumor = torch.zeros(3, *signal.shape, device=signal.device)
    if growth is not None:
        tumor = lesions.sample_regions(growth, maps[: len(CHANNELS) - 1], voxel_mm, chance)
    signal = with_tumor(signal, tumor, palette, voxel_mm, chance)
    return Portrait(
        image=artefacts.corrupt(signal, brain, voxel_mm, chance, good_scan=True),
        brain=brain,
        labels=labels * brain,
        tumor=lesions.largest(tumor) * brain,
    )


def tissue_signal(person: Individual, palette: Palette, chance: Chance) -> Tensor:
    """What the head would show without tumour, scanner and noise: (X, Y, Z), on the label map's grid.

    The means of the labels with texture on two scales (1 and 3 mm), blurred: the blur mixes the structures of
    neighbouring voxels as their shares, smoothed one by one, would be mixed.
    """
    mean, sd = palette.tables(person.labels.unique().tolist(), person.labels.device)
    shape, voxel_mm = person.labels.shape, person.voxel_mm
    grain = chance.normal(shape) + chance.field(shape, 3.0 / voxel_mm)[0]
    slow = chance.field(shape, 15.0 / voxel_mm)[0]
    signal = mean[person.labels] + sd[person.labels] * (0.6 * grain + 0.5 * slow)
    return _blurred(signal, PARTIAL_MM / voxel_mm).clamp_min(0)


def with_tumor(signal: Tensor, tumor: Tensor, palette: Palette, voxel_mm: float, chance: Chance) -> Tensor:
    """``signal`` (X, Y, Z) where shares of NCR, ED and ET (3, X, Y, Z) replace it, patchy on two scales."""
    coarse, fine = torch.cat([chance.field(signal.shape, scale / voxel_mm) for scale in (6.0, 3.0)])
    patchy = 1 + chance.uniform(-0.15, 0.15) * coarse + chance.uniform(-0.1, 0.1) * fine
    means = torch.tensor(palette.tumor, device=signal.device)
    own = torch.tensordot(means, tumor, dims=1) * patchy
    return (signal * (1 - tumor.sum(0)) + own).clamp_min(0)


def _blurred(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (X, Y, Z), edges repeated."""
    reach = max(1, round(3 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=image.device) / sigma) ** 2)
    weights = weights / weights.sum()
    blurred = image[None, None]
    for axis in range(3):
        sides, pads = [1, 1, 1], [0] * 6
        sides[axis] = 2 * reach + 1
        pads[2 * (2 - axis)] = pads[2 * (2 - axis) + 1] = reach
        blurred = functional.conv3d(
            functional.pad(blurred, pads, mode="replicate"), weights.view(1, 1, *sides)
        )
    return blurred[0, 0]
