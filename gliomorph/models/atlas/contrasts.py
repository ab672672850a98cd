"""Two strata beside each other, voxel for voxel."""

from __future__ import annotations

import attrs
import numpy as np

from ..statistics.group_tests import frequency_difference, odds_ratio
from ..statistics.two_by_two import Tables
from .maps import well_covered
from .privacy import Release
from .sums import AtlasSums


@attrs.frozen(kw_only=True, eq=False)
class Contrast:
    """How often a region is in a voxel in one stratum against another."""

    subjects: int
    """Participants of both whose tumour tells about the region."""
    difference: np.ndarray
    """(X, Y, Z) float32 in [-1, 1]: frequency in the stratum minus that in the reference; NaN where either is."""
    odds_ratio: np.ndarray
    """(X, Y, Z) float32 > 0: odds in the stratum over those in the reference, with ½ added to the cells of a table
    with an empty one (Haldane-Anscombe). NaN where either frequency is, and where nobody of both has the region or
    everybody: the sizes of the strata alone would decide."""


def contrast(
    sums: AtlasSums, stratum: str, reference: str, region: str, release: Release, min_coverage: float = 0.0
) -> Contrast | None:
    """The effect of being in a stratum and not in another one that excludes it.

    What is not shown of either stratum is not shown here, so that no more is told than by their frequencies.

    Parameters
    ----------
    sums : AtlasSums
    stratum, reference, region : str
    release : Release
        Of these sums.
    min_coverage : float
        Share of the participants of each stratum that have to be covered, else NaN.

    Returns
    -------
    found : Contrast or None
        None where too few participants of either tell about the region.
    """
    if (stratum, region) not in release.shown or (reference, region) not in release.shown:
        return None
    known, covered = np.ones(sums.grid.size, bool), []
    for name in (stratum, reference):
        number, enough = well_covered(sums, name, region, min_coverage)
        covered.append(number)
        known &= enough & release.everywhere(name, region)
    voxels = np.flatnonzero(known)
    first, second = (sums.cells[name].count(region, voxels).astype(np.int32) for name in (stratum, reference))
    group, others = (number[voxels].astype(np.int32) for number in covered)
    tables = Tables(total=group + others, group=group, lesions=first + second, both=first)
    maps = np.full((2, sums.grid.size), np.nan, np.float32)
    defined = (tables.lesions > 0) & (tables.lesions < tables.total)
    maps[0, voxels] = frequency_difference(tables)
    maps[1, voxels] = np.where(defined, odds_ratio(tables), np.nan)
    return Contrast(
        subjects=sums.subjects(stratum, region) + sums.subjects(reference, region),
        difference=sums.grid.volume(maps[0]),
        odds_ratio=sums.grid.volume(maps[1]),
    )
