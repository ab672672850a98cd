"""How alike two networks represent the same images: SVCCA (Raghu et al., NeurIPS 2017; thesis, Fig. 3.9).

A layer is a matrix of samples (voxels) × channels. A singular value decomposition leaves the directions of channel
space that hold 99 % of its variance; canonical correlation analysis finds the pairs of directions, one of each layer,
whose values over the samples correlate most; the similarity is the mean of these correlations.

It is symmetric, 1 for a layer with itself, and the same under rotation, common scale and offset of the channels. CCA by
itself is the same under any invertible linear map; the truncation is not, because such a map can bring a direction
below or above the 1 %: with ``variance=1`` it is. Some correlation is chance: of independent layers the mean is about
√(channels / samples), not 0, and more where neighbouring voxels are alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...unet import UNet

POINTS = 50_000
"""Voxels of a layer that are compared; of 120 channels, chance then gives 0.04."""
ROUNDING = torch.finfo(torch.float32).eps


@torch.no_grad()
def layer_similarity(
    one: Tensor,
    other: Tensor,
    variance: float = 0.99,
    points: int = POINTS,
    generator: torch.Generator | None = None,
) -> float:
    """Mean canonical correlation of two layers.

    Parameters
    ----------
    one, other : Tensor
        (N, C, X, Y[, Z]), of the same images and on the same grid; C may differ.
    variance : float
        Share of each layer's variance that its kept directions hold, in (0, 1].
    points : int
        Voxels drawn at random, the same of both, if there are more.
    generator : torch.Generator, optional
        Draws them; on the CPU. A new one of seed 0 if not given, so that a repetition gives the same.

    Returns
    -------
    similarity : float
        0 to 1; NaN where a layer is constant.

    Raises
    ------
    ValueError
        If the layers have different samples, or no more voxels are compared than both have channels: their
        directions would coincide by necessity.
    """
    return _mean_correlation(*_samples(one, other, points, generator), variance)


@torch.no_grad()
def network_similarity(
    networks: tuple[UNet, UNet],
    images: Sequence[tuple[Tensor, Tensor]],
    variance: float = 0.99,
    points: int = POINTS,
    generator: torch.Generator | None = None,
) -> dict[str, float]:
    """Mean canonical correlation of every layer of two networks.

    Parameters
    ----------
    networks : tuple of UNet
        Each on its images' device.
    images : sequence of tuple of Tensor
        Batches, one at a time in memory: what the first network reads of some patients, and what the second reads of
        the same (a teacher four modalities, a student one), (N, C, X, Y[, Z]) each.
    variance : float
        As of :func:`layer_similarity`.
    points : int
        Voxels of a layer, the same number of each batch.
    generator : torch.Generator, optional
        As of :func:`layer_similarity`.

    Returns
    -------
    similarity : dict of str to float
        By layer, named as in :meth:`UNet.features`; then by class alone, ``class0`` …: the thesis' last four bars.

    Raises
    ------
    ValueError
        As of :func:`layer_similarity`; without images.
    """
    if not images:
        raise ValueError("images of at least one patient are required, got none")
    generator = generator or torch.Generator().manual_seed(0)
    samples: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for pair in images:
        first, second = (network.features(image) for network, image in zip(networks, pair, strict=True))
        for name in first:
            drawn = _samples(first[name], second[name], points // len(images), generator)
            samples.setdefault(name, []).append(drawn)
    layers = {
        name: (torch.cat([first for first, _ in drawn]), torch.cat([second for _, second in drawn]))
        for name, drawn in samples.items()
    }
    classes = zip(*(scores.split(1, dim=1) for scores in layers["scores"]), strict=True)
    layers |= {f"class{index}": (first, second) for index, (first, second) in enumerate(classes)}
    return {name: _mean_correlation(*pair, variance) for name, pair in layers.items()}


def _samples(
    one: Tensor, other: Tensor, points: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """The same voxels of two layers, (samples, C) each."""
    if one.shape[:1] + one.shape[2:] != other.shape[:1] + other.shape[2:]:
        raise ValueError(
            f"layers of the same images and grid are required, got {tuple(one.shape)} and {tuple(other.shape)}"
        )
    rows = [layer.movedim(1, -1).flatten(0, -2) for layer in (one, other)]
    if len(rows[0]) > points:
        generator = generator or torch.Generator().manual_seed(0)
        chosen = torch.randperm(len(rows[0]), generator=generator)[:points]
        rows = [row[chosen.to(row.device)] for row in rows]
    return rows[0], rows[1]


def _mean_correlation(one: Tensor, other: Tensor, variance: float) -> float:
    """Mean of the singular values of the product of orthonormal bases of two matrices' (samples, C) subspaces."""
    if not 0 < variance <= 1:
        raise ValueError(f"a share of the variance in (0, 1] is required, got {variance}")
    if len(one) <= one.shape[1] + other.shape[1]:
        raise ValueError(
            f"more voxels than the {one.shape[1]} and {other.shape[1]} channels together are required, "
            f"got {len(one)}: compare more or larger images"
        )
    first, second = (_subspace(matrix, variance) for matrix in (one, other))
    if not first.shape[1] or not second.shape[1]:
        return float("nan")
    return float(torch.linalg.svdvals(first.T @ second).clamp(max=1).mean())


def _subspace(matrix: Tensor, variance: float) -> Tensor:
    """Orthonormal basis, (samples, kept), of the fewest singular directions that hold that share of the variance.

    Directions that rounding of float32 alone could explain are no part of it.
    """
    matrix = matrix.cpu().double()
    basis, singular, _ = torch.linalg.svd(matrix - matrix.mean(0), full_matrices=False)
    held = (singular**2).cumsum(0)
    kept = min(int((held < variance * held[-1]).sum()) + 1, int((singular > ROUNDING * matrix.norm()).sum()))
    return basis[:, :kept]
