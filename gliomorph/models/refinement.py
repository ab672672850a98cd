"""A registration that is at hand as the start of some steps of optimisation on that pair.

The moving image is carried over by the first answer, what is left between it and the fixed image is registered
by metamorphosis, and the two maps are composed: the sum of two diffeomorphisms' work is one diffeomorphism, and
any first answer will do (a network's, SyN's).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import torch
from torch import Tensor

from . import geometry, metamorphosis
from .metamorphosis import MetamorphosisSettings
from .networks import NetworkSettings
from .registration import Progress, Registration, pair_of

SIGMA_MM = 5.0
STEPS = 2
"""After a network what is left is short and local: a narrower kernel than from the beginning, and fewer time steps."""


def refine(
    answer: Registration,
    moving: np.ndarray,
    fixed: np.ndarray,
    tumor_mask: np.ndarray | None,
    spacing_mm: Sequence[float],
    iterations: int,
    settings: MetamorphosisSettings | None = None,
    brain_mask: np.ndarray | None = None,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Registration:
    """``answer`` followed by what ``iterations`` of optimisation add to it.

    Parameters
    ----------
    answer : Registration
        Of this pair, by any method.
    moving, fixed, tumor_mask, spacing_mm, brain_mask, device, progress
        As in :func:`.metamorphosis.register`.
    iterations : int
        For shape; 0 gives ``answer`` back. The appearance is found anew, by the settings' own number of iterations.
    settings : MetamorphosisSettings, optional
        Its finest level counts alone.

    Returns
    -------
    registration : Registration
        Both maps composed; appearance, energy and momentum are those of the optimisation.

    Raises
    ------
    ValueError
        An answer for another grid, and as :func:`.metamorphosis.register`.
    """
    if iterations < 0:
        raise ValueError(f"iterations has to be 0 or more, got {iterations}")
    if not iterations:
        return answer
    settings = settings or MetamorphosisSettings()
    pair = pair_of(moving, fixed, tumor_mask, spacing_mm, brain_mask, device)
    if answer.displacement.shape[1:] != pair.shape:
        raise ValueError(
            f"the answer has to be one for these images: they have {pair.shape}, "
            f"its displacement {answer.displacement.shape[1:]}"
        )
    there, back = (_field(u, pair.moving) for u in (answer.displacement, answer.inverse_displacement))
    carried = geometry.warp(pair.moving, there, "cubic")[0].cpu().numpy()
    tumor = (geometry.warp(pair.mask, there) >= 0.5)[0, 0].cpu().numpy()
    left = metamorphosis.register(
        carried.reshape(moving.shape),
        fixed,
        tumor.astype(np.uint8),
        spacing_mm,
        _at_finest(settings, iterations),
        brain_mask,
        device,
        progress,
    )
    composed = geometry.compose(there, _field(left.displacement, there))
    inverse = geometry.compose(_field(left.inverse_displacement, back), back)
    return attrs.evolve(
        left, displacement=composed[0].cpu().numpy(), inverse_displacement=inverse[0].cpu().numpy()
    )


def settings_for(network: NetworkSettings, iterations: int) -> MetamorphosisSettings:
    """The optimisation behind a network's answer: appearance and masking as the network has them, μ = 0 for none."""
    settings = MetamorphosisSettings(mu=network.mu, masking=network.masking, sigma_mm=SIGMA_MM, steps=STEPS)
    return _at_finest(settings, iterations)


def _at_finest(settings: MetamorphosisSettings, iterations: int) -> MetamorphosisSettings:
    return attrs.evolve(settings, voxel_mm=settings.voxel_mm[-1:], iterations=(iterations,))


def _field(displacement: np.ndarray, like: Tensor) -> Tensor:
    return torch.as_tensor(displacement, dtype=like.dtype, device=like.device)[None]
