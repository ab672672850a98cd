"""Between SimpleITK and the models: images as arrays in, displacements as ITK transforms out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from .device import choose_device
from .images import to_array
from .problem import Answer, Problem
from .stored_network import weights_sha256
from .transforms import displacement_to_itk
from .weights import NEEDED, fitting, load_network, shipped_network

if TYPE_CHECKING:
    from ..models.registration import Registration

LOGGER = logging.getLogger("gliomorph.register")
LOG_EVERY = 10
"""Iterations from one line of the log to the next."""


def lddmm(problem: Problem) -> Answer:
    """Metamorphosis without appearance that compares every voxel, the tumour's too."""
    return _optimised(problem, "lddmm", mu=0.0, masking="none")


def metamorphosis(problem: Problem) -> Answer:
    """Shape everywhere, appearance in the tumour, both optimised for this pair."""
    return _optimised(problem, "metamorphosis")


def predicted(method: str, problem: Problem) -> Answer:
    """What the network of a learned method, a key of :data:`~.weights.NEEDED`, makes of the pair.

    It is that of ``problem.weights``, or where none is given the one that comes with gliomorph.

    Where ``problem.refine`` asks for it, optimisation goes on from there, with the appearance and the masking that
    the network was made for.

    Raises
    ------
    WeightsError
        The given file does not fit the method, or none was given and none comes with gliomorph.
    """
    from ..models.networks import predict
    from ..models.refinement import refine, settings_for

    given = [problem.weights] if problem.weights else []
    path = fitting(method, given, None if given else shipped_network(method))
    network = load_network(path, NEEDED[method].method)
    device = choose_device(problem.gpu)
    moving, fixed, tumor, brain = map(to_array, (problem.moving, problem.fixed, problem.tumor, problem.brain))
    spacing, progress = problem.fixed.GetSpacing(), logged(method)
    used = {"weights": path.name, "weights_sha256": weights_sha256(path), "refine": problem.refine}
    result = predict(network, moving, fixed, tumor, spacing, brain, device, progress)
    if problem.refine:
        count = problem.refine
        settings = settings_for(network.settings, count)
        result = refine(result, moving, fixed, tumor, spacing, count, settings, brain, device, progress)
        used["refinement"] = attrs.asdict(settings)
    return _answer(result, problem, device, network.settings, **used)


def logged(method: str) -> Callable[[dict[str, Any]], None]:
    """A model's ``progress`` that logs the first and every :data:`LOG_EVERY`-th iteration of each level."""

    def log(entry: dict[str, Any]) -> None:
        if entry.get("iteration", 0) % LOG_EVERY == 0:
            words = (f"{k} {v:.5g}" if isinstance(v, float) else f"{k} {v}" for k, v in entry.items())
            LOGGER.info("%s: %s", method, ", ".join(words))

    return log


def _optimised(problem: Problem, method: str, **changed: Any) -> Answer:
    from ..models.metamorphosis import MetamorphosisSettings, register

    device, settings = choose_device(problem.gpu), MetamorphosisSettings(**changed)
    result = register(
        to_array(problem.moving),
        to_array(problem.fixed),
        to_array(problem.tumor),
        problem.fixed.GetSpacing(),
        settings=settings,
        brain_mask=to_array(problem.brain),
        device=device,
        progress=logged(method),
    )
    return _answer(result, problem, device, settings)


def _answer(result: Registration, problem: Problem, device: str, settings: Any, **used: Any) -> Answer:
    """The model's result with what made it; a method whose μ is 0 has no appearance."""
    return Answer(
        forward=displacement_to_itk(result.displacement, problem.fixed),
        inverse=displacement_to_itk(result.inverse_displacement, problem.fixed),
        appearance=result.appearance if settings.mu else None,
        used={"device": device, "settings": attrs.asdict(settings), "energy": result.energy[-1:], **used},
    )
