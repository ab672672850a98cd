"""Registration networks that are small, random and deform visibly, one for each learned method."""

from __future__ import annotations

from pathlib import Path

import attrs
import torch

from gliomorph.interfaces.networks.registration import write_weights
from gliomorph.models.registration.catalogue import build
from gliomorph.models.registration.networks import NetworkSettings, RegistrationNetwork

SETTINGS = {
    "voxelmorph": NetworkSettings(
        method="voxelmorph", masking="none", mu=0.0, width=2, steps=4, sees_mask=False
    ),
    "voxelmorph-cfm": NetworkSettings(method="voxelmorph", masking="cfm", mu=0.0, width=2, steps=4),
    "metamorph-g": NetworkSettings(method="metamorph-g", width=2, steps=2),
    "metamorph-r": NetworkSettings(method="metamorph-r", width=2, steps=2),
}
"""By registration method."""

GAINS = {"voxelmorph": 100.0, "metamorph-g": 300.0, "metamorph-r": 3000.0}
"""What last layers, which begin at nearly 0, are multiplied by: some 4 mm on the heads of these tests."""


def tiny(settings: NetworkSettings, seed: int = 0) -> RegistrationNetwork:
    """A random network that deforms."""
    torch.manual_seed(seed)
    network = build(settings)
    with torch.no_grad():
        for tensor in network.parameters():
            if 0 < tensor.abs().max() < 0.02:
                tensor.mul_(GAINS[settings.method])
    return network


def write_tiny(folder: Path, method: str, name: str = "", seed: int = 0, **changed: object) -> Path:
    """The file of the network that a registration method takes, or of one like it."""
    network = tiny(attrs.evolve(SETTINGS[method], **changed), seed)
    return write_weights(network, folder / (name or f"{method}.safetensors"))
