"""Dissimilarities of two images, as sums over voxels, with a weight that says where they count.

Each is called as ``measure(warped, fixed, weight)`` with images (batch, C, X, Y[, Z]) and a weight
(batch, 1, X, Y[, Z]) in [0, 1], and gives a scalar: a sum over voxels, channels and the batch. It is least
for equal images, and 0 there save where said otherwise. A masked version is a weight that is 0 in the mask.

All but the squared difference are free of units, times Σ w: the correlations and the mutual information give the part
of the image, between 0 and 1, that the other does not explain. One λ then serves images of any contrast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ..kernels import Kernel

Measure = Callable[[Tensor, Tensor, Tensor], Tensor]

WINDOW_NODES_PER_SIGMA = 1.5
"""Of the grid on which local statistics are taken."""
VARIANCE_FLOOR = 1e-3
"""About that of the noise in a scan in [0, 1]. Added to the local variances and to the covariance, as if both
images had a texture in common: flat regions then agree."""


def squared_difference(noise_variance: float = 1.0) -> Measure:
    """The measure Σ w (I − J)² / (2 s²), for images of equal contrast.

    Parameters
    ----------
    noise_variance : float
        s². With 1 it is the data term of the thesis, ½‖I − J‖² (Eq. 5.3).

    Returns
    -------
    measure : callable
    """

    def measure(warped: Tensor, fixed: Tensor, weight: Tensor) -> Tensor:
        return (weight * (warped - fixed) ** 2).sum() / (2.0 * noise_variance)

    return measure


def correlation(warped: Tensor, fixed: Tensor, weight: Tensor) -> Tensor:
    """The measure Σ w · (1 − ρ²), ρ the correlation over the whole image: blind to one linear contrast."""
    count = _total(weight).clamp_min(1e-6)
    first, second = warped - _total(weight * warped) / count, fixed - _total(weight * fixed) / count
    covariance = _total(weight * first * second)
    power = _total(weight * first**2) * _total(weight * second**2)
    return (count * (1.0 - covariance**2 / power.clamp_min(1e-12))).sum()


def intensity_ratio(warped: Tensor, fixed: Tensor, weight: Tensor) -> Tensor:
    """The measure Σ w · VIR²: the squared variation of R = I / J (thesis §4.2; Woods 1992).

    VIR is the standard deviation of R over its mean, blind to a common factor. Intensities are taken as at
    least 0.05 where they divide, so that the background does not decide.
    """
    count = _total(weight).clamp_min(1e-6)
    ratio = warped / fixed.clamp_min(0.05)
    mean = _total(weight * ratio) / count
    variance = _total(weight * (ratio - mean) ** 2) / count
    return (count * variance / mean.square().clamp_min(1e-6)).sum()


def mutual_information(bins: int = 32) -> Measure:
    """The measure Σ w · (1 − MI / H(J)): the information in J that I lacks, blind to any contrast.

    Intensities in [0, 1] (clamped) fall linearly between the two nearest of ``bins`` levels, which keeps the
    joint histogram differentiable and leaves a little over 0 for equal images.

    Parameters
    ----------
    bins : int
        Levels of each image.

    Returns
    -------
    measure : callable
    """
    if bins < 2:
        raise ValueError(f"bins has to be at least 2, got {bins}")

    def measure(warped: Tensor, fixed: Tensor, weight: Tensor) -> Tensor:
        parts = []
        for one, other, where in zip(warped, fixed, weight, strict=True):
            for first, second in zip(one, other, strict=True):
                inside = where[0] > 0  # most of a volume is background
                joint = _joint_histogram(first[inside], second[inside], where[0][inside], bins)
                parts.append(joint.sum() * _unexplained(joint))
        return torch.stack(parts).sum()

    return measure


def local_correlation(width_mm: float, spacing_mm: Sequence[float]) -> Measure:
    """The measure Σ w (1 − ρ²), ρ the correlation inside a Gaussian window around each point.

    Blind to smooth bias and to contrast that differs from place to place. The statistics are taken with
    weights, on a grid as coarse as the window allows.

    Parameters
    ----------
    width_mm : float
        Standard deviation of the window.
    spacing_mm : sequence of float
        Voxel size of the images, which may have any number of voxels.

    Returns
    -------
    measure : callable
    """

    @lru_cache(maxsize=4)
    @torch.inference_mode(False)
    def window_on(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Kernel:
        like = torch.empty(0, dtype=dtype, device=device)
        return Kernel(shape, spacing_mm, (width_mm,), WINDOW_NODES_PER_SIGMA, like)

    def measure(warped: Tensor, fixed: Tensor, weight: Tensor) -> Tensor:
        window = window_on(weight.shape[2:], weight.dtype, weight.device)

        def mean(image: Tensor) -> Tensor:
            return window.smooth(window.restrict(image))

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


def _total(image: Tensor) -> Tensor:
    return image.sum(dim=tuple(range(2, image.dim())), keepdim=True)


def _joint_histogram(first: Tensor, second: Tensor, weight: Tensor, bins: int) -> Tensor:
    """Σ w falling on each pair of levels, (bins, bins), from flat tensors."""
    joint = weight.new_zeros(bins * bins)
    (low_first, up_first), (low_second, up_second) = (_levels(x, bins) for x in (first, second))
    for row, in_first in ((low_first, 1 - up_first), (low_first + 1, up_first)):
        for column, in_second in ((low_second, 1 - up_second), (low_second + 1, up_second)):
            joint = joint.index_add(0, row * bins + column, weight * in_first * in_second)
    return joint.view(bins, bins)


def _levels(values: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """The level below each value, and the share of the level above."""
    position = values.clamp(0, 1) * (bins - 1)
    below = position.detach().floor().clamp_max(bins - 2)
    return below.long(), position - below


def _unexplained(joint: Tensor) -> Tensor:
    """1 − MI / H of the second image."""
    share = joint / joint.sum().clamp_min(1e-6)

    def entropy(p: Tensor) -> Tensor:
        return -torch.special.xlogy(p, p.clamp_min(1e-12)).sum()

    of_second = entropy(share.sum(0)).clamp_min(1e-6)
    information = entropy(share.sum(1)) + of_second - entropy(share)
    return 1.0 - information / of_second
