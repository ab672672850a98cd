"""Sums over participants, by stratum: all that the maps of an atlas are made of.

Participants are added one at a time and forgotten: memory depends on the grid and the number of strata. Of each
participant only its label, its strata and its tumour's size and centroid stay. All sums are integers
(:mod:`~gliomorph.models.atlas.moments`), so that the order of participants changes no byte, sums of parts of a
cohort merge to the sum of the whole, and a stored sum takes new participants without the old ones' images.

Voxels are stored flat, x fastest, as NIfTI and ITK have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from ..regions import LABELS
from ..small_cells import EVERYBODY
from .moments import MOST, Moments, to_fixed
from .places import recentred
from .records import (
    KINDS,
    WHOLE,
    Grid,
    Member,
    Participant,
    is_in,
    kinds_of,
    member_of,
    parts_of,
    voxels_of_parts,
)


@attrs.define(kw_only=True, eq=False)
class Cell:
    """Sums of one stratum."""

    counts: dict[str, np.ndarray]
    """(V,) uint16: participants with NCR, ED, ET or a tumour without labels in the voxel, and seen there."""
    unseen: dict[str, np.ndarray] = attrs.field(factory=dict)
    """(V,) uint16 by kind: participants whose field of view leaves the voxel out; no entry where nobody's does."""
    moments: dict[str, Moments]
    """By the name of a mean, at the voxels of the support."""
    shape: np.ndarray | None = None
    """(V,) uint16: tumours in the voxel after each was moved to the middle of the grid; None where nobody asked."""

    def include(self, other: Cell) -> None:
        """Add the sums of other participants."""
        for part, count in self.counts.items():
            count += other.counts[part]
        for kind, unseen in other.unseen.items():
            self.leave_out(kind, unseen)
        for name, moments in self.moments.items():
            moments.include(other.moments[name])
        if self.shape is not None and other.shape is not None:
            self.shape += other.shape

    def count(self, region: str, voxels: np.ndarray | None = None) -> np.ndarray:
        """Participants with the region in the voxel, and seen there: uint16, (V,) or of the given flat voxels."""
        chosen = [count for count, part in zip(self.counts.values(), parts_of(region), strict=True) if part]
        total = chosen[0].copy() if voxels is None else chosen[0][voxels]
        for count in chosen[1:]:
            total += count if voxels is None else count[voxels]
        return total

    def leave_out(self, kind: str, unseen: np.ndarray) -> None:
        """Count voxels outside of fields of view."""
        if kind in self.unseen:
            self.unseen[kind] += unseen
        else:
            self.unseen[kind] = unseen.astype(np.uint16)


@attrs.define(kw_only=True, eq=False)
class AtlasSums:
    """Sums by stratum; ``all`` is one of them, always."""

    grid: Grid
    strata: tuple[str, ...]
    """Without ``all``."""
    means: tuple[str, ...]
    """Names of the images to average."""
    spreads: tuple[str, ...]
    """The means whose standard deviation is wanted."""
    shapes: tuple[str, ...] = ()
    """Strata whose tumours are put on top of one another."""
    support: np.ndarray
    """(S,) int32, increasing: flat voxels at which images are summed. Tumours and fields of view are counted
    everywhere."""
    members: dict[str, Member] = attrs.field(factory=dict)
    cells: dict[str, Cell] = attrs.field(factory=dict)

    @classmethod
    def empty(
        cls,
        grid: Grid,
        strata: Sequence[str] = (),
        means: Sequence[str] = (),
        spreads: Sequence[str] = (),
        support: np.ndarray | None = None,
        shapes: Sequence[str] = (),
    ) -> AtlasSums:
        """Sums over nobody.

        Parameters
        ----------
        grid : Grid
        strata, means, spreads : sequence of str
            As in the class; the order is kept.
        support : ndarray, optional
            (X, Y, Z) bool, the template's brain as a rule; everywhere if there is none.
        shapes : sequence of str
            As in the class.

        Returns
        -------
        sums : AtlasSums

        Raises
        ------
        ValueError
            With a stratum twice or called ``all``, a spread that is no mean, or a shape that is no stratum.
        """
        names = (EVERYBODY, *strata)
        if len(set(names)) < len(names):
            raise ValueError(f"strata must be unique and none called {EVERYBODY!r}, got {tuple(strata)}")
        if unknown := set(spreads) - set(means):
            raise ValueError(f"a standard deviation requires a mean of the same name, got {sorted(unknown)}")
        if unknown := set(shapes) - set(strata):
            raise ValueError(f"shapes are of strata, got {sorted(unknown)}")
        inside = np.ones(grid.size, bool) if support is None else grid.mask(support, "the support")
        voxels = np.flatnonzero(inside).astype(np.int32)
        cells = {
            name: Cell(
                counts={part: np.zeros(grid.size, np.uint16) for part in (*LABELS, WHOLE)},
                moments={mean: Moments.empty(len(voxels), mean in spreads) for mean in means},
                shape=np.zeros(grid.size, np.uint16) if name in shapes else None,
            )
            for name in names
        }
        return cls(
            grid=grid,
            strata=tuple(strata),
            means=tuple(means),
            spreads=tuple(spreads),
            shapes=tuple(shapes),
            support=voxels,
            cells=cells,
        )

    def add(self, participant: Participant) -> None:
        """Add one participant, once.

        Raises
        ------
        ValueError
            If it was added before, is in an unknown stratum, has another shape or unknown labels, or a value is not
            finite or beyond ±32. Nothing was added then.
        """
        self._check(participant)
        grid, name = self.grid, participant.label
        labels = grid.flat(participant.labels, f"the tumour of {name}")
        seen = None if participant.seen is None else grid.mask(participant.seen, f"the coverage of {name}")
        unseen = None if seen is None or seen.all() else ~seen
        voxels = voxels_of_parts(labels, participant.kind, name)
        fixed = {
            mean: self._fixed(participant, mean, seen) for mean in self.means if mean in participant.values
        }
        cells = [self.cells[stratum] for stratum in (EVERYBODY, *participant.strata)]
        for part, flat in voxels.items():
            counted = flat if unseen is None else flat[~unseen[flat]]
            for cell in cells:
                cell.counts[part][counted] += 1
        for cell in cells:
            if unseen is not None:
                cell.leave_out(participant.kind, unseen)
            for mean, (values, where) in fixed.items():
                cell.moments[mean].add(values, where)
        member = member_of(participant, voxels, grid)
        self._add_shape([cell.shape for cell in cells if cell.shape is not None], member, voxels)
        self.members[name] = member

    def _add_shape(
        self, shapes: Sequence[np.ndarray], member: Member, voxels: Mapping[str, np.ndarray]
    ) -> None:
        """Count the tumour as a whole, moved to the middle of the grid."""
        centre = member.centroid("WT")
        if not shapes or centre is None:
            return
        tumor = recentred(np.concatenate(list(voxels.values())), centre, self.grid)
        for shape in shapes:
            shape[tumor] += 1

    def include(self, other: AtlasSums) -> None:
        """Add all participants of other sums of the same kind.

        Raises
        ------
        ValueError
            If grid, strata, means, support or shapes differ, or a participant is in both.
        """
        for what, first, second in zip(
            ("grids", "strata", "means", "supports", "shapes"), self._kind(), other._kind(), strict=True
        ):
            if first != second:
                raise ValueError(f"sums with different {what} cannot be added")
        if both := sorted(self.members.keys() & other.members.keys()):
            raise ValueError(f"{len(both)} participants are in both sums, the first is {both[0]}")
        self._room(len(other.members))
        for name, cell in self.cells.items():
            cell.include(other.cells[name])
        self.members |= other.members

    def _kind(self) -> tuple[object, ...]:
        shape = (self.grid.shape, self.grid.affine.tobytes())
        return shape, self.strata, (self.means, self.spreads), self.support.tobytes(), self.shapes

    def subjects(self, stratum: str, region: str) -> int:
        """Participants of a stratum whose tumour tells about a region: a mask tells about WT only."""
        return sum(self._of_kind(stratum, kind) for kind in kinds_of(region))

    def covered(self, stratum: str, region: str) -> np.ndarray:
        """(V,) uint16: those of :meth:`subjects` whose field of view holds the voxel."""
        covered = np.full(self.grid.size, self.subjects(stratum, region), np.uint16)
        for kind in kinds_of(region):
            if kind in self.cells[stratum].unseen:
                covered -= self.cells[stratum].unseen[kind]
        return covered

    def centroids(self, stratum: str, region: str) -> np.ndarray:
        """Centres of mass of a region in voxel indices, (n, 3), sorted by participant; who has none has no row."""
        found = [
            member.centroid(region) for _, member in sorted(self.members.items()) if is_in(member, stratum)
        ]
        return np.array([centre for centre in found if centre is not None]).reshape(-1, 3)

    def _of_kind(self, stratum: str, kind: str) -> int:
        return sum(member.kind == kind and is_in(member, stratum) for member in self.members.values())

    def differences(
        self, wanted: Mapping[str, tuple[str, Sequence[str]]]
    ) -> tuple[list[str], list[str], list[str]]:
        """Which participants are not as a cohort has them now.

        Sums with changed or removed participants have to be made again; new ones can be added.

        Parameters
        ----------
        wanted : mapping of str to (str, sequence of str)
            Key and strata of every participant.

        Returns
        -------
        new, changed, removed : list of str
            Sorted.
        """
        now = {label: (key, tuple(sorted(strata))) for label, (key, strata) in wanted.items()}
        had = {label: (member.key, member.strata) for label, member in self.members.items()}
        changed = [label for label in now.keys() & had.keys() if now[label] != had[label]]
        return sorted(now.keys() - had.keys()), sorted(changed), sorted(had.keys() - now.keys())

    def _check(self, participant: Participant) -> None:
        label = participant.label
        if label in self.members:
            raise ValueError(f"participant {label} is in the atlas already: one scan of each counts")
        if participant.kind not in KINDS:
            raise ValueError(f"the tumour of {label} must be of kind dseg or mask, got {participant.kind!r}")
        if len(set(participant.strata)) < len(participant.strata) or not set(participant.strata) <= set(
            self.strata
        ):
            raise ValueError(f"{label} must be in strata of {self.strata}, once, got {participant.strata}")
        if unknown := (participant.values.keys() | participant.where.keys()) - set(self.means):
            raise ValueError(f"{label} has images that are not averaged: {', '.join(sorted(unknown))}")
        self._room(1)

    def _room(self, further: int) -> None:
        if len(self.members) + further > MOST:
            raise ValueError(f"an atlas holds at most {MOST} participants, got {len(self.members) + further}")

    def _fixed(
        self, participant: Participant, mean: str, seen: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Values at the support and where they count."""
        name = f"{mean} of {participant.label}"
        values = self.grid.flat(participant.values[mean], name)[self.support]
        given = participant.where.get(mean)
        flat = seen if given is None else self.grid.mask(given, f"the mask of {name}")
        where = None if flat is None else flat[self.support]
        return to_fixed(values, where, name), where
