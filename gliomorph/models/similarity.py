"""Dissimilarities of two images, as sums over voxels, with a weight that says where they count.

Each is called as ``measure(warped, fixed, weight)`` with tensors (1, 1, X, Y[, Z]) and gives a scalar.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .kernels import Kernel

Measure = Callable[[Tensor, Tensor, Tensor], Tensor]

VARIANCE_FLOOR = 1e-3
"""Added to local variances: about the noise of a scan in [0, 1]; flat regions then count little."""


def squared_difference(warped: Tensor, fixed: Tensor, weight: Tensor) -> Tensor:
    """½ Σ w (I − J)²."""
    return 0.5 * (weight * (warped - fixed) ** 2).sum()


def local_correlation(window: Kernel) -> Measure:
    """The measure Σ w (1 − ρ²), ρ the correlation inside a Gaussian window around each point.

    Blind to smooth bias and to contrast that differs from place to place, even in sign. The statistics are
    taken with weights, on the coarse grid of ``window``.

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
        return window.voxels_per_node * (count * (1.0 - covariance**2 / (first_power * second_power))).sum()

    return measure
