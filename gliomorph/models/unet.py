"""A 3-D U-Net with three down-samplings, as the thesis' teacher and students (Fig. 3.10)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 4
"""Background, NCR, ED, ET, in this order."""


class UNet(nn.Module):
    """Class scores from one or several modalities.

    Parameters
    ----------
    modalities : int
        Input channels: 1 for a student, 4 for the teacher.
    width : int
        Channels of the first level; each level below has twice as many.

    Notes
    -----
    Input (N, modalities, X, Y, Z), sides divisible by 8, z-scored over the brain. Output (N, 4, X, Y, Z),
    scores before the softmax.
    """

    def __init__(self, modalities: int = 1, width: int = 30) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.down = nn.ModuleList()
        channels = modalities
        for out in widths:
            self.down.append(_block(channels, out))
            channels = out
        self.bottleneck = nn.Sequential(_unit(channels, 8 * width), _unit(8 * width, channels))
        self.up = nn.ModuleList()
        for skip in reversed(widths):
            self.up.append(_block(channels + skip, max(width, skip // 2)))
            channels = max(width, skip // 2)
        self.head = nn.Conv3d(channels, CLASSES, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Scores (N, 4, X, Y, Z) of an image (N, modalities, X, Y, Z)."""
        if any(side % 8 for side in image.shape[2:]):
            raise ValueError(f"sides divisible by 8 are required, got {tuple(image.shape[2:])}")
        skips = []
        for block in self.down:
            image = block(image)
            skips.append(image)
            image = nn.functional.max_pool3d(image, 2)
        image = self.bottleneck(image)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            image = nn.functional.interpolate(image, scale_factor=2, mode="trilinear", align_corners=False)
            image = block(torch.cat([image, skip], dim=1))
        scores: Tensor = self.head(image)
        return scores


def standardize(image: Tensor) -> Tensor:
    """Zero mean and unit variance over the voxels that are not zero; those stay zero."""
    inside = image != 0
    if not inside.any():
        return image
    values = image[inside]
    return torch.where(inside, (image - values.mean()) / values.std().clamp_min(1e-6), 0.0)


def _block(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(_unit(channels, out), _unit(out, out))


def _unit(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels, out, 3, padding=1), nn.InstanceNorm3d(out, affine=True), nn.LeakyReLU(0.01)
    )
