"""A registration that is at hand as the start of some steps of optimisation on that pair.

Metamorphosis goes on from the geodesic that follows the answer most closely. Any first answer will do (a network's,
SyN's), and the result is one geodesic. What an answer does where nothing in the image speaks for it no geodesic
follows, for its forces lie on edges: of composed maps, each would keep the errors of the one before.
"""

from __future__ import annotations

import attrs
import numpy as np
import torch
from torch import Tensor

from .. import geometry
from ..kernels import in_voxels
from . import metamorphosis
from .metamorphosis import MetamorphosisSettings
from .networks import NetworkSettings
from .objective import Objective
from .pair import Pair, Progress, Registration
from .shooting import Path

SIGMA_MM = 10.0
"""Of the kernel behind a network: wider than from the beginning, which fewer iterations ask for."""
FOLLOWING = 20
"""Iterations that find the geodesic, on the coarsest voxels."""


def refine(
    answer: Registration,
    pair: Pair,
    iterations: int,
    settings: MetamorphosisSettings | None = None,
    progress: Progress | None = None,
) -> Registration:
    """What ``iterations`` of metamorphosis make of ``answer``.

    Parameters
    ----------
    answer : Registration
        Of this pair, by any method.
    pair : Pair
        Of batch one.
    iterations : int
        For shape; 0 gives ``answer`` back. The appearance is found anew, by the settings' own number of iterations.
    settings : MetamorphosisSettings, optional
        Its iterations are those at the finest level alone.
    progress : callable, optional
        As in :func:`.metamorphosis.register`.

    Returns
    -------
    registration : Registration
        Of the geodesic that the optimisation ends with.

    Raises
    ------
    ValueError
        An answer for another grid, or less than no iterations.
    """
    if iterations < 0:
        raise ValueError(f"iterations has to be 0 or more, got {iterations}")
    if not iterations:
        return answer
    settings = _at_finest(settings or MetamorphosisSettings(), iterations)
    if answer.displacement.shape[1:] != pair.shape:
        raise ValueError(
            f"the answer has to be one for these images: they have {pair.shape}, "
            f"its displacement {answer.displacement.shape[1:]}"
        )
    start = followed(answer.displacement, pair, settings)
    return metamorphosis.register(pair, settings, progress, start[0].cpu().numpy())


def followed(displacement: np.ndarray, pair: Pair, settings: MetamorphosisSettings) -> Tensor:
    """z_0 of the geodesic from the moving image whose map is nearest to a given one.

    Parameters
    ----------
    displacement : ndarray
        (D, X, Y[, Z]), from fixed points to moving ones, in voxels of ``pair``.
    pair : Pair
        Of batch one; its brain is where the maps are compared.
    settings : MetamorphosisSettings
        Kernel, time steps, λ and the coarsest voxels, on which z_0 is found.

    Returns
    -------
    momentum : Tensor
        (1, C, …) on the grid of those voxels.
    """
    level, _ = next(metamorphosis.levels_of(pair, settings))
    wanted = torch.as_tensor(displacement, dtype=pair.moving.dtype, device=pair.moving.device)[None]
    objective = _Following(lam=settings.lam, displacement=geometry.resize(wanted, level.pair.shape))
    still = torch.zeros_like(level.pair.moving)
    return metamorphosis.optimise(
        still, attrs.evolve(level, objective=objective), 0.0, FOLLOWING, settings, lambda _: None
    )


@attrs.frozen(kw_only=True, eq=False)
class _Following(Objective):
    """E with ½‖ψ_1 − ψ‖² over the brain, in mm², in place of D: ψ − Id is ``displacement``, in voxels of the pair."""

    displacement: Tensor

    def similarity(self, path: Path, pair: Pair) -> Tensor:
        lacking = in_voxels(path.backward, pair.shape) - self.displacement
        return 0.5 * (pair.brain * (lacking * geometry.columns(pair.spacing_mm, lacking)).square()).sum()


def settings_for(network: NetworkSettings, iterations: int) -> MetamorphosisSettings:
    """The optimisation behind a network's answer: appearance and masking as the network has them, μ = 0 for none."""
    settings = MetamorphosisSettings(mu=network.mu, masking=network.masking, sigma_mm=SIGMA_MM)
    return _at_finest(settings, iterations)


def _at_finest(settings: MetamorphosisSettings, iterations: int) -> MetamorphosisSettings:
    return attrs.evolve(settings, iterations=(0,) * (len(settings.voxel_mm) - 1) + (iterations,))
