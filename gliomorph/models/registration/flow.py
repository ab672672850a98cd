r"""A flow that brings the images nearer at each instant: shape at the images' own voxels, from any map onwards.

A geodesic is fixed by its beginning, and the wide kernel that makes it smooth cannot follow people's sulci. Here
the path goes on as MetaMorph-R's does (thesis, Eq. 5.6), with a momentum z_t of its own at each step, found from the
images instead of by a network. Inside a window around each point the fixed image is a I_t + b, but for a residual r.
One step of Gauss and Newton for Σ w r² / σ_J², the part of the fixed image that the moving one does not explain, is

    z_t = −w a r / σ_J²      s_t = K(w a² |∇I_t|² / σ_J²)      v_t = −K(z_t ∇I_t) / (s_t + α) + m v_{t−1}
    ψ ← ψ∘(Id + v_t)         u ← (s_t u + β G(u)) / (s_t + β)  for the displacement u = ψ − Id

with Gaussians K and G. The denominator makes steps of one length where contrast is high and where it is low; as a
quotient of two smoothed fields, v goes on into regions that say nothing: the tumour, for whose voxels w = 0. The
stiffness s is what the images know about the place of a point: low in flat tissue and where they do not correspond.
There the map becomes that of the neighbours instead of following the noise (as a membrane that images hold, Horn and
Schunck, 1981, taken with weights), while sulci may move as they are. Without the inertia m (Polyak, 1964) wide and
slow movements are still on their way when a level ends. The weights, the window, K and G are counted in voxels of the
level, from coarse voxels to the images' own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import attrs
import torch
from attrs import validators as valid
from torch import Tensor

from .. import geometry
from ..kernels import NODES_PER_SIGMA, cosines, in_voxels, resample, separable
from .pair import Pair, Progress
from .similarity import VARIANCE_FLOOR

NEARLY_ALL = VARIANCE_FLOOR - 1e-6
"""Of the floor: what is left keeps quotients finite."""
WEIGHTS_KEPT = 5
"""Iterations for which weights and window means of the fixed image are kept: the tumour hardly moves in so few."""
LEAST_DETERMINANT = 0.02
"""Where a map squeezes further, it is smoothed until it does not."""
MOST_REPAIRS = 20


@attrs.frozen(kw_only=True)
class FlowSettings:
    """How a flow goes; lengths in voxels of its level where not said otherwise."""

    voxel_mm: tuple[float, ...] = (4.0, 2.0, 1.0)
    """Voxel size of each level, coarse to fine. Levels finer than the images are taken at the images' size."""
    iterations: tuple[int, ...] = (80, 50, 5)
    """The most of each level."""
    kernel: tuple[float, ...] = (5.0, 4.0, 1.8)
    """Standard deviation of K at each level."""
    window: tuple[float, ...] = (1.7, 1.7, 2.2)
    """Standard deviation of the window of the local statistics at each level."""
    elastic: tuple[float, ...] = (0.8, 0.8, 1.2)
    """Standard deviation of G, which smooths the whole displacement after each step of a level."""
    ease: float = attrs.field(default=0.05, validator=valid.gt(0))
    """β, per square voxel: a stiffness at which the map is half its own, half its neighbours'."""
    floor: float = attrs.field(default=0.003, validator=valid.gt(0))
    """α, per square voxel."""
    step: float = attrs.field(default=0.7, validator=[valid.gt(0), valid.le(1)])
    """Share of each Gauss-Newton step that is taken."""
    inertia: float = attrs.field(default=0.7, validator=[valid.ge(0), valid.lt(1)])
    """m, the share of the last velocity in the next one."""
    longest: float = attrs.field(default=0.5, validator=[valid.gt(0), valid.lt(1)])
    """The most that one step moves a point: the sum of small steps does not fold."""
    rim_mm: float = attrs.field(default=3.0, validator=valid.ge(0))
    """Around the fixed image's brain, where images are compared as well: the outlines come to agree."""
    margin_mm: float = attrs.field(default=2.0, validator=valid.ge(0))
    """Around the tumour, left out of the comparison with it (:mod:`.objective`)."""
    tolerance: float = attrs.field(default=2e-4, validator=valid.ge(0))
    """A level ends early once five iterations lessen what is unexplained by less than this fraction."""

    def __attrs_post_init__(self) -> None:
        levels = (self.voxel_mm, self.iterations, self.kernel, self.window, self.elastic)
        if len({len(values) for values in levels}) != 1:
            raise ValueError(
                "voxel_mm, iterations, kernel, window and elastic have to give one value a level"
            )


@torch.no_grad()
def flow(displacement: Tensor, pair: Pair, settings: FlowSettings, progress: Progress) -> Tensor:
    """The map with which a flow ends that sets out from a given map.

    Parameters
    ----------
    displacement : Tensor
        ψ − Id, (1, D, X, Y[, Z]) in voxels of ``pair``: from fixed points to moving ones.
    pair : Pair
        Of batch one. Its tumour, with a margin, and what lies outside brain and rim are not compared.
    settings : FlowSettings
    progress : callable
        Called with ``level``, ``stage`` (flow), ``iteration`` and ``similarity`` of each iteration.

    Returns
    -------
    displacement : Tensor
        ψ − Id likewise, mended where it folded (:func:`unfolded`).
    """
    masked = attrs.evolve(
        pair,
        mask=geometry.dilate(pair.mask, settings.margin_mm, pair.spacing_mm),
        brain=geometry.dilate(pair.brain, settings.rim_mm, pair.spacing_mm),
    )
    for index, iterations in enumerate(settings.iterations):
        if not iterations:
            continue
        sides = zip(pair.shape, pair.spacing_mm, strict=True)
        level = masked.at([max(1, min(n, round(n * mm / settings.voxel_mm[index]))) for n, mm in sides])
        nodes = nodes_of(level.shape, settings.kernel[index])
        displacement = in_voxels(displacement, nodes)
        per_node = geometry.columns([m / n for m, n in zip(nodes, level.shape, strict=True)], displacement)
        elastic = [settings.elastic[index] * m / n for m, n in zip(nodes, level.shape, strict=True)]
        comparison = Comparison(level, settings.window[index])
        velocity = torch.zeros_like(displacement)
        unexplained: list[float] = []
        for iteration in range(iterations):
            step, stiffness, share = comparison.step(displacement, settings, index, iteration)
            unexplained.append(share)
            entry: dict[str, Any] = {"level": index, "stage": "flow", "iteration": iteration}
            progress(entry | {"similarity": share, "regularisation": 0.0})
            velocity = limited(step + settings.inertia * velocity, settings.longest)
            # Nesterov's way: the next step is found where the velocity is about to lead
            ahead = limited(step + settings.inertia * velocity, settings.longest)
            moved = geometry.compose(displacement, ahead * per_node)
            eased = settings.ease / (settings.ease + stiffness)
            displacement = torch.lerp(moved, smoothed(moved, elastic), eased)
            if len(unexplained) > 5 and unexplained[-6] - share < settings.tolerance * share:
                break
    return unfolded(in_voxels(displacement, pair.shape))


class Comparison:
    """The two images of a level, in windows around each point.

    Parameters
    ----------
    pair : Pair
        At the level's voxels.
    window : float
        Standard deviation in voxels.
    """

    def __init__(self, pair: Pair, window: float) -> None:
        self.pair, self.window = pair, window

    def _mean(self, image: Tensor) -> Tensor:
        return smoothed(image, self.window).mul_(self.share)

    def _weigh(self, displacement: Tensor) -> None:
        pair = self.pair
        self.weight = pair.brain * (geometry.warp(pair.mask, displacement) < 0.5)
        self.share = 1.0 / smoothed(self.weight, self.window).clamp_min(1e-3)
        self.mean = self._mean(self.weight * pair.fixed)
        variance = self._mean(self.weight * pair.fixed**2) - self.mean**2
        self.variance = variance.clamp_min(0) + VARIANCE_FLOOR

    def step(
        self, displacement: Tensor, settings: FlowSettings, index: int, iteration: int
    ) -> tuple[Tensor, Tensor, float]:
        """The next step, the stiffness s, and the share of the fixed image that is not explained.

        Step and stiffness are on the grid of ``displacement``, over the level's box, but count the level's voxels.
        """
        pair, nodes = self.pair, displacement.shape[2:]
        whole = in_voxels(displacement, pair.shape)
        if iteration % WEIGHTS_KEPT == 0:
            self._weigh(whole)
        image = geometry.warp(pair.moving, whole)
        slope, drive, share = self._compared(image)
        pulls = image.new_zeros(1, len(nodes) + 1, *pair.shape)
        for channel in range(image.shape[1]):
            steepness = torch.zeros_like(self.weight[:, 0])
            for axis, along in enumerate(geometry.gradient(image[:, channel : channel + 1])[:, 0].unbind(1)):
                pulls[:, axis].addcmul_(drive[:, channel], along)
                steepness.addcmul_(along, along)
            pulls[:, -1].addcmul_(slope[:, channel], steepness)
        widths = [settings.kernel[index] * m / n for m, n in zip(nodes, pair.shape, strict=True)]
        pulls = smoothed(resample(pulls, nodes), widths)
        force, stiffness = pulls[:, :-1], pulls[:, -1:]
        return settings.step * force / (stiffness + settings.floor), stiffness, share

    def _compared(self, image: Tensor) -> tuple[Tensor, Tensor, float]:
        """w a² / σ_J² and w a r / σ_J² of the warped image, and the share that is not explained."""
        fixed, channels = self.pair.fixed, image.shape[1]
        weighted = self.weight * image
        means = self._mean(torch.cat([weighted, weighted * image, weighted * fixed], 1))
        mean, square, product = means.split(channels, 1)
        variance = (square - mean**2).clamp_min_(0).add_(VARIANCE_FLOOR)
        covariance = product.addcmul_(mean, self.mean, value=-1)
        slope = covariance / variance
        explained = (self.weight * covariance * slope).div_(self.variance).sum()
        share = float(1.0 - explained / (channels * self.weight.sum()).clamp_min(1.0))
        # the floor is for the pull of flat places: with it here, equal images would drift
        fit = covariance.div_(variance.sub_(NEARLY_ALL))
        residual = (fixed - self.mean).addcmul_(fit, image - mean, value=-1)
        pull = (self.weight * slope).div_(self.variance)
        return pull * slope, residual.mul_(pull), share


def limited(velocity: Tensor, longest: float) -> Tensor:
    """``velocity`` (1, D, …), shortened where it is longer than ``longest``."""
    length = velocity.square().sum(1, keepdim=True).sqrt()
    return velocity * (longest / length.clamp_min(longest))


def unfolded(displacement: Tensor) -> Tensor:
    """A displacement, smoothed where its map folds or nearly does, :data:`MOST_REPAIRS` times at most."""
    for _ in range(MOST_REPAIRS):
        bad = (geometry.jacobian_determinant(displacement) < LEAST_DETERMINANT).to(displacement)
        if not bad.any():
            break
        share = smoothed(geometry.dilate(bad, 1.0, [1.0] * (displacement.dim() - 2)), 0.7).clamp(0, 1)
        displacement = torch.lerp(displacement, smoothed(displacement, 1.0), share)
    return displacement


def smoothed(field: Tensor, sigma: float | Sequence[float]) -> Tensor:
    """``field`` (batch, channels, …) behind a Gaussian of ``sigma`` voxels (one for all axes or each its own),
    reflected at the border."""
    shape = field.shape[2:]
    widths = [sigma] * len(shape) if isinstance(sigma, int | float) else sigma
    if not any(widths):
        return field
    return separable(
        [_gaussian(size, width).to(field) for size, width in zip(shape, widths, strict=True)], field
    )


def nodes_of(shape: Sequence[int], sigma: float) -> list[int]:
    """The grid over the box of ``shape`` on which a field of the width ``sigma`` (voxels) is kept."""
    return [min(size, math.ceil(size * NODES_PER_SIGMA / sigma)) for size in shape]


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _gaussian(size: int, sigma: float) -> Tensor:
    """The Gaussian as a matrix (size, size), float64, of rows with sum 1."""
    basis = cosines(size, size)
    transfer = torch.exp(-0.5 * (sigma * math.pi / size * torch.arange(size, dtype=torch.float64)) ** 2)
    return (basis * transfer) @ basis.T
