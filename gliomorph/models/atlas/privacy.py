"""What of the counts may be shown, so that no map and no difference of maps shows fewer than ``min_cell`` participants.

The maps of everybody may be under another rule than those of strata: where they show one participant, they do not tell
its stratum. If they show everything, what follows is about strata, and about everybody minus strata.

A frequency is shown in a voxel where at least ``min_cell`` participants have the region. Everywhere else it is
withheld: where nobody has it too, since otherwise the outline of what is withheld would be that of a lone tumour.

That alone would leave subtractions. Maps are tied by sums: all = women + men, WT = TC + ED, TC = NCR + ET. Where the
withheld parts of a total that is shown are 1 to ``min_cell`` − 1 participants, its smallest shown part is withheld too,
until they are none or enough; and where a total is withheld whose parts are all shown, so is the smallest of them.

So no small cell is a sum or difference of those shown in its stratum or column. Not hidden are: bounds (a part is at
most its total); fields of view; which voxels are withheld; combinations of several columns; differences between two
releases, such as the atlas before and after a participant was added.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from ..regions import REGIONS
from ..small_cells import EVERYBODY, SmallCells
from .records import Grid
from .sums import AtlasSums

Key = tuple[str, str]
"""Stratum and region."""
BLOCK = 1 << 19
"""Voxels that are decided together: bounds the memory."""
NESTED = (("TC", ("NCR", "ET")), ("WT", ("TC", "ED")))


@attrs.frozen(kw_only=True, eq=False)
class Release:
    """Where frequencies may be shown."""

    cells: SmallCells
    """The rule that was applied."""
    size: int
    """Voxels of the grid."""
    voxels: np.ndarray
    """(U,) flat voxels where anything may be."""
    shown: dict[Key, np.ndarray]
    """(U,) bool by stratum and region. A region that too few participants of a stratum tell about has no entry: it
    gets no map."""

    def everywhere(self, stratum: str, region: str) -> np.ndarray:
        """(V,) bool: where the frequency of a region in a stratum is shown."""
        if self.cells.of(stratum) == 1:
            return np.ones(self.size, bool)
        found = np.zeros(self.size, bool)
        found[self.voxels] = self.shown[stratum, region]
        return found


def release(sums: AtlasSums, columns: Sequence[Sequence[str]], cells: SmallCells) -> Release:
    """Decide what is shown of every stratum and region.

    Parameters
    ----------
    sums : AtlasSums
    columns : sequence of sequence of str
        Strata that exclude each other, as those of one column do.
    cells : SmallCells

    Returns
    -------
    release : Release
    """
    min_cell, smallest = cells.strata, {stratum: cells.of(stratum) for stratum in sums.cells}
    keys = [(s, r) for s in sums.cells for r in REGIONS if sums.subjects(s, r) >= smallest[s]]
    tied = [s for s in sums.cells if smallest[s] > 1]
    ties = [((s, total), [(s, part) for part in parts]) for s in tied for total, parts in NESTED]
    ties += [((EVERYBODY, r), [(s, r) for s in column]) for column in columns for r in REGIONS]
    known = [(total, [part for part in parts if part in keys]) for total, parts in ties if total in keys]
    voxels = np.flatnonzero(sums.cells[EVERYBODY].count("WT") >= min_cell)
    shown = {key: np.zeros(len(voxels), bool) for key in keys}
    for start in range(0, len(voxels), BLOCK):
        block = voxels[start : start + BLOCK]
        counts = {(s, r): sums.cells[s].count(r, block).astype(np.int32) for s, r in keys}
        decided = {
            (s, r): count >= min_cell if smallest[s] > 1 else count >= 0 for (s, r), count in counts.items()
        }
        _protect(counts, decided, known, min_cell)
        for key, inside in decided.items():
            shown[key][start : start + BLOCK] = inside
    return Release(cells=cells, size=sums.grid.size, voxels=voxels, shown=shown)


def _protect(
    counts: dict[Key, np.ndarray],
    shown: dict[Key, np.ndarray],
    ties: Sequence[tuple[Key, Sequence[Key]]],
    min_cell: int,
) -> None:
    """Withhold what would tell small cells by subtraction."""
    # a list, so that every round tightens all ties: what one withholds may leave another open
    while any([_tighten(counts, shown, total, parts, min_cell) for total, parts in ties if parts]):
        pass


def _tighten(
    counts: dict[Key, np.ndarray],
    shown: dict[Key, np.ndarray],
    total: Key,
    parts: Sequence[Key],
    min_cell: int,
) -> bool:
    """Withhold one more part where those withheld can be told by subtraction; whether there was any such voxel."""
    visible = np.array([shown[part] for part in parts])
    values = np.array([counts[part] for part in parts])
    rest = counts[total] - (values * visible).sum(axis=0)
    told = shown[total] & (rest > 0) & (rest < min_cell)
    undone = ~shown[total] & visible.all(axis=0) & (rest == 0) & (counts[total] > 0)
    bad = np.flatnonzero((told | undone) & visible.any(axis=0))
    if not len(bad):
        return False
    candidates = np.where(visible[:, bad], values[:, bad], np.iinfo(np.int32).max)
    smallest = candidates.argmin(axis=0)
    for number, part in enumerate(parts):
        shown[part][bad[smallest == number]] = False
    return True


def near(centroids: np.ndarray, grid: Grid, reach_mm: float) -> np.ndarray:
    """How many centroids lie within a distance of every voxel: (X, Y, Z) uint16.

    Parameters
    ----------
    centroids : ndarray
        (n, 3) voxel indices; each is moved to the nearest voxel.
    grid : Grid
    reach_mm : float
    """
    steps = np.linalg.norm(grid.affine[:3, :3], axis=0)
    # a ball lies in the box of its reach along the axes, if these are perpendicular; oblique frames are, shears are not
    box = np.indices(2 * np.ceil(reach_mm / steps).astype(int) + 1).reshape(3, -1).T
    offsets = box - np.ceil(reach_mm / steps).astype(int)
    offsets = offsets[np.linalg.norm(offsets @ grid.affine[:3, :3].T, axis=1) <= reach_mm]
    count = np.zeros(grid.shape, np.uint16)
    for centre in np.rint(centroids).astype(int):
        voxels = centre + offsets
        voxels = voxels[((voxels >= 0) & (voxels < grid.shape)).all(axis=1)]
        count[tuple(voxels.T)] += 1
    return count
