"""Cohorts of irregular lesions in an ellipsoid brain, with variables that depend on them or not."""

from __future__ import annotations

import attrs
import numpy as np

HALF_AXES_MM = (70.0, 88.0, 65.0)
"""Half axes of the brain: 1.7 l."""

ROUGHNESS = 0.25
"""Standard deviation of a lesion's radius over its directions, relative."""


@attrs.frozen(kw_only=True, eq=False)
class Cohort:
    """Lesions of N subjects in V voxels, and what is known of the subjects.

    Attributes
    ----------
    mask : ndarray
        (X, Y, Z) bool, with V voxels.
    lesions : ndarray
        (N, V) bool.
    times, events : ndarray
        (N,) in months, and bool.
    outcome : ndarray
        (N,) a continuous variable.
    group : ndarray
        (N,) bool.
    volume : ndarray
        (N,) log of the lesion's voxels.
    planted : ndarray
        (V,) bool: where lesions matter; nowhere in a null cohort.
    """

    mask: np.ndarray
    lesions: np.ndarray
    times: np.ndarray
    events: np.ndarray
    outcome: np.ndarray
    group: np.ndarray
    volume: np.ndarray
    planted: np.ndarray


def brain_mask(voxel_mm: float) -> np.ndarray:
    """The ellipsoid on its own grid."""
    sides = [np.arange(-half, half + voxel_mm, voxel_mm) / half for half in HALF_AXES_MM]
    return np.asarray(sum(side**2 for side in np.meshgrid(*sides, indexing="ij")) <= 1)


def simulate_lesions(
    mask: np.ndarray,
    voxel_mm: float,
    subjects: int,
    radius_mm: tuple[float, float],
    numbers: np.random.Generator,
) -> np.ndarray:
    """One lesion a subject, anywhere in the brain, with radii uniform between two: (N, V) bool."""
    positions = np.argwhere(mask).astype(np.float32) * np.float32(voxel_mm)
    lesions = np.zeros((subjects, len(positions)), bool)
    for lesioned in lesions:
        center, radius = positions[numbers.integers(len(positions))], numbers.uniform(*radius_mm)
        near = np.flatnonzero((np.abs(positions - center) <= 2 * radius).all(axis=1))
        offset = positions[near] - center
        # waves as long as the lesion make its border irregular
        waves = numbers.normal(0, 2 / radius, (3, 4)).astype(np.float32)
        bumps = np.sin(offset @ waves + numbers.uniform(0, 2 * np.pi, 4)).sum(axis=1) * ROUGHNESS / 2**0.5
        lesioned[near[np.linalg.norm(offset, axis=1) <= radius * (1 + bumps)]] = True
    return lesions


def simulate_cohort(
    *,
    subjects: int,
    voxel_mm: float,
    radius_mm: tuple[float, float],
    seed: int,
    hazard_ratio: float = 1.0,
    planted_mm: float = 15.0,
) -> Cohort:
    """A cohort whose lesions raise the hazard where they touch a ball in the brain.

    Parameters
    ----------
    subjects : int
        N.
    voxel_mm : float
        Size of voxels.
    radius_mm : (float, float)
        Smallest and largest mean radius of lesions.
    seed : int
        Of everything.
    hazard_ratio : float
        Of those whose lesion covers the ball's centre; 1 is the null hypothesis.
    planted_mm : float
        Radius of the ball; it lies halfway to the right border.
    """
    numbers = np.random.default_rng(seed)
    mask = brain_mask(voxel_mm)
    lesions = simulate_lesions(mask, voxel_mm, subjects, radius_mm, numbers)
    offset = np.argwhere(mask) * voxel_mm - np.array(HALF_AXES_MM) * [1.5, 1, 1]
    distance = np.linalg.norm(offset, axis=1)
    hit = lesions[:, distance.argmin()]
    times = numbers.exponential(14.0 / np.where(hit, hazard_ratio, 1.0))
    censoring = numbers.uniform(6.0, 60.0, subjects)
    effect = np.log(hazard_ratio)
    group = numbers.permutation(subjects) < 0.4 * subjects
    return Cohort(
        mask=mask,
        lesions=lesions,
        # whole tenths of a month: ties as in real follow-up
        times=np.ceil(10 * np.minimum(times, censoring)) / 10,
        events=times <= censoring,
        outcome=numbers.normal(0, 1, subjects) - effect * hit,
        group=group,
        volume=np.log1p(lesions.sum(axis=1)),
        planted=distance <= planted_mm if hazard_ratio != 1 else np.zeros(len(distance), bool),
    )
