"""Registration of a pair by metamorphosis: a shape change everywhere, an appearance change in the tumour.

The momentum z_0 of one geodesic (:mod:`.shooting`) is optimised, from coarse to fine voxels. Shape
comes first: with μ = 0 (LDDMM) and a dissimilarity that leaves the moving, flowing tumour out. Appearance
follows from that warm start, inside the tumour alone: with both at once the two compete.
Several modalities share one velocity (thesis, App. A.1): z_0 has a channel for each.

Scaling, stated once: intensities in [0, 1], gradients per mm, velocities in mm, a kernel of sum 1, sums (not
means) over voxels. The energy minimised is that of :mod:`.objective`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from attrs import validators as valid
from torch import Tensor

from .. import geometry
from ..kernels import Kernel, in_voxels
from .objective import MASKINGS, Masking, Objective, appearance_mask
from .pair import Pair, Progress, Registration, finished
from .shooting import Geodesic, shoot
from .similarity import (
    Measure,
    correlation,
    intensity_ratio,
    local_correlation,
    mutual_information,
    squared_difference,
)

SIMILARITIES = ("lncc", "ssd", "cc", "mi", "vir")
OPTIMISERS = ("adam", "lbfgs")

FLOORS = {"adam": 0.02, "lbfgs": 0.1}
"""Per mm. z_0 acts as z_0 ∇I: equal steps of q = z_0 (|∇I| + floor) move flat and steep places alike. The line search
of L-BFGS comes to a stand where flat places are steep in q."""

SHORTER = 0.4
"""Factor on the step for the last 40 % of a level, and for appearance, which starts where shape has ended."""

APPEARANCE_STEP = 0.05
"""About the most that one iteration changes the intensity of a voxel in the tumour."""


def _counts(values: Sequence[int]) -> tuple[int, ...]:
    return tuple(values)


def _not_negative(_: object, attribute: attrs.Attribute[Any], value: tuple[int, ...]) -> None:
    if any(number < 0 for number in value):
        raise ValueError(f"{attribute.name} takes numbers of 0 or more: got {value}")


def _floats(value: float | Sequence[float]) -> tuple[float, ...]:
    values = value if isinstance(value, Iterable) else (value,)
    return tuple(float(number) for number in values)


def _all_positive(_: object, attribute: attrs.Attribute[Any], value: tuple[float, ...]) -> None:
    if not value or not all(number > 0 for number in value):
        raise ValueError(f"{attribute.name} takes positive numbers, at least one: got {value}")


@attrs.frozen(kw_only=True)
class MetamorphosisSettings:
    """How a pair is registered (scaling: see the module)."""

    sigma_mm: tuple[float, ...] = attrs.field(default=(8.0,), converter=_floats, validator=_all_positive)
    """Widths of the Gaussians that make up the kernel, in mm; one number is taken as one width."""
    mu: float = attrs.field(default=0.05, validator=valid.ge(0))
    """Weight of appearance against shape; with a kernel of sum 1, 0.02 to 0.05. 0 is LDDMM."""
    lam: float = attrs.field(default=6e-4, validator=valid.ge(0))
    """λ, weight of the geodesic's energy."""
    steps: int = attrs.field(default=3, validator=valid.ge(1))
    """Time steps of a geodesic."""
    voxel_mm: tuple[float, ...] = attrs.field(default=(4.0, 2.0), converter=_floats, validator=_all_positive)
    """Voxel size of each level, coarse to fine. Levels finer than the images are taken at the images' size."""
    iterations: tuple[int, ...] = attrs.field(
        default=(40, 25), converter=_counts, validator=[valid.min_len(1), _not_negative]
    )
    """Iterations for shape at each level."""
    appearance_iterations: int = attrs.field(default=8, validator=valid.ge(0))
    """Iterations for appearance, at the finest level; without masking it has those of shape. 0 is LDDMM, and so is
    masking ``cfm``."""
    learning_rate: float = attrs.field(default=4.0, validator=valid.gt(0))
    """Adam's step for q, where z_0 = q / (|∇I| + floor) (:data:`FLOORS`). L-BFGS finds its own."""
    tolerance: float = attrs.field(default=1e-5, validator=valid.ge(0))
    """A level ends early once the energy has changed by less than this fraction over five iterations (Adam)."""
    similarity: str = attrs.field(default="lncc", validator=valid.in_(SIMILARITIES))
    """One of ``"lncc"``, ``"ssd"``, ``"cc"``, ``"mi"``, ``"vir"``. Local correlation (insensitive to bias and
    contrast); ½ squared difference as in the thesis (matched images; λ then is of another order, 1e-6 to 1e-4);
    correlation; mutual information; variation of the intensity ratio (:mod:`.similarity`)."""
    window_mm: float = attrs.field(default=3.0, validator=valid.gt(0))
    """Standard deviation of the Gaussian window of ``lncc``; one and a half voxels of the level at least."""
    masking: Masking = attrs.field(default="local", validator=valid.in_(MASKINGS))
    """One of ``"local"``, ``"cfm"``, ``"none"``. What the tumour mask is for (:mod:`.objective`)."""
    margin_mm: float = attrs.field(default=4.0, converter=float, validator=valid.ge(0))
    """Around the tumour, left out of the comparison with it (:mod:`.objective`)."""
    optimiser: str = attrs.field(default="adam", validator=valid.in_(OPTIMISERS))
    """One of ``"adam"``, ``"lbfgs"``. L-BFGS (strong Wolfe line search) counts evaluations of the energy as
    iterations."""
    inverse_consistency: float = attrs.field(default=0.0, validator=valid.ge(0))
    """ω of the energy; the two maps of a shooting are inverse but for the time step, 0 is the rule."""

    @iterations.validator
    def _one_count_a_level(self, _: attrs.Attribute[Any], value: tuple[int, ...]) -> None:
        if len(value) != len(self.voxel_mm):
            raise ValueError(
                "iterations and voxel_mm give one value a level: "
                f"got {len(value)} counts for {len(self.voxel_mm)} sizes"
            )


THESIS = MetamorphosisSettings(
    sigma_mm=8.0,
    mu=0.1 / math.sqrt(32.0),
    lam=1e-7,
    steps=15,
    voxel_mm=(1.0,),
    iterations=(100,),
    appearance_iterations=100,
    similarity="ssd",
    margin_mm=0.0,
)
"""The thesis' scaling for BraTS (§5.3.4), in our units. Its μ = 0.1 goes with an un-normalised Sobel gradient of
gain g = 32: z' = g z leaves the velocity as it is and turns μ² into μ² / g in the image's equation. The energy
of appearance then weighs g times what it does there: no μ matches both."""


@attrs.frozen(kw_only=True, eq=False)
class Level:
    """The pair at one voxel size, with what acts on it."""

    index: int
    pair: Pair
    kernel: Kernel
    objective: Objective
    steps: int

    @property
    def where(self) -> Tensor:
        """m_0."""
        return appearance_mask(self.pair, self.objective.masking)

    def shoot(self, momentum: Tensor, mu: float) -> Geodesic:
        pair = self.pair
        return shoot(momentum, pair.moving, self.kernel, pair.spacing_mm, self.steps, mu, self.where)

    def filled(self, momentum: Tensor, mu: float) -> Tensor:
        """z_0 whose appearance, inside the mask, is what the images lack along the flow of ``momentum``."""
        geodesic = self.shoot(momentum, 0.0)  # with appearance the shape's z would change the image wildly
        pair = self.pair
        lacking = geometry.warp(pair.fixed, in_voxels(geodesic.forward, pair.shape)) - pair.moving
        rate = mu**2 * self.kernel.prolong(geodesic.elapsed)
        return torch.where(pair.mask > 0, lacking / rate, momentum)


def register(
    pair: Pair,
    settings: MetamorphosisSettings | None = None,
    progress: Progress | None = None,
    start: np.ndarray | None = None,
) -> Registration:
    """The transform, and the change of appearance in the tumour, that take the moving image to the fixed one.

    Parameters
    ----------
    pair : Pair
        Of batch one, as :func:`~.pair.pair_of` makes it of arrays. Without a tumour appearance changes nowhere
        (LDDMM), unless ``settings.masking`` is ``none``.
    settings : MetamorphosisSettings, optional
    progress : callable, optional
        Called with each new entry of ``energy``.
    start : ndarray, optional
        z_0 to start from, (C, …) on any grid over the same box: ``momentum`` of an earlier result.

    Returns
    -------
    registration : Registration

    Raises
    ------
    ValueError
        A start of other channels or axes.
    """
    settings = settings or MetamorphosisSettings()
    energy: list[dict[str, Any]] = []

    def record(entry: dict[str, Any]) -> None:
        energy.append(entry)
        if progress is not None:
            progress(entry)

    momentum, mu = _start(start, pair), _appearance(settings, pair)
    # Without a mask nothing tells shape from appearance: they can only be found together, from zero.
    together = mu if settings.masking == "none" else 0.0
    for level, iterations in levels_of(pair, settings):
        # in these units the values of z_0 do not depend on the voxel size
        momentum = geometry.stretch(momentum, level.pair.shape)
        momentum = optimise(momentum, level, together, iterations, settings, record)
    if mu and not together:
        filled = level.filled(momentum, mu)
        momentum = optimise(filled, level, mu, settings.appearance_iterations, settings, record)
    with torch.no_grad():
        path = level.shoot(momentum, mu)
    where = appearance_mask(pair, settings.masking)
    return finished(path, pair, where, energy, momentum)


def _start(start: np.ndarray | None, pair: Pair) -> Tensor:
    if start is None:
        return torch.zeros_like(pair.moving)
    expected = (pair.moving.shape[1], *pair.shape)
    if start.ndim != len(expected) or start.shape[0] != expected[0]:
        raise ValueError(
            f"start has to be a momentum of {expected[0]} channels and {len(expected) - 1} axes, "
            f"got shape {start.shape}"
        )
    return torch.as_tensor(start, dtype=torch.float32, device=pair.moving.device)[None]


def _appearance(settings: MetamorphosisSettings, pair: Pair) -> float:
    """μ of the last stage: 0 where appearance may change nowhere."""
    allowed = settings.masking == "none" or (settings.masking == "local" and bool(pair.mask.any()))
    return settings.mu if allowed and settings.appearance_iterations else 0.0


def levels_of(pair: Pair, settings: MetamorphosisSettings) -> Iterator[tuple[Level, int]]:
    """Each level with its number of iterations, coarse to fine."""
    full, spacing = pair.shape, pair.spacing_mm
    for index, (voxel, iterations) in enumerate(zip(settings.voxel_mm, settings.iterations, strict=True)):
        shape = tuple(max(1, min(n, round(n * mm / voxel))) for n, mm in zip(full, spacing, strict=True))
        images = pair.at(shape)
        level = Level(
            index=index,
            pair=images,
            kernel=Kernel(shape, images.spacing_mm, settings.sigma_mm, like=images.moving),
            objective=objective_of(settings, images),
            steps=settings.steps,
        )
        yield level, iterations


def objective_of(settings: MetamorphosisSettings, pair: Pair) -> Objective:
    """The energy that the settings name, for the voxel size and the fixed image of ``pair``."""
    measure = measure_of(settings, pair)
    # Beside a measure that counts fractions of what is unexplained, so does the squared difference.
    unexplained = squared_difference(0.5 * _variance(pair.fixed, pair.brain))
    return Objective(
        lam=settings.lam,
        masking=settings.masking,
        measure=measure,
        inside=measure if settings.similarity == "ssd" else unexplained,
        inverse_consistency=settings.inverse_consistency,
        margin_mm=settings.margin_mm,
    )


def measure_of(settings: MetamorphosisSettings, pair: Pair) -> Measure:
    """The dissimilarity that the settings name, for the voxel size of ``pair``."""

    def local() -> Measure:
        width = max(settings.window_mm, 1.5 * max(pair.spacing_mm))
        return local_correlation(width, pair.spacing_mm)

    builders: dict[str, Callable[[], Measure]] = {
        "lncc": local,
        "ssd": squared_difference,
        "cc": lambda: correlation,
        "mi": mutual_information,
        "vir": lambda: intensity_ratio,
    }
    return builders[settings.similarity]()


def _variance(image: Tensor, where: Tensor) -> float:
    """Variance of ``image`` inside the mask ``where``; at least the square of a step of 8 bits."""
    values = image[(where > 0.5).expand_as(image)]
    return max(values.var().item() if values.numel() > 1 else 0.0, 1.5e-5)


def optimise(
    momentum: Tensor,
    level: Level,
    mu: float,
    iterations: int,
    settings: MetamorphosisSettings,
    record: Progress,
) -> Tensor:
    """The z_0 of least energy that the optimiser met."""
    rate = settings.learning_rate * (SHORTER if mu else 1.0)
    scale = _conditioning(level.pair, FLOORS[settings.optimiser])
    if mu:
        limit = APPEARANCE_STEP / (mu**2 * rate)
        scale = torch.where(level.where > 0, scale.clamp_max(limit), scale)
    scaled = (momentum / scale).requires_grad_(True)
    energies: list[float] = []
    best = scaled.detach().clone()
    entry = {"level": level.index, "stage": "appearance" if mu else "shape"}

    def evaluate() -> Tensor:
        scaled.grad = None
        path = level.shoot(scale * scaled, mu)
        similarity = level.objective.similarity(path, level.pair)
        regularisation = level.objective.regularisation(path, level.pair)
        energies.append(similarity.item() + regularisation.item())
        if not math.isfinite(energies[-1]):
            # torch's backward pass of an interpolation at NaN ends the process
            raise FloatingPointError(
                f"{entry['stage']}, level {level.index}, iteration {len(energies) - 1}: the energy is not finite; "
                f"images in [0, 1] and a learning rate under {rate:g} are required"
            )
        if energies[-1] == min(energies):
            best.copy_(scaled.detach())
        total = similarity + regularisation
        total.backward()
        terms = {"similarity": similarity.item(), "regularisation": regularisation.item()}
        record(entry | {"iteration": len(energies) - 1} | terms)
        return total

    if settings.optimiser == "lbfgs":
        _lbfgs(scaled, evaluate, iterations)
    else:
        _adam(scaled, evaluate, iterations, rate, lambda: _has_settled(energies, settings.tolerance))
    return scale * best


def _conditioning(pair: Pair, floor: float) -> Tensor:
    """z_0 per unit of the optimised q (:data:`FLOORS`)."""
    slope = geometry.gradient(pair.moving, pair.spacing_mm).square().sum((1, 2)).sqrt()[:, None]
    return 1.0 / (slope + floor)


def _adam(
    variable: Tensor,
    evaluate: Callable[[], Tensor],
    iterations: int,
    rate: float,
    settled: Callable[[], bool],
) -> None:
    """``iterations`` of Adam, the last of which take shorter steps."""
    adam = torch.optim.Adam([variable], lr=rate)
    annealing = torch.optim.lr_scheduler.MultiStepLR(adam, [math.ceil(0.6 * iterations)], gamma=SHORTER)
    for _ in range(iterations):
        evaluate()
        adam.step()
        annealing.step()
        if settled():
            break


def _lbfgs(variable: Tensor, evaluate: Callable[[], Tensor], iterations: int) -> None:
    if not iterations:
        return
    lbfgs = torch.optim.LBFGS(
        [variable], max_iter=iterations, max_eval=iterations, history_size=10, line_search_fn="strong_wolfe"
    )
    lbfgs.step(evaluate)


def _has_settled(energies: list[float], tolerance: float) -> bool:
    return len(energies) > 5 and abs(energies[-6] - energies[-1]) < tolerance * abs(energies[-1])
