"""What is measured of a patient, real or simulated, at every modality."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.ndimage import distance_transform_edt, label

EDGES_MM = np.arange(-15.0, 16.0, 3.0)
"""Bins of the signed distance to the whole tumour's border, negative inside."""
RING_MM = 12.0
"""Surroundings of the tumour that its oedema is compared with."""
NORMAL = (10.0, 97.0)
"""Percentiles of the rest of the brain between which surroundings look normal: no fluid, no vessels."""
SHARES = (5, 25, 50, 75, 95)
REGIONS = {"necrosis": 1, "oedema": 2, "enhancing": 3}
FEWEST = 20
"""Voxels that a region needs for its contrast."""
LEAST_ML = 0.1
"""Volume of a part that counts as a focus."""


def measure(
    images: np.ndarray, labels: np.ndarray, modalities: Sequence[str], voxel_mm: float
) -> dict[str, float]:
    """Figures by name; NaN where a patient has none.

    Parameters
    ----------
    images : ndarray, shape (C, X, Y, Z)
        Standardised over the brain, 0 outside.
    labels : ndarray, shape (X, Y, Z)
        Class indices.
    modalities : sequence of str
        Names of the images.
    voxel_mm : float
    """
    ml = voxel_mm**3 / 1000
    whole = labels > 0
    parts, count = label(whole)
    sizes = ml * np.bincount(parts.ravel(), minlength=count + 1)[1:]
    figures = {
        "whole tumour, ml": ml * whole.sum(),
        "core, share of it": np.isin(labels, (1, 3)).sum() / max(1, whole.sum()),
        "enhancing, ml": ml * (labels == 3).sum(),
        "foci": float((sizes > LEAST_ML).sum()),
    }
    distance = signed_distance(whole, voxel_mm)
    for image, modality in zip(images, modalities, strict=True):
        found = _of_image(image, labels, distance)
        figures |= {f"{modality} {name}": value for name, value in found.items()}
    return {name: float(value) for name, value in figures.items()}


def signed_distance(whole: np.ndarray, voxel_mm: float) -> np.ndarray:
    """To the border in mm, negative inside; infinite without a tumour."""
    if not whole.any():
        return np.full(whole.shape, np.inf)
    return voxel_mm * np.where(whole, -distance_transform_edt(whole), distance_transform_edt(~whole))


def profile(image: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Mean intensity in every bin of :data:`EDGES_MM`; NaN where there are few voxels."""
    brain = image != 0
    means = np.full(len(EDGES_MM) - 1, np.nan)
    for index, (low, high) in enumerate(pairwise(EDGES_MM)):
        there = brain & (distance >= low) & (distance < high)
        if there.sum() >= FEWEST:
            means[index] = image[there].mean()
    return means


def _of_image(image: np.ndarray, labels: np.ndarray, distance: np.ndarray) -> dict[str, float]:
    """Contrast of the tumour's parts to the surroundings in their standard deviations, and the rest of the brain."""
    brain = image != 0
    rest = image[brain & (distance > 10)]
    low, high = np.percentile(rest, NORMAL)
    ring = image[brain & (distance > 0) & (distance <= RING_MM) & (image > low) & (image < high)]
    figures = {f"rest of the brain, {share} %": np.percentile(rest, share) for share in SHARES}
    level, spread = (np.median(ring), ring.std()) if len(ring) > FEWEST else (np.nan, np.nan)
    for name, index in REGIONS.items():
        inside = image[(labels == index) & brain]
        figures[f"{name} to surroundings, sd"] = (
            (np.median(inside) - level) / spread if len(inside) > FEWEST else np.nan
        )
    border = image[brain & (distance < 0) & (distance >= -6)]
    figures["inner border to surroundings, sd"] = (
        (border.mean() - level) / spread if len(border) > FEWEST else np.nan
    )
    neighbours = sum(np.roll(image, shift, axis) for axis in range(3) for shift in (-1, 1)) / 6
    deep = distance_transform_edt(brain) > 1.5
    figures["roughness"] = (image - neighbours)[deep & (distance > 10)].std()
    return figures
