"""Tumours with the shapes of real ones: turned, scaled, bent and moved into another brain; torch, any device."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn import functional

from ... import geometry
from ..chance import Chance
from .growth import Pushing, ball_radius

CANDIDATES = 6
"""Places that are tried for a shape: the one where most of it lies in tissue is taken."""
PROBES = 300
"""Voxels of the shape by which a place is judged."""


@attrs.frozen(kw_only=True)
class Placement:
    """Where and how a shape lies in a head."""

    shape: Tensor = attrs.field(repr=False)
    """(3, x, y, z), shares of NCR, ED and ET in the voxels of the head."""
    centre: Tensor = attrs.field(repr=False)
    """(3,): Place of the shape's middle, mm from the head's first voxel."""
    matrix: Tensor = attrs.field(repr=False)
    """(3, 3): From offsets in the head to offsets in the shape."""


def shape_of(labels: np.ndarray, spacing_mm: Sequence[float], voxel_mm: float) -> Tensor:
    """A tumour's shares of NCR, ED and ET, (3, x, y, z) float32, in its box at the voxels that patients are made of.

    Parameters
    ----------
    labels : ndarray of int, shape (X, Y, Z)
        Class indices: 1 NCR, 2 ED, 3 ET.
    spacing_mm : sequence of float
        Voxel sizes of the labels.
    voxel_mm : float
        Voxel size wanted.

    Raises
    ------
    ValueError
        No tumour.
    """
    places = np.argwhere(labels > 0)
    if not len(places):
        raise ValueError("a label map with a tumour is required, this one is empty")
    box = tuple(slice(a, b + 1) for a, b in zip(places.min(0), places.max(0), strict=True))
    cut = torch.from_numpy(np.ascontiguousarray(labels[box]).astype(np.int64))
    regions = torch.stack([(cut == index).float() for index in (1, 2, 3)])
    sides = [max(1, round(n * mm / voxel_mm)) for n, mm in zip(cut.shape, spacing_mm, strict=True)]
    pooled = functional.interpolate(regions[None], size=sides, mode="area")[0]
    return functional.pad(pooled, [1] * 6)  # what lies beyond repeats the edge: none


def sample_placement(
    shape: Tensor, possible: Tensor, unit_mm: float, voxel_mm: float, chance: Chance
) -> Placement:
    """A place in the tissue for a shape that is mirrored, turned by up to 25 degrees and scaled by up to a quarter.

    Parameters
    ----------
    shape : Tensor
        (3, x, y, z) of :func:`shape_of`.
    possible : Tensor
        Bool: where there may be tumour, on a lattice.
    unit_mm : float
        Voxel size of that lattice.
    voxel_mm : float
        Voxel size of the shape and of the head.
    chance : Chance
    """
    angles = [chance.uniform(-25.0, 25.0) for _ in range(3)]
    turn = torch.from_numpy(Rotation.from_euler("xyz", angles, degrees=True).as_matrix()).float()
    zoom = torch.tensor([chance.log_uniform(0.8, 1.25) for _ in range(3)])
    if chance.happens(0.5):
        zoom[0] = -zoom[0]
    matrix = (turn / zoom[:, None]).to(shape.device)
    voxels = torch.nonzero(shape.sum(0) > 0.5)
    if not len(voxels):
        voxels = torch.nonzero(shape.sum(0) > 0)
    chosen = voxels[torch.tensor([chance.integer(len(voxels)) for _ in range(PROBES)], device=voxels.device)]
    offsets = (chosen - _middle(shape)) @ torch.linalg.inv(matrix).T * voxel_mm
    places = torch.nonzero(possible).float() * unit_mm
    sizes = torch.tensor(possible.shape, device=places.device)
    best, most = places[0], -1.0
    for _ in range(CANDIDATES):
        centre = places[chance.integer(len(places))]
        nearest = ((centre + offsets) / unit_mm).round().long()
        inside = ((nearest >= 0) & (nearest < sizes)).all(1)
        x, y, z = nearest[inside].T
        share = float(possible[x, y, z].sum()) / PROBES
        if share > most:
            best, most = centre, share
    return Placement(shape=shape, centre=best.float(), matrix=matrix)


def pushing(placement: Placement, voxel_mm: float, push: float) -> Pushing:
    """The shape's core as what displaces the tissue around, by ``push`` of its radius."""
    core_ml = (
        float(placement.shape[[0, 2]].sum()) * voxel_mm**3 / 1000 / abs(float(torch.det(placement.matrix)))
    )
    radius = max(voxel_mm, ball_radius(core_ml))
    return Pushing(centre=tuple(placement.centre.tolist()), radius=radius, push=push * radius)


def place(placement: Placement, room: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """Shares of NCR, ED and ET, (3, X, Y, Z): the shape, bent at random, where there is room for it.

    Parameters
    ----------
    placement : Placement
    room : Tensor
        (X, Y, Z) of :func:`~.growth.room_of`.
    voxel_mm : float
    chance : Chance
    """
    bend = chance.uniform(0.5, 4.0) / voxel_mm * chance.field(room.shape, 12.0 / voxel_mm, 3)
    points = geometry.identity_grid(bend[None])[0] + bend
    offsets = points - (placement.centre / voxel_mm).view(3, 1, 1, 1)
    where = torch.einsum("ij,jxyz->ixyz", placement.matrix, offsets) + _middle(placement.shape).view(
        3, 1, 1, 1
    )
    return geometry.sample(placement.shape[None], list(where[:, None]))[0] * room


def _middle(shape: Tensor) -> Tensor:
    return torch.tensor([(side - 1) / 2 for side in shape.shape[1:]], device=shape.device)
