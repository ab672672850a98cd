"""How well a segmentation agrees with the truth, region by region.

Empty regions. Where truth and prediction are both empty, they agree: Dice and Jaccard are 1, distances 0. Where one of
them is empty, Dice and Jaccard are 0 and distances NaN: no length is right, and the image's diagonal, which some use,
would make a mean depend on the crop. A ratio whose denominator is 0 is NaN: sensitivity without truth, precision
without prediction. A mean therefore runs over the finite values and is told with their number; a mean distance is that
of the patients in whom the region was found, or rightly not found, and the zeros in Dice tell of the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..regions import LABELS, NESTED
from ..regions import REGIONS as PARTS
from ..unet import CLASSES

REGIONS = {r: tuple(i for i, part in enumerate(LABELS, 1) if part in PARTS[r]) for r in reversed(NESTED)}
"""Class indices that make up the nested regions: enhancing tumour, tumour core, whole tumour."""


def measure(
    prediction: np.ndarray, truth: np.ndarray, spacing_mm: Sequence[float], brain: np.ndarray | None = None
) -> dict[str, float]:
    """All figures of all regions of two label maps.

    Parameters
    ----------
    prediction, truth : ndarray
        (X, Y[, Z]), integer class indices 0 (background), 1 (NCR), 2 (ED), 3 (ET); not BraTS' label 4.
    spacing_mm : sequence of float
        Voxel size along each axis.
    brain : ndarray, optional
        As for :func:`measure_region`.

    Returns
    -------
    figures : dict of str to float
        :func:`measure_region`'s, each name after its region's: ``ET_dice``, ``WT_hausdorff95``, …

    Raises
    ------
    ValueError
        Values that are no class indices; shapes or spacings that do not go together.
    """
    for name, labels in (("prediction", prediction), ("truth", truth)):
        if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= CLASSES:
            raise ValueError(
                f"integer class indices 0 to {CLASSES - 1} are required, the {name} has {labels.dtype} values "
                f"from {labels.min()} to {labels.max()}; masks go to measure_region, and label 4 becomes 3"
            )
    return {
        f"{region}_{name}": value
        for region, classes in REGIONS.items()
        for name, value in measure_region(
            np.isin(prediction, classes), np.isin(truth, classes), spacing_mm, brain
        ).items()
    }


def measure_region(
    prediction: np.ndarray, truth: np.ndarray, spacing_mm: Sequence[float], brain: np.ndarray | None = None
) -> dict[str, float]:
    """All figures of one region; the module says what they are where it is empty.

    Parameters
    ----------
    prediction, truth : ndarray
        (X, Y[, Z]), bool.
    spacing_mm : sequence of float
        Voxel size along each axis.
    brain : ndarray, optional
        (X, Y[, Z]), bool: where ``specificity`` is counted. Over the whole image, which it is without this mask, it is
        about 1 for any prediction, since most of an image is neither. The other figures ignore it.

    Returns
    -------
    figures : dict of str to float
        ``dice``, ``jaccard``, ``precision``, ``sensitivity``, ``specificity`` (0 to 1); ``hausdorff`` and
        ``hausdorff95`` as of :func:`hausdorff` (mm).

    Raises
    ------
    ValueError
        Masks that are not boolean; shapes or spacings that do not go together.
    """
    _check(prediction, truth, spacing_mm, brain)
    both = _count(prediction & truth)
    predicted, true = _count(prediction), _count(truth)
    healthy = ~truth if brain is None else ~truth & brain
    largest, percentile95 = hausdorff(prediction, truth, spacing_mm)
    agree = not predicted and not true
    return {
        "dice": 1.0 if agree else _ratio(2 * both, predicted + true),
        "jaccard": 1.0 if agree else _ratio(both, predicted + true - both),
        "precision": _ratio(both, predicted),
        "sensitivity": _ratio(both, true),
        "specificity": _ratio(_count(healthy & ~prediction), _count(healthy)),
        "hausdorff": largest,
        "hausdorff95": percentile95,
    }


def hausdorff(one: np.ndarray, other: np.ndarray, spacing_mm: Sequence[float]) -> tuple[float, float]:
    """Hausdorff distances between the surfaces of two masks.

    A surface is the centres of those voxels of a mask that have a face in common with its outside or lie on the
    image's border. From each of a surface's, the distance to the nearest of the other surface is taken; of both
    directions, the greater value holds. So does BraTS; others pool both
    directions before they take a percentile, which gives less.

    Parameters
    ----------
    one, other : ndarray
        (X, Y[, Z]), bool.
    spacing_mm : sequence of float
        Voxel size along each axis.

    Returns
    -------
    largest : float
        Over all distances, mm; 0 where both masks are empty, NaN where one is.
    percentile95 : float
        The same for the 95th percentile.
    """
    distances = _both_ways(one, other, spacing_mm)
    if distances is None:
        empty = 0.0 if one.any() == other.any() else float("nan")
        return empty, empty
    largest, percentile95 = (max(np.percentile(d, q) for d in distances) for q in (100, 95))
    return float(largest), float(percentile95)


def mean_surface_distance(one: np.ndarray, other: np.ndarray, spacing_mm: Sequence[float]) -> float:
    """Average symmetric surface distance: the mean of both directions' means, mm.

    Surfaces are those of :func:`hausdorff`. Each direction counts as much as the other, however many voxels its
    surface has; others pool both directions before they take the mean.

    Parameters
    ----------
    one, other : ndarray
        (X, Y[, Z]), bool.
    spacing_mm : sequence of float
        Voxel size along each axis.

    Returns
    -------
    mean : float
        0 where both masks are empty, NaN where one is.
    """
    distances = _both_ways(one, other, spacing_mm)
    if distances is None:
        return 0.0 if one.any() == other.any() else float("nan")
    return float(np.mean([d.mean() for d in distances]))


def _both_ways(
    one: np.ndarray, other: np.ndarray, spacing_mm: Sequence[float]
) -> tuple[np.ndarray, np.ndarray] | None:
    """From each voxel of a surface the distance (mm) to the other surface, in both directions; None if one is empty."""
    from scipy.ndimage import find_objects
    from scipy.spatial import KDTree

    if not one.any() or not other.any():
        return None
    box = find_objects((one | other).astype(np.uint8))[0]
    first, second = (_surface(mask[box], spacing_mm) for mask in (one, other))
    return KDTree(second).query(first)[0], KDTree(first).query(second)[0]


def _surface(mask: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """(N, axes), mm."""
    from scipy.ndimage import binary_erosion

    return np.argwhere(mask & ~binary_erosion(mask)) * np.asarray(spacing_mm)


def _check(
    prediction: np.ndarray, truth: np.ndarray, spacing_mm: Sequence[float], brain: np.ndarray | None
) -> None:
    masks = {"prediction": prediction, "truth": truth} | ({} if brain is None else {"brain": brain})
    if any(mask.dtype != bool for mask in masks.values()):
        raise ValueError(f"boolean masks are required, got { ({n: str(m.dtype) for n, m in masks.items()}) }")
    if any(mask.shape != truth.shape for mask in masks.values()):
        raise ValueError(
            f"masks of equal shape are required, got { ({n: m.shape for n, m in masks.items()}) }"
        )
    if len(spacing_mm) != truth.ndim or min(spacing_mm) <= 0:
        raise ValueError(f"{truth.ndim} spacings above 0 mm are required, got {tuple(spacing_mm)}")


def _count(mask: np.ndarray) -> int:
    return int(np.count_nonzero(mask))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
