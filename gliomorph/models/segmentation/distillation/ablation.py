"""Which layers a network's decision rests on: each is set to zero in turn (thesis, §3.5.5, Tables 3.5 and 3.6)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...unet import UNet

LAYERS = ("bottleneck", "skip3", "skip2", "skip1")
"""What the decoder reads, from coarse to fine; the thesis numbers skips likewise, its finest is the first."""


@torch.inference_mode()
def zeroed(network: UNet, image: Tensor, layer: str) -> Tensor:
    """Scores of an image where the decoder finds zeros in place of one layer.

    The weights stay, and so does what the encoder computes from that layer on its way down: a skip-connection is cut,
    not the level.

    Parameters
    ----------
    network : UNet
        Trained.
    image : Tensor
        (N, modalities, X, Y[, Z]), on the network's device.
    layer : str
        One of :data:`LAYERS`.

    Returns
    -------
    scores : Tensor
        (N, outputs, X, Y[, Z]), before the softmax.

    Raises
    ------
    ValueError
        If the decoder reads no such layer.
    """
    read = LAYERS if network.skips else LAYERS[:1]
    if layer not in read:
        raise ValueError(f"a layer that the decoder reads is required, one of {read}, got {layer!r}")
    encoded = network.encode(image)
    return network.decode(encoded | {layer: torch.zeros_like(encoded[layer])})["scores"]
