"""People's label maps as the engine needs them: shares of tissue groups at the training's voxels, made once."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import torch
from scipy.ndimage import binary_fill_holes, distance_transform_edt
from torch import Tensor
from torch.nn import functional

from .. import heads
from ..people import CLOSING_MM
from ..structures import BY_NUMBER, STRUCTURES

GROUPS = {
    "sulci": ("cerebrospinal fluid", "vessels in the brain"),
    "ventricles": ("lateral ventricles", "third and fourth ventricle"),
    "plexus": ("choroid plexus",),
    "cortex": ("cerebral cortex", "hippocampus", "amygdala"),
    "white": ("cerebral white matter", "white-matter hypointensities", "optic chiasm"),
    "folia": ("cerebellar cortex",),
    "arbor": ("cerebellar white matter",),
    "thalamus": ("thalamus",),
    "striatum": ("caudate", "putamen", "accumbens"),
    "pallidum": ("pallidum",),
    "stem": ("brainstem", "ventral diencephalon"),
    "bone": ("cortical bone",),
    "vessels": ("arteries", "veins"),
    "soft": (
        "eyeballs", "other soft tissue", "muscles of the eyes", "mucosa", "skin", "spinal cord", "marrow",
        "optic nerves",
    ),
}  # fmt: skip
"""What is painted with one signal; air is what is left."""
MAPS = (*GROUPS, "brain")
"""Channels of a person's maps: shares of the groups, and what a perfect skull-stripping keeps."""
INSIDE = tuple(GROUPS).index("bone")
"""Groups before this one lie within the membranes of the brain."""
TISSUE = slice(tuple(GROUPS).index("plexus"), INSIDE)
"""Groups that are neither fluid nor outside."""
CEREBRAL = tuple(
    tuple(GROUPS).index(name) for name in ("cortex", "white", "thalamus", "striatum", "pallidum")
)
"""Groups in which tumours are seated as a rule."""
MARGIN_MM = 12.0
"""Around the brain, of what is kept of a head."""
LEVELS = 255
"""Shares are kept as bytes."""


@attrs.frozen(kw_only=True)
class Person:
    """One person's tissues on a coarse grid."""

    shares: Tensor = attrs.field(repr=False)
    """(15, X, Y, Z) uint8 of :data:`MAPS`: 255 is all of a voxel."""
    voxel_mm: float
    centre: tuple[float, ...]
    """Middle of the brain's box, voxels."""
    extent: tuple[int, ...]
    """Sides of the brain's box, voxels."""

    @property
    def brain_ml(self) -> float:
        """Volume of the brain with its sulci."""
        return int((self.shares[-1] > LEVELS // 2).sum()) * self.voxel_mm**3 / 1000

    def atlas(self) -> heads.Atlas:
        """What :mod:`~gliomorph.models.synthesis.heads` deforms and reads."""
        maps = self.shares[None].float() / LEVELS
        ventricles = MAPS.index("ventricles")
        return heads.Atlas(
            maps=maps,
            widening=heads.widening_of(maps[:, ventricles : ventricles + 1], self.voxel_mm),
            voxel_mm=self.voxel_mm,
            step=max(1, round(heads.LATTICE_MM / self.voxel_mm)),
            centre=self.centre,
            extent=self.extent,
        )


def person_of(
    labels: np.ndarray, label_mm: float, voxel_mm: float, device: str | torch.device = "cpu"
) -> Person:
    """A label map at the voxels that patients are made of.

    Parameters
    ----------
    labels : ndarray of int, shape (X, Y, Z)
        Numbers of :mod:`~gliomorph.models.synthesis.structures`; axes as those of the patients to be made.
    label_mm : float
        Voxel size of the label map (isotropic).
    voxel_mm : float
        Voxel size wanted, a multiple of ``label_mm``.
    device : str or torch.device

    Raises
    ------
    ValueError
        Numbers that are no structures, no cerebral white matter, or a voxel size that is no multiple.
    """
    unknown = sorted(set(np.unique(labels).tolist()) - set(BY_NUMBER))
    if unknown:
        raise ValueError(
            f"labels {', '.join(map(str, unknown))} are none of FreeSurfer's that are known here"
        )
    factor = round(voxel_mm / label_mm)
    if factor < 1 or abs(factor * label_mm - voxel_mm) > 0.01 * voxel_mm:
        raise ValueError(f"voxels of {voxel_mm:g} mm are no multiple of the label map's, {label_mm:g} mm")
    groups = _group_numbers()[labels]
    inside = np.argwhere((groups < INSIDE) & (groups != tuple(GROUPS).index("sulci")))
    if not (groups == tuple(GROUPS).index("white")).any():
        raise ValueError("a label map with cerebral white matter (2, 41) is required: tumours grow there")
    margin = int(np.ceil(MARGIN_MM / label_mm))
    first = np.maximum(inside.min(0) - margin, 0)
    cut = groups[tuple(slice(a, b + margin + 1) for a, b in zip(first, inside.max(0), strict=True))]
    shares = _with_brain(_pooled(cut, factor), voxel_mm)
    places = torch.nonzero(shares[-1] > 0.5)
    low, high = places.min(0).values, places.max(0).values
    return Person(
        shares=(shares * LEVELS).round().to(torch.uint8).to(device),
        voxel_mm=float(voxel_mm),
        centre=tuple((0.5 * (low + high)).tolist()),
        extent=tuple((high - low + 1).tolist()),
    )


def _group_numbers() -> np.ndarray:
    """Group of every label, by number; that of air is the number of groups."""
    numbers = {one.name: one.numbers for one in STRUCTURES}
    table = np.full(max(BY_NUMBER) + 1, len(GROUPS), np.uint8)
    for index, names in enumerate(GROUPS.values()):
        for name in names:
            table[list(numbers[name])] = index
    return table


def _pooled(groups: np.ndarray, factor: int) -> Tensor:
    """Share of every group in boxes of ``factor`` voxels, (14, X, Y, Z)."""
    margins = [n for side in reversed(groups.shape) for n in (0, -side % factor)]
    padded = functional.pad(torch.from_numpy(np.ascontiguousarray(groups)), margins, value=len(GROUPS))
    return torch.stack(
        [
            functional.avg_pool3d((padded == index).float()[None, None], factor)[0, 0]
            for index in range(len(GROUPS))
        ]
    )


def _with_brain(shares: Tensor, voxel_mm: float) -> Tensor:
    """``shares`` and the brain: tissue, ventricles, and fluid in sulci but not around all."""
    core = shares[1:INSIDE].sum(0).numpy() > 0.5
    reach = CLOSING_MM / voxel_mm
    wide = distance_transform_edt(~np.pad(core, int(reach) + 2)) <= reach
    closed = (distance_transform_edt(wide) > reach)[(slice(int(reach) + 2, -int(reach) - 2),) * 3]
    brain = binary_fill_holes((closed | core) & (shares[:INSIDE].sum(0).numpy() > 0.5))
    return torch.cat([shares, torch.from_numpy(brain)[None].float()])


def common_shape(people: Sequence[Person], margin_mm: float, divisor: int) -> tuple[int, ...]:
    """Sides, multiples of ``divisor``, of a grid that holds every brain and a margin."""
    margin = 2 * margin_mm / people[0].voxel_mm
    sides = [max(person.extent[axis] for person in people) + margin for axis in range(3)]
    return tuple(int(-(-side // divisor) * divisor) for side in sides)
