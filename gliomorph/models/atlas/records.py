"""What goes into an atlas' sums: the grid, a participant, and what stays of one."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from ..regions import LABELS, REGIONS
from ..small_cells import EVERYBODY

WHOLE = "whole"
"""The part that a tumour without labels is: it counts for WT only."""
KINDS = ("dseg", "mask")


def _double(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(matrix, np.float64)


@attrs.frozen(kw_only=True, eq=False)
class Grid:
    """Where the voxels are."""

    shape: tuple[int, int, int]
    """(X, Y, Z)."""
    affine: np.ndarray = attrs.field(converter=_double)
    """(4, 4) float64, voxel indices to mm in RAS."""

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape))

    def volume(self, flat: np.ndarray) -> np.ndarray:
        """Flat voxels as (X, Y, Z), without a copy."""
        return flat.reshape(self.shape, order="F")

    def flat(self, volume: np.ndarray, name: str) -> np.ndarray:
        """(X, Y, Z) as flat voxels; a copy unless x is fastest in memory.

        Raises
        ------
        ValueError
            With another shape.
        """
        if volume.shape != self.shape:
            raise ValueError(f"{name} must have the atlas' shape {self.shape}, got {volume.shape}")
        return volume.ravel(order="F")

    def mask(self, volume: np.ndarray, name: str) -> np.ndarray:
        """As :meth:`flat`, bool: what is not 0."""
        return self.flat(volume, name).astype(bool, copy=False)


@attrs.frozen(kw_only=True, eq=False)
class Participant:
    """What one participant adds."""

    label: str
    labels: np.ndarray
    """(X, Y, Z) integers: 1 NCR, 2 ED, 4 ET; of kind ``mask``, any other value than 0 is tumour."""
    kind: str = "dseg"
    """One of ``"dseg"``, ``"mask"``. A ``mask`` counts for WT only."""
    strata: tuple[str, ...] = ()
    """The strata that it is in, without ``all``."""
    seen: np.ndarray | None = None
    """(X, Y, Z) bool: field of view; None for everywhere. Tumour outside counts nowhere."""
    values: Mapping[str, np.ndarray] = attrs.field(factory=dict)
    """(X, Y, Z) real, by the name of a mean; a name may be missing."""
    where: Mapping[str, np.ndarray] = attrs.field(factory=dict)
    """(X, Y, Z) bool, by the name of a mean: where the value counts; ``seen`` where there is none."""
    key: str = ""
    """Changes when anything of the participant does."""


@attrs.frozen(kw_only=True)
class Member:
    """What stays of a participant."""

    key: str
    kind: str
    strata: tuple[str, ...]
    """Sorted."""
    voxels: tuple[int, ...]
    """Voxels of NCR, ED, ET and of a tumour without labels."""
    positions: tuple[tuple[int, ...], ...]
    """Sums of the voxels' indices along x, y and z, of the same four."""

    def centroid(self, region: str) -> np.ndarray | None:
        """Centre of mass in voxel indices (3,); None without a voxel of the region.

        It lies outside of a hollow tumour, and between the parts of one with several.
        """
        chosen = [i for i, part in enumerate(parts_of(region)) if part]
        voxels = sum(self.voxels[i] for i in chosen)
        return np.sum([self.positions[i] for i in chosen], axis=0) / voxels if voxels else None


def parts_of(region: str) -> tuple[bool, ...]:
    """Whether NCR, ED, ET and a tumour without labels belong to a region."""
    return (*(part in REGIONS[region] for part in LABELS), region == "WT")


def kinds_of(region: str) -> tuple[str, ...]:
    """Kinds of tumours that tell about a region."""
    return KINDS if region == "WT" else ("dseg",)


def is_in(member: Member, stratum: str) -> bool:
    """Whether a member is in a stratum; everybody is in ``all``."""
    return stratum == EVERYBODY or stratum in member.strata


def voxels_of_parts(labels: np.ndarray, kind: str, name: str) -> dict[str, np.ndarray]:
    """Flat voxels of every part that is there: a tumour is a small share of the grid."""
    inside = _nonzero(labels)
    if kind == "mask":
        return {WHOLE: inside}
    found = labels[inside]
    voxels = {part: inside[found == label] for part, label in LABELS.items()}
    if sum(map(len, voxels.values())) < len(inside):
        other = sorted(set(np.unique(found).tolist()) - set(LABELS.values()))
        raise ValueError(f"labels of {name} must be 0, 1, 2 or 4, got {', '.join(map(str, other))}")
    return voxels


def _nonzero(flat: np.ndarray) -> np.ndarray:
    """``numpy.flatnonzero``, of bytes ten times as fast: eight are looked at together, most of a map is background."""
    if flat.itemsize > 1:
        return np.flatnonzero(flat)
    whole = flat.size // 8 * 8
    words = np.flatnonzero(flat[:whole].view(np.uint64) != 0)
    candidates = np.append((words[:, None] * 8 + np.arange(8)).ravel(), np.arange(whole, flat.size))
    return candidates[flat[candidates] != 0]


def member_of(participant: Participant, voxels: Mapping[str, np.ndarray], grid: Grid) -> Member:
    """What stays of a participant."""
    none = np.empty(0, np.int64)
    parts = [voxels.get(part, none) for part in (*LABELS, WHOLE)]
    return Member(
        key=participant.key,
        kind=participant.kind,
        strata=tuple(sorted(participant.strata)),
        voxels=tuple(map(len, parts)),
        positions=tuple(
            tuple(int(axis.sum()) for axis in np.unravel_index(part, grid.shape, order="F")) for part in parts
        ),
    )
