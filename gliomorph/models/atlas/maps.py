"""Maps of an atlas from its sums, with what may not be shown left out as NaN."""

from __future__ import annotations

import attrs
import numpy as np
from scipy import ndimage

from ..statistics import binomial_interval
from .places import middle, moved, nearest
from .privacy import Release, near
from .records import Grid
from .sums import AtlasSums

TRUNCATE = 4.0
"""Standard deviations at which a Gaussian ends."""
FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian with standard deviation 1."""


@attrs.frozen(kw_only=True, eq=False)
class FrequencyMap:
    """How often a region is in a voxel."""

    subjects: int
    """Participants whose tumour tells about the region."""
    withheld: int
    """Voxels in which participants have the region and which enough of them cover, but which are not shown."""
    frequency: np.ndarray
    low: np.ndarray
    high: np.ndarray
    """``frequency``, ``low``, ``high``: (X, Y, Z) float32 in [0, 1]: participants with the region divided by those
    covered; Wilson's interval. NaN where it is withheld, or nobody or too few are covered."""


def frequency_map(
    sums: AtlasSums,
    stratum: str,
    region: str,
    release: Release,
    confidence: float = 0.95,
    min_coverage: float = 0.0,
) -> FrequencyMap | None:
    """The frequency of a region in a stratum, with its interval.

    Parameters
    ----------
    sums : AtlasSums
    stratum, region : str
    release : Release
        Of these sums.
    confidence : float
        Of the interval.
    min_coverage : float
        Share of the participants that have to be covered, else NaN.

    Returns
    -------
    found : FrequencyMap or None
        None where too few participants tell about the region.
    """
    if (stratum, region) not in release.shown:
        return None
    covered, enough = well_covered(sums, stratum, region, min_coverage)
    visible, counts = release.everywhere(stratum, region), sums.cells[stratum].count(region)
    withheld = int(np.count_nonzero(enough & ~visible & (counts > 0)))
    voxels = np.flatnonzero(visible & enough)
    count, total = counts[voxels].astype(np.int32), covered[voxels]
    low, high = binomial_interval(count, total, confidence)
    maps = np.full((3, sums.grid.size), np.nan, np.float32)
    maps[0, voxels], maps[1, voxels], maps[2, voxels] = count / total, low, high
    frequency, lower, upper = (sums.grid.volume(values) for values in maps)
    subjects = sums.subjects(stratum, region)
    return FrequencyMap(subjects=subjects, withheld=withheld, frequency=frequency, low=lower, high=upper)


def well_covered(
    sums: AtlasSums, stratum: str, region: str, min_coverage: float
) -> tuple[np.ndarray, np.ndarray]:
    """How many are covered, (V,) uint16, and whether these are at least one and that share of all, (V,) bool."""
    covered = sums.covered(stratum, region)
    return covered, (covered > 0) & (covered >= min_coverage * sums.subjects(stratum, region))


def coverage_map(sums: AtlasSums, stratum: str, region: str = "WT") -> np.ndarray:
    """Share of the participants whose field of view holds the voxel: (X, Y, Z) float32; NaN without participants."""
    with np.errstate(invalid="ignore"):
        share = sums.covered(stratum, region) / np.float32(sums.subjects(stratum, region))
    return sums.grid.volume(share.astype(np.float32))


def mean_map(sums: AtlasSums, stratum: str, name: str, min_cell: int) -> np.ndarray:
    """Mean over those with a value: (X, Y, Z) float32; NaN with fewer than ``min_cell``, and outside the support."""
    moments = sums.cells[stratum].moments[name]
    return _spread_out(sums, moments.mean(), moments.count, min_cell)


def deviation_map(sums: AtlasSums, stratum: str, name: str, min_cell: int) -> np.ndarray:
    """Standard deviation (n − 1), as :func:`mean_map`.

    Raises
    ------
    ValueError
        If the name is no spread of the sums.
    """
    moments = sums.cells[stratum].moments[name]
    return _spread_out(sums, moments.deviation(), moments.count, min_cell)


def _spread_out(sums: AtlasSums, values: np.ndarray, count: np.ndarray, min_cell: int) -> np.ndarray:
    flat = np.full(sums.grid.size, np.nan, np.float32)
    flat[sums.support] = np.where(count >= min_cell, values, np.nan)
    return sums.grid.volume(flat)


@attrs.frozen(kw_only=True, eq=False)
class ShapeMap:
    """Tumours put on top of one another."""

    subjects: int
    """Participants with a tumour."""
    withheld: int
    """Voxels in which tumours are, but too few to be shown."""
    centre: np.ndarray
    """(3,) voxel indices: the mean of the centroids, on which the tumours lie."""
    share: np.ndarray
    """(X, Y, Z) float32 in [0, 1]: tumours in the voxel divided by those of all; 0 where it is withheld, too."""


def shape_map(sums: AtlasSums, stratum: str, min_cell: int) -> ShapeMap | None:
    """The average shape of a stratum's tumours: each moved by whole voxels onto the mean of all centroids.

    Parameters
    ----------
    sums : AtlasSums
    stratum : str
        One of the sums' shapes.
    min_cell : int
        Fewer tumours than this are not shown.

    Returns
    -------
    found : ShapeMap or None
        None of fewer than ``min_cell`` tumours, or none at all.
    """
    centroids, shape = sums.centroids(stratum, "WT"), sums.cells[stratum].shape
    if shape is None or len(centroids) < max(1, min_cell):
        return None
    centre, visible = centroids.mean(axis=0), shape >= max(1, min_cell)
    share = np.zeros(sums.grid.size, np.float32)
    shift = nearest(centre) - middle(sums.grid)
    # forth and back, so that voxels that leave the grid are left out on both sides
    target = moved(np.flatnonzero(visible), shift, sums.grid)
    share[target] = shape[moved(target, -shift, sums.grid)] / np.float32(len(centroids))
    return ShapeMap(
        subjects=len(centroids),
        withheld=int(np.count_nonzero((shape > 0) & ~visible)),
        centre=centre,
        share=sums.grid.volume(share),
    )


def laterality(frequency: np.ndarray, grid: Grid, midline_mm: float) -> np.ndarray:
    """Frequency minus that of the mirrored voxel: (X, Y, Z) float32, positive where this side has more.

    NaN where either is withheld. Antisymmetric, exactly so where :func:`mirror` is exact.
    """
    return (frequency - mirror(frequency, grid, midline_mm)).astype(np.float32)


def mirror(volume: np.ndarray, grid: Grid, midline_mm: float) -> np.ndarray:
    """The volume reflected at the plane x = ``midline_mm``.

    Exact, voxel for voxel, if an axis of the grid runs along x and the plane lies in or midway between voxels (to
    10⁻³ voxels). Else linear interpolation. NaN where the mirrored point is outside the grid or, when
    interpolating, beside a NaN.

    Parameters
    ----------
    volume : ndarray
        (X, Y, Z) float.
    grid : Grid
    midline_mm : float
        In RAS.

    Returns
    -------
    mirrored : ndarray
        (X, Y, Z) float.
    """
    reflection = np.diag([-1.0, 1.0, 1.0, 1.0])
    reflection[0, 3] = 2 * midline_mm
    index_from_index = np.linalg.solve(grid.affine, reflection @ grid.affine)
    linear, shift = index_from_index[:3, :3], index_from_index[:3, 3]
    signs = np.rint(np.diag(linear))
    if np.allclose(linear, np.diag(signs), atol=1e-5) and np.allclose(shift, np.rint(shift), atol=1e-3):
        return _flipped(volume, signs.astype(int), np.rint(shift).astype(int))
    return ndimage.affine_transform(volume, linear, shift, order=1, cval=np.nan)


def _flipped(volume: np.ndarray, signs: np.ndarray, shift: np.ndarray) -> np.ndarray:
    for axis, (sign, offset) in enumerate(zip(signs, shift, strict=True)):
        source = sign * np.arange(volume.shape[axis]) + offset
        outside = (source < 0) | (source >= volume.shape[axis])
        volume = volume.take(np.where(outside, 0, source), axis=axis)
        if outside.any():
            volume[tuple(outside if i == axis else slice(None) for i in range(3))] = np.nan
    return volume


def midline(brain: np.ndarray, grid: Grid) -> float:
    """The mid-sagittal plane x = … mm of a template whose header does not put it at 0, as that of BraTS' SRI24.

    The brain mask's centre of mass; moved into or midway between voxels where an axis of the grid runs along x, so
    that :func:`mirror` is exact.
    """
    voxels = np.argwhere(brain)
    x = float(voxels.mean(axis=0) @ grid.affine[0, :3] + grid.affine[0, 3])
    row = grid.affine[0, :3]
    axis = int(np.abs(row).argmax())
    if not np.allclose(np.delete(row, axis), 0, atol=1e-5 * abs(row[axis])):
        return x
    index = np.rint(2 * (x - grid.affine[0, 3]) / row[axis]) / 2
    return float(index * row[axis] + grid.affine[0, 3])


def centroid_density(centroids: np.ndarray, grid: Grid, fwhm_mm: float, min_cell: int = 1) -> np.ndarray:
    """Participants whose tumour is centred in a mm³: the centroids' histogram, smoothed.

    Parameters
    ----------
    centroids : ndarray
        (n, 3) voxel indices inside the grid; each counts in the nearest voxel.
    grid : Grid
        With perpendicular axes.
    fwhm_mm : float
        Of the Gaussian, which ends at four standard deviations and is reflected at the grid's border.
    min_cell : int
        With more than 1, NaN where fewer centroids are within one ``fwhm_mm``, even where none is: the kernel of a
        lone centroid would tell it.

    Returns
    -------
    density : ndarray
        (X, Y, Z) float32 in 1/mm³; before anything is withheld its integral is n.

    Raises
    ------
    ValueError
        With a centroid outside the grid.
    """
    voxels = np.rint(centroids).astype(int)
    if not ((voxels >= 0) & (voxels < grid.shape)).all():
        raise ValueError(f"centroids must lie inside the grid {grid.shape}")
    density = np.zeros(grid.shape, np.float32, order="F")
    sigma = fwhm_mm / FWHM / np.linalg.norm(grid.affine[:3, :3], axis=0)
    if len(voxels):
        # beyond the kernel's reach there is nothing: the part of the grid around the centroids is enough
        reach = (TRUNCATE * sigma + 1).astype(int)
        first = np.maximum(voxels.min(axis=0) - reach, 0)
        last = np.minimum(voxels.max(axis=0) + reach + 1, grid.shape)
        histogram = np.zeros(last - first)
        np.add.at(histogram, tuple((voxels - first).T), 1.0)
        smooth = ndimage.gaussian_filter(histogram, sigma, mode="reflect", truncate=TRUNCATE)
        inside = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        density[inside] = smooth / abs(np.linalg.det(grid.affine[:3, :3]))
    if min_cell > 1:
        density[near(centroids, grid, fwhm_mm) < min_cell] = np.nan
    return density


def surroundings(tumor: np.ndarray, grid: Grid, reach_mm: float) -> np.ndarray:
    """Voxels outside a tumour and at most ``reach_mm`` from its next voxel: (X, Y, Z) bool; none without a tumour.

    Inside, det J says nothing: the template has no such tissue.
    """
    around = np.zeros(tumor.shape, bool, order="F")
    spans = [np.flatnonzero(tumor.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if not len(spans[0]):
        return around
    steps = np.linalg.norm(grid.affine[:3, :3], axis=0)
    margins = np.ceil(reach_mm / steps).astype(int)
    box = tuple(
        slice(max(span[0] - margin, 0), span[-1] + margin + 1)
        for span, margin in zip(spans, margins, strict=True)
    )
    distance = ndimage.distance_transform_edt(tumor[box] == 0, sampling=steps)
    around[box] = (distance > 0) & (distance <= reach_mm)
    return around


def log_jacobian(determinant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Natural logarithm of det J, and where there is one.

    Returns
    -------
    logarithm : ndarray
        float32; 0 where det J ≤ 0, that is where the map folds.
    positive : ndarray
        bool.
    """
    positive = determinant > 0
    logarithm = np.log(determinant, out=np.zeros(determinant.shape, np.float32), where=positive)
    return logarithm, positive
