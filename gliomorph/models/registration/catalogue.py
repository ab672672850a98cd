"""Registration networks by name."""

from __future__ import annotations

from typing import Any

import torch

from .networks import NetworkSettings, RegistrationNetwork
from .objective import appearance_mask
from .pair import Pair, Progress, Registration, finished


def build(settings: NetworkSettings) -> RegistrationNetwork:
    """The untrained network that the settings describe."""
    from .metamorph import MetaMorphG, MetaMorphR
    from .voxelmorph import VoxelMorph

    kinds = {"metamorph-r": MetaMorphR, "metamorph-g": MetaMorphG, "voxelmorph": VoxelMorph}
    return kinds[settings.method](settings)


def predict(network: RegistrationNetwork, pair: Pair, progress: Progress | None = None) -> Registration:
    """The network's registration of a pair of batch one.

    The network is moved to the pair's device and stays there.

    Parameters
    ----------
    network : RegistrationNetwork
    pair : Pair
    progress : callable, optional
        Called with the one entry of ``energy``.

    Returns
    -------
    registration : Registration

    Raises
    ------
    ValueError
        Images that the network was not made for.
    """
    network.check(pair)
    training = network.training
    network = network.to(pair.moving.device).eval()
    with torch.inference_mode():
        path = network(pair)
    network.train(training)
    entry: dict[str, Any] = {"stage": "network", "path_energy": float(path.energy.mean())}
    if progress is not None:
        progress(entry)
    where = appearance_mask(pair, network.settings.masking)
    return finished(path, pair, where, [entry])
