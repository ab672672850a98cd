"""A registration that is at hand, brought to the images' own voxels by a flow.

Any first answer will do: a network's, a coarse geodesic's, none at all. The flow (:mod:`.flow`) goes on from its
map; the appearance is what the images lack, then, inside the tumour.
"""

from __future__ import annotations

from typing import Any

import attrs
import torch
from torch import Tensor

from .. import geometry
from ..kernels import in_voxels
from .flow import FlowSettings, flow
from .objective import Masking
from .pair import Pair, Progress, Registration, finished
from .shooting import Path

INVERTING, POLISHING = 20, 2
"""Iterations of the inverse at half the resolution, and from there at the whole."""


@torch.no_grad()
def refine(
    answer: Registration,
    pair: Pair,
    settings: FlowSettings | None = None,
    masking: Masking = "local",
    progress: Progress | None = None,
) -> Registration:
    """The registration that a flow makes of ``answer``.

    Parameters
    ----------
    answer : Registration
        Any method's, of this pair.
    pair : Pair
        Batch one.
    settings : FlowSettings, optional
    masking : {"local", "cfm", "none"}
        Whether appearance changes in the tumour, the tumour is left out of the comparison alone, or it is compared as
        everything else is.
    progress : callable, optional
        As in :func:`.metamorphosis.register`.

    Returns
    -------
    registration : Registration
        Its momentum is the answer's.

    Raises
    ------
    ValueError
        An answer for another grid.
    """
    if answer.displacement.shape[1:] != pair.shape:
        raise ValueError(
            f"the answer has to be one for these images: they have {pair.shape}, "
            f"its displacement {answer.displacement.shape[1:]}"
        )
    energy = list(answer.energy)

    def record(entry: dict[str, Any]) -> None:
        energy.append(entry)
        if progress is not None:
            progress(entry)

    compared = attrs.evolve(pair, mask=torch.zeros_like(pair.mask)) if masking == "none" else pair
    start = torch.as_tensor(answer.displacement, dtype=pair.moving.dtype, device=pair.moving.device)[None]
    backward = flow(start, compared, settings or FlowSettings(), record)
    # half the resolution is a start at an eighth of the cost: the result's inverse is found from it
    forward = geometry.invert(
        geometry.resize(backward, [-(-n // 2) for n in pair.shape]), iterations=INVERTING
    )
    path = Path(
        backward=backward,
        forward=forward,
        change=lacking(in_voxels(forward, pair.shape), pair) if masking == "local" else None,
        energy=backward.new_zeros(1),
    )
    result = finished(path, pair, pair.mask, energy, inverting=POLISHING)
    inverse = geometry.returning(torch.from_numpy(result.inverse_displacement)[None].to(backward), backward)
    return attrs.evolve(result, momentum=answer.momentum, inverse_displacement=inverse[0].cpu().numpy())


def lacking(forward: Tensor, pair: Pair) -> Tensor:
    """A, (1, C, …) in the moving frame: what has to be added to the moving image to look like the fixed one."""
    return geometry.warp(pair.fixed, forward) - pair.moving
