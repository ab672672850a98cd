"""Registration of a pair by metamorphosis: a shape change everywhere, an appearance change in the tumour.

The scalar momentum z_0 of one geodesic (:mod:`.shooting`) is optimised, from coarse to fine voxels. Shape
comes first: with μ = 0 (LDDMM) and a dissimilarity that leaves the moving, flowing tumour out. Appearance
follows from that warm start, inside the tumour alone: with both at once the two compete and z diverges.

Scaling, stated once: intensities in [0, 1], gradients per mm, velocities in mm, a kernel of sum 1, sums (not
means) over voxels. The energy minimised is

    dissimilarity + λ ∫ ‖v_t‖²_V + μ² ⟨m_t z_t, z_t⟩ dt        (thesis, Eq. 5.3)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from attrs import validators as valid
from torch import Tensor
from torch.nn import functional

from . import geometry
from .kernels import Kernel
from .registration import Progress, Registration, checked
from .shooting import Geodesic, shoot
from .similarity import Measure, local_correlation, squared_difference

GRADIENT_FLOOR = 0.02
"""Per mm. z_0 acts as z_0 ∇I: equal steps of q = z_0 (|∇I| + floor) move flat and steep places alike."""

SHORTER = 0.4
"""Factor on the step for the last 40 % of a level, and for appearance, which starts where shape has ended."""

APPEARANCE_STEP = 0.05
"""About the most that one iteration changes the intensity of a voxel in the tumour."""


def _floats(value: float | Sequence[float]) -> tuple[float, ...]:
    return (float(value),) if isinstance(value, int | float) else tuple(float(v) for v in value)


def _all_positive(_: object, attribute: attrs.Attribute[Any], value: tuple[float, ...]) -> None:
    if not value or not all(number > 0 for number in value):
        raise ValueError(f"{attribute.name} takes positive numbers, at least one: got {value}")


@attrs.frozen(kw_only=True)
class MetamorphosisSettings:
    """How a pair is registered (scaling: see the module).

    Attributes
    ----------
    sigma_mm : tuple of float
        Widths of the Gaussians that make up the kernel, in mm; one number is taken as one width.
    mu : float
        Weight of appearance against shape; with a kernel of sum 1, 0.02 to 0.05. 0 is LDDMM.
    lam : float
        λ, weight of the geodesic's energy.
    steps : int
        Time steps of a geodesic.
    voxel_mm : tuple of float
        Voxel size of each level, coarse to fine. Levels finer than the images are taken at the images' size.
    iterations : tuple of int
        Iterations for shape at each level.
    appearance_iterations : int
        Iterations for appearance, at the finest level.
    learning_rate : float
        Adam's step for q, where z_0 = q / (|∇I| + :data:`GRADIENT_FLOOR`).
    tolerance : float
        A level ends early once the energy has changed by less than this fraction over five iterations.
    similarity : {"lncc", "ssd"}
        Local correlation (insensitive to bias and contrast) or squared difference (histogram-matched images).
    window_mm : float
        Standard deviation of the Gaussian window of ``lncc``.
    """

    sigma_mm: tuple[float, ...] = attrs.field(default=(8.0,), converter=_floats, validator=_all_positive)
    mu: float = attrs.field(default=0.05, validator=valid.ge(0))
    lam: float = attrs.field(default=6e-4, validator=valid.ge(0))
    steps: int = attrs.field(default=3, validator=valid.ge(1))
    voxel_mm: tuple[float, ...] = attrs.field(default=(4.0, 2.0), converter=_floats, validator=_all_positive)
    iterations: tuple[int, ...] = attrs.field(default=(40, 25), converter=tuple, validator=valid.min_len(1))
    appearance_iterations: int = attrs.field(default=8, validator=valid.ge(0))
    learning_rate: float = attrs.field(default=4.0, validator=valid.gt(0))
    tolerance: float = attrs.field(default=1e-5, validator=valid.ge(0))
    similarity: str = attrs.field(default="lncc", validator=valid.in_(("lncc", "ssd")))
    window_mm: float = attrs.field(default=3.0, validator=valid.gt(0))

    @iterations.validator
    def _one_count_a_level(self, _: attrs.Attribute[Any], value: tuple[int, ...]) -> None:
        if len(value) != len(self.voxel_mm):
            raise ValueError(
                "iterations and voxel_mm give one value a level: "
                f"got {len(value)} counts for {len(self.voxel_mm)} sizes"
            )


@attrs.frozen(kw_only=True, eq=False)
class _Level:
    """The pair at one voxel size, with what acts on it."""

    index: int
    spacing_mm: tuple[float, ...]
    moving: Tensor
    fixed: Tensor
    mask: Tensor
    brain: Tensor
    kernel: Kernel
    measure: Measure
    difference: Measure
    steps: int

    def shoot(self, momentum: Tensor, mu: float) -> Geodesic:
        return shoot(momentum, self.moving, self.kernel, self.spacing_mm, self.steps, mu, self.mask)

    def dissimilarity(self, geodesic: Geodesic) -> Tensor:
        """The measure outside the warped tumour; where appearance may change, squared difference inside."""
        change = geodesic.change
        moved = self.moving if change is None else self.moving + self.mask * change
        displacement = in_voxels(geodesic.backward, self.kernel, self.moving.shape[2:])
        warped, mask = geometry.warp(torch.cat([moved, self.mask], 1), displacement).split(1, 1)
        # Were the weight differentiated, the tumour would grow over whatever fits badly.
        inside = mask.detach() * self.brain
        value = self.measure(warped, self.fixed, self.brain - inside)
        if change is None:
            return value
        return value + self.difference(warped, self.fixed, inside)

    def filled(self, momentum: Tensor, mu: float) -> Tensor:
        """z_0 whose appearance, inside the mask, is what the images lack along the flow of ``momentum``."""
        geodesic = self.shoot(momentum, 0.0)  # with appearance the shape's z would change the image wildly
        shape = self.moving.shape[2:]
        lacking = geometry.warp(self.fixed, in_voxels(geodesic.forward, self.kernel, shape)) - self.moving
        rate = mu**2 * self.kernel.prolong(geodesic.elapsed)
        return torch.where(self.mask > 0.5, lacking / rate, momentum)


def register(
    moving: np.ndarray,
    fixed: np.ndarray,
    tumor_mask: np.ndarray | None,
    spacing_mm: Sequence[float],
    settings: MetamorphosisSettings | None = None,
    brain_mask: np.ndarray | None = None,
    device: str | torch.device = "cpu",
    seed: int = 0,
    progress: Progress | None = None,
) -> Registration:
    """The transform, and the change of appearance in the tumour, that take ``moving`` to ``fixed``.

    Parameters
    ----------
    moving, fixed : ndarray
        (X, Y, Z), intensities in [0, 1], affinely aligned on one grid and histogram-matched.
    tumor_mask : ndarray or None
        (X, Y, Z), values {0, 1}, on ``moving``. Without it appearance changes nowhere (LDDMM).
    spacing_mm : sequence of float
        Voxel size along each axis.
    settings : MetamorphosisSettings, optional
    brain_mask : ndarray, optional
        (X, Y, Z), values {0, 1}, on ``fixed``: where the images are compared; everywhere without it.
    device : str or torch.device
        Where to compute.
    seed : int
        Seed of torch's generator. The method draws nothing at random; it is part of every method's contract.
    progress : callable, optional
        Called with each new entry of ``energy``.

    Returns
    -------
    registration : Registration

    Raises
    ------
    ValueError
        Shapes that differ, values that are not finite, a mask with other values than 0 and 1.
    """
    settings = settings or MetamorphosisSettings()
    torch.manual_seed(seed)
    mask = np.zeros_like(moving) if tumor_mask is None else tumor_mask
    brain = np.ones_like(fixed) if brain_mask is None else brain_mask
    spacing = checked(moving, fixed, mask, brain, spacing_mm)
    pair = [
        torch.as_tensor(np.ascontiguousarray(array, dtype=np.float32), device=device)[None, None]
        for array in (moving, fixed, mask, brain)
    ]
    mu = settings.mu if mask.any() and settings.appearance_iterations else 0.0
    energy: list[dict[str, Any]] = []

    def record(entry: dict[str, Any]) -> None:
        energy.append(entry)
        if progress is not None:
            progress(entry)

    momentum = torch.zeros_like(pair[0])
    for level, iterations in _levels(pair, spacing, settings):
        momentum = _optimise(_at(momentum, level.moving), level, 0.0, iterations, settings, record)
    if mu:
        start = level.filled(momentum, mu)
        momentum = _optimise(start, level, mu, settings.appearance_iterations, settings, record)
    return _result(momentum, level, mu, pair, energy)


def in_voxels(coarse: Tensor, kernel: Kernel, shape: Sequence[int]) -> Tensor:
    """A displacement in voxels of the kernel's coarse grid, on a grid of ``shape`` and in its voxels."""
    scale = [fine / nodes for fine, nodes in zip(shape, kernel.coarse_shape, strict=True)]
    factors = torch.tensor(scale, dtype=coarse.dtype, device=coarse.device)
    return kernel.prolong(coarse, shape) * factors.view(1, -1, *[1] * len(scale))


def _levels(
    pair: Sequence[Tensor], spacing: tuple[float, ...], settings: MetamorphosisSettings
) -> Iterator[tuple[_Level, int]]:
    """Each level with its number of iterations, coarse to fine."""
    full = tuple(pair[0].shape[2:])
    for index, (voxel, iterations) in enumerate(zip(settings.voxel_mm, settings.iterations, strict=True)):
        shape = tuple(max(1, min(n, round(n * mm / voxel))) for n, mm in zip(full, spacing, strict=True))
        level_mm = tuple(n * mm / m for n, mm, m in zip(full, spacing, shape, strict=True))
        images = [functional.interpolate(image, size=shape, mode="area") for image in pair]
        moving, fixed, mask, brain = images
        difference = squared_difference(_variance(fixed, brain))
        level = _Level(
            index=index,
            spacing_mm=level_mm,
            moving=moving,
            fixed=fixed,
            mask=mask,
            brain=brain,
            kernel=Kernel(shape, level_mm, settings.sigma_mm, like=moving),
            measure=difference if settings.similarity == "ssd" else _correlation(level_mm, settings, moving),
            difference=difference,
            steps=settings.steps,
        )
        yield level, iterations


def _correlation(spacing: tuple[float, ...], settings: MetamorphosisSettings, like: Tensor) -> Measure:
    width = max(settings.window_mm, 1.5 * max(spacing))
    return local_correlation(Kernel(like.shape[2:], spacing, (width,), nodes_per_sigma=1.5, like=like))


def _variance(image: Tensor, where: Tensor) -> float:
    """Variance of ``image`` inside the mask ``where``; at least the square of a step of 8 bits."""
    values = image[where > 0.5]
    return max(values.var().item() if values.numel() > 1 else 0.0, 1.5e-5)


def _at(field: Tensor, image: Tensor) -> Tensor:
    """``field`` (z_0: in these units its values do not depend on the voxel size) on the grid of ``image``."""
    mode = "trilinear" if image.dim() == 5 else "bilinear"
    return functional.interpolate(field, size=image.shape[2:], mode=mode, align_corners=False)


def _optimise(
    momentum: Tensor,
    level: _Level,
    mu: float,
    iterations: int,
    settings: MetamorphosisSettings,
    record: Progress,
) -> Tensor:
    """The z_0 of least energy among ``iterations`` of Adam, the last of which take shorter steps."""
    per_voxel = torch.tensor(level.spacing_mm, dtype=momentum.dtype, device=momentum.device)
    slope = geometry.gradient(level.moving)[0, 0] / per_voxel.view(-1, *[1] * len(per_voxel))
    scale = 1.0 / (slope.square().sum(0, keepdim=True)[None].sqrt() + GRADIENT_FLOOR)
    rate = settings.learning_rate
    if mu:
        rate *= SHORTER
        limit = APPEARANCE_STEP / (mu**2 * rate)
        scale = torch.where(level.mask > 0, scale.clamp_max(limit), scale)
    scaled = (momentum / scale).requires_grad_(True)
    adam = torch.optim.Adam([scaled], lr=rate)
    annealing = torch.optim.lr_scheduler.MultiStepLR(adam, [math.ceil(0.6 * iterations)], gamma=SHORTER)
    energies: list[float] = []
    best = scaled.detach().clone()
    for iteration in range(iterations):
        adam.zero_grad(set_to_none=True)
        geodesic = level.shoot(scale * scaled, mu)
        similarity, regularisation = level.dissimilarity(geodesic), settings.lam * geodesic.energy
        energies.append(similarity.item() + regularisation.item())
        if energies[-1] == min(energies):
            best.copy_(scaled.detach())
        (similarity + regularisation).backward()
        adam.step()
        annealing.step()
        entry = {"level": level.index, "stage": "appearance" if mu else "shape", "iteration": iteration}
        record(entry | {"similarity": similarity.item(), "regularisation": regularisation.item()})
        if iteration >= 5 and abs(energies[-6] - energies[-1]) < settings.tolerance * abs(energies[-1]):
            break
    return scale * best


@torch.no_grad()
def _result(
    momentum: Tensor, level: _Level, mu: float, pair: Sequence[Tensor], energy: list[dict[str, Any]]
) -> Registration:
    """The geodesic of ``momentum`` at full resolution."""
    moving, _, mask, _ = pair
    shape = moving.shape[2:]
    geodesic = level.shoot(momentum, mu)
    displacement = in_voxels(geodesic.backward, level.kernel, shape)
    inverse = geometry.invert(displacement, in_voxels(geodesic.forward, level.kernel, shape))
    appearance = torch.zeros_like(moving)
    if geodesic.change is not None:
        change = mask * _at(geodesic.change, moving)
        warped, inside = geometry.warp(torch.cat([change, mask], 1), displacement).split(1, 1)
        appearance = warped * (inside >= 0.5)
    return Registration(
        displacement=displacement[0].cpu().numpy(),
        inverse_displacement=inverse[0].cpu().numpy(),
        appearance=appearance[0, 0].cpu().numpy(),
        energy=energy,
    )
