"""Small random cohorts: every voxel has lesioned and spared subjects."""

import numpy as np


def lesion_matrix(subjects=24, voxels=40, seed=0):
    """(N, V) bool, with repeated columns, from rare to frequent lesions."""
    numbers = np.random.default_rng(seed)
    share = numbers.uniform(0.1, 0.9, voxels)
    lesions = numbers.random((subjects, voxels)) < share
    lesions[0], lesions[1] = True, False
    return np.concatenate([lesions, lesions[:, : voxels // 4]], axis=1)


def coverage_matrix(lesions, seed=1):
    """(N, V) bool: a few subjects lack some voxels, the first three and the last none."""
    numbers = np.random.default_rng(seed)
    coverage = np.ones(lesions.shape, bool)
    half = lesions.shape[1] // 2
    coverage[3:-1, :half] = numbers.random(len(lesions) - 4)[:, None] < 0.8
    return coverage


def follow_up(subjects=24, seed=2, ties=True):
    """Times, with many ties or none, and events."""
    numbers = np.random.default_rng(seed)
    times = numbers.exponential(10.0, subjects) + 0.5
    return (np.ceil(times / 3) if ties else times), numbers.random(subjects) < 0.7


def identity(subjects=24):
    """The observed order, as the only permutation."""
    return np.arange(subjects)[None]
