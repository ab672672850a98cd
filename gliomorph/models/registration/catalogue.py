"""Registration networks by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .networks import NetworkSettings, RegistrationNetwork
from .objective import appearance_mask
from .pair import Progress, Registration, finished, pair_of


def build(settings: NetworkSettings) -> RegistrationNetwork:
    """The untrained network that the settings describe."""
    from .metamorph import MetaMorphG, MetaMorphR
    from .voxelmorph import VoxelMorph

    kinds = {"metamorph-r": MetaMorphR, "metamorph-g": MetaMorphG, "voxelmorph": VoxelMorph}
    return kinds[settings.method](settings)


def predict(
    network: RegistrationNetwork,
    moving: np.ndarray,
    fixed: np.ndarray,
    tumor_mask: np.ndarray | None,
    spacing_mm: Sequence[float],
    brain_mask: np.ndarray | None = None,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Registration:
    """The network's registration of ``moving`` to ``fixed``; parameters as in :func:`.metamorphosis.register`.

    The network is moved to ``device`` and stays there.

    Raises
    ------
    ValueError
        Unusable images, or images that the network was not made for.
    """
    pair = pair_of(moving, fixed, tumor_mask, spacing_mm, brain_mask, device)
    network.check(pair)
    training = network.training
    network = network.to(device).eval()
    with torch.inference_mode():
        path = network(pair)
    network.train(training)
    entry: dict[str, Any] = {"stage": "network", "path_energy": float(path.energy.mean())}
    if progress is not None:
        progress(entry)
    where = appearance_mask(pair, network.settings.masking)
    return finished(path, pair, where, moving.ndim == len(pair.shape), [entry])
