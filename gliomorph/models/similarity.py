"""Dissimilarities of two images, as sums over voxels, with a weight that says where they count.

Each is called as ``measure(warped, fixed, weight)`` with tensors (1, 1, X, Y[, Z]) and gives a scalar: the
number of voxels, times the fraction of their variance that the other image does not explain. Equal images
give 0, a minimum.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .kernels import Kernel

Measure = Callable[[Tensor, Tensor, Tensor], Tensor]

VARIANCE_FLOOR = 1e-3
"""About that of the noise in a scan in [0, 1]. Added to the local variances and to the covariance, as if both
images had a texture in common: flat regions then agree."""


def squared_difference(variance: float) -> Measure:
    """The measure Σ w (I − J)² / variance, for images of equal contrast.

    Parameters
    ----------
    variance : float
        Of the fixed image where it counts.

    Returns
    -------
    measure : callable
    """

    def measure(warped: Tensor, fixed: Tensor, weight: Tensor) -> Tensor:
        return (weight * (warped - fixed) ** 2).sum() / variance

    return measure


def local_correlation(window: Kernel) -> Measure:
    """The measure Σ w (1 − ρ²), ρ the correlation inside a Gaussian window around each point.

    Blind to smooth bias and to contrast that differs from place to place. The statistics are taken with
    weights, on the coarse grid of ``window``.

    Parameters
    ----------
    window : Kernel
        Local mean.

    Returns
    -------
    measure : callable
    """

    def mean(image: Tensor) -> Tensor:
        return window.smooth(window.restrict(image))

    def measure(warped: Tensor, fixed: Tensor, weight: Tensor) -> Tensor:
        count = mean(weight).clamp_min(1e-3)
        first, second = weight * warped, weight * fixed
        mean_first, mean_second = mean(first) / count, mean(second) / count
        covariance = mean(first * fixed) / count - mean_first * mean_second
        variance_first = mean(first * warped) / count - mean_first**2
        variance_second = mean(second * fixed) / count - mean_second**2
        first_power = variance_first.clamp_min(0) + VARIANCE_FLOOR
        second_power = variance_second.clamp_min(0) + VARIANCE_FLOOR
        squared = (covariance + VARIANCE_FLOOR) ** 2 / (first_power * second_power)
        return window.voxels_per_node * (count * (1.0 - squared)).sum()

    return measure
