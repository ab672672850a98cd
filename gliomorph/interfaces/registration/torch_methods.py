"""Between SimpleITK and the models: images as arrays in, displacements as ITK transforms out."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import SimpleITK as sitk

from ..files.images import from_array, to_array
from ..files.transforms import displacement_on, displacement_to_itk
from ..machine.device import Rung, first_that_fits
from ..methods import NEEDED, SPEEDS
from ..networks.files import weights_sha256
from ..networks.loaded import loaded_network
from ..networks.registration import fitting, shipped_network
from .problem import Answer, Further, Problem

if TYPE_CHECKING:
    from ...models.registration.metamorphosis import MetamorphosisSettings
    from ...models.registration.objective import Masking
    from ...models.registration.pair import Pair, Progress, Registration

LOGGER = logging.getLogger("gliomorph.register")
LOG_EVERY = 10
"""Iterations from one line of the log to the next."""


COARSE: dict[str, Any] = {"voxel_mm": (4.0,), "iterations": (40,)}
"""Settings of the geodesic from which a flow goes on."""
HALF = "the GPU's memory did not suffice: registered on voxels of twice the size"
CPU = "the GPU's memory did not suffice: registered on the CPU"


def lddmm(problem: Problem) -> Answer:
    """Metamorphosis without appearance that compares every voxel, the tumour's too."""
    return answered(problem, _geodesic)


def metamorphosis(problem: Problem) -> Answer:
    """Shape everywhere, appearance in the tumour: a coarse geodesic, and a flow from where it ends."""
    return answered(problem, _optimised)


def predicted(problem: Problem) -> Answer:
    """What the network of a learned method makes of the pair.

    It is that of ``problem.weights``, or where none is given the one that comes with gliomorph.

    Where ``problem.refine`` asks for it, optimisation goes on from there, with the appearance and the masking that
    the network was made for and with all modalities; the network itself reads the primary image alone.

    Raises
    ------
    WeightsError
        The given file does not fit the method, or none was given and none comes with gliomorph.
    """
    given = [problem.weights] if problem.weights else []
    path = fitting(problem.method, given, None if given else shipped_network(problem.method))
    return answered(problem, partial(_predicted, path))


def answered(problem: Problem, compute: Callable[[Problem, str], Answer]) -> Answer:
    """What ``compute`` makes of a problem on a device: a GPU, at half resolution if its memory is short, or the CPU.

    Where it was not done as asked, ``used`` has ``notices``; ``voxels`` of it is ``half`` at half resolution.
    """

    def at_half(device: str) -> Answer:
        half = halved(problem)
        answer = restored(compute(half, device), half, problem.fixed)
        return attrs.evolve(answer, used=answer.used | {"voxels": "half"})

    def on_gpu(device: str) -> list[Rung[Answer]]:
        return [
            Rung(compute=lambda: compute(problem, device), device=device),
            Rung(compute=lambda: at_half(device), device=device, notice=HALF),
        ]

    on_cpu = Rung(compute=lambda: compute(problem, "cpu"), device="cpu", notice=CPU)
    answer, rung = first_that_fits(problem.gpu, on_gpu, on_cpu)
    told = {"notices": [rung.notice]} if rung.notice else {}
    return attrs.evolve(answer, used=answer.used | {"device": rung.device.split(":")[0]} | told)


def _predicted(path: Path, problem: Problem, device: str) -> Answer:
    from ...models.registration.catalogue import predict

    network = loaded_network(path, NEEDED[problem.method].method)
    pair, progress = _pair(attrs.evolve(problem, further=()), device), logged(problem.method)
    used = {"weights": path.name, "weights_sha256": weights_sha256(path), "refine": problem.refine}
    try:
        result = predict(network, pair, progress)
    finally:
        network.cpu()  # it is kept, a GPU's memory is not
    if problem.refine:
        iterations = (*SPEEDS[problem.speed][:-1], problem.refine)
        if problem.further:
            pair = _pair(problem, device)
        result, how = _refined(result, pair, iterations, network.settings.masking, progress)
        used |= how
    return _answer(result, problem, network.settings, **used)


def _refined(
    result: Registration, pair: Pair, iterations: tuple[int, ...], masking: Masking, progress: Progress
) -> tuple[Registration, dict[str, Any]]:
    """What a flow makes of a result, and its settings."""
    from ...models.registration.flow import FlowSettings
    from ...models.registration.refinement import refine

    settings = FlowSettings(iterations=iterations)
    # the forces of all modalities are summed, and so is their stiffness: a modality given twice counts as one
    channels = pair.moving.shape[1]
    settings = attrs.evolve(settings, floor=channels * settings.floor, ease=channels * settings.ease)
    used = {"refinement": attrs.asdict(settings) | {"masking": masking}}
    return refine(result, pair, settings, masking, progress), used


def logged(method: str) -> Callable[[dict[str, Any]], None]:
    """A model's ``progress`` that logs the first and every :data:`LOG_EVERY`-th iteration of each level."""

    def log(entry: dict[str, Any]) -> None:
        if entry.get("iteration", 0) % LOG_EVERY == 0:
            words = (f"{k} {v:.5g}" if isinstance(v, float) else f"{k} {v}" for k, v in entry.items())
            LOGGER.info("%s: %s", method, ", ".join(words))

    return log


def _geodesic(problem: Problem, device: str) -> Answer:
    from ...models.registration.metamorphosis import MetamorphosisSettings, register

    settings = _for_all(MetamorphosisSettings(mu=0.0, masking="none"), problem)
    return _answer(register(_pair(problem, device), settings, logged(problem.method)), problem, settings)


def _optimised(problem: Problem, device: str) -> Answer:
    from ...models.registration.metamorphosis import MetamorphosisSettings, register

    # its appearance would be replaced by that of the flow
    settings = _for_all(MetamorphosisSettings(**COARSE, appearance_iterations=0), problem)
    pair, progress = _pair(problem, device), logged(problem.method)
    result = register(pair, settings, progress)
    result, how = _refined(result, pair, SPEEDS[problem.speed], settings.masking, progress)
    return _answer(result, problem, settings, **how)


def _for_all(settings: MetamorphosisSettings, problem: Problem) -> MetamorphosisSettings:
    """The settings for several modalities: λ for the mean of their dissimilarities, which the model sums.

    Each has a momentum of its own, whose velocities add up; the optimiser's scale knows of their number C by √C, the
    length of all their gradients. The step has the other √C: a modality given twice counts as one.
    """
    channels = 1 + len(problem.further)
    step = settings.learning_rate / math.sqrt(channels)
    return attrs.evolve(settings, lam=channels * settings.lam, learning_rate=step)


def _pair(problem: Problem, device: str) -> Pair:
    from ...models.registration.pair import pair_of

    moving, fixed, tumor, brain = map(to_array, (problem.moving, problem.fixed, problem.tumor, problem.brain))
    if problem.fixed_tumor is not None:
        # the models know one mask, that of the moving image
        tumor = tumor | to_array(problem.fixed_tumor)
    if problem.further:
        moving = np.stack([moving, *(to_array(each.moving) for each in problem.further)])
        fixed = np.stack([fixed, *(to_array(each.fixed) for each in problem.further)])
    return pair_of(moving, fixed, tumor, problem.fixed.GetSpacing(), brain, device)


def _answer(result: Registration, problem: Problem, settings: Any, **used: Any) -> Answer:
    """The model's result with what made it; a method whose μ is 0 has no appearance."""
    appearance = result.appearance
    if appearance.ndim > problem.fixed.GetDimension():
        appearance = appearance[0]  # of the primary image, the first channel
    return Answer(
        forward=displacement_to_itk(result.displacement, problem.fixed),
        inverse=displacement_to_itk(result.inverse_displacement, problem.fixed),
        appearance=appearance if settings.mu else None,
        used={"settings": attrs.asdict(settings), "energy": result.energy[-1:], **used},
    )


def halved(problem: Problem) -> Problem:
    """The same images and masks, each voxel the mean of eight; a mask has those of which half is in it."""
    return attrs.evolve(
        problem,
        moving=_shrunken(problem.moving),
        fixed=_shrunken(problem.fixed),
        further=tuple(
            Further(moving=_shrunken(each.moving), fixed=_shrunken(each.fixed)) for each in problem.further
        ),
        tumor=_shrunken_mask(problem.tumor),
        fixed_tumor=None if problem.fixed_tumor is None else _shrunken_mask(problem.fixed_tumor),
        brain=_shrunken_mask(problem.brain),
    )


def restored(answer: Answer, half: Problem, grid: sitk.Image) -> Answer:
    """The answer to a :func:`halved` problem, its displacements and appearance interpolated on a grid."""
    appearance = None
    if answer.appearance is not None:
        image = from_array(answer.appearance.astype(np.float32), half.fixed)
        appearance = to_array(sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear))
    return attrs.evolve(
        answer, forward=_on(answer.forward, grid), inverse=_on(answer.inverse, grid), appearance=appearance
    )


def _shrunken(image: sitk.Image) -> sitk.Image:
    odd = [size % 2 for size in image.GetSize()]
    padded = sitk.ZeroFluxNeumannPad(image, [0] * 3, odd) if any(odd) else image
    return sitk.BinShrink(padded, [2] * 3)


def _shrunken_mask(mask: sitk.Image) -> sitk.Image:
    return sitk.Cast(_shrunken(sitk.Cast(mask > 0, sitk.sitkFloat32)) >= 0.5, sitk.sitkUInt8)


def _on(transform: sitk.Transform, grid: sitk.Image) -> sitk.Transform:
    return sitk.DisplacementFieldTransform(displacement_on(transform, grid))
