"""The two networks of deepbet that find a brain in a head, and the numbers that they read and write.

Fisch et al., *deepbet: Fast brain extraction of T1-weighted MRI using convolutional neural networks*, Computers in
Biology and Medicine 2024 (arXiv 2308.07003); the architecture is LinkNet's (Chaurasia & Culurciello 2017) in three
dimensions. Parts are named as in the published weights.
"""

from __future__ import annotations

import attrs
import numpy as np
import torch
from attrs import validators as valid
from scipy import ndimage
from torch import Tensor, nn

DIVISOR = 32
"""Five halvings: sides have to be divisible by it."""
LEAST, MOST = 2 * DIVISOR, 256
"""Sides of a cube: two voxels are left at the bottom; weights from anywhere must not exhaust the memory."""
MEAN, SPREAD = 0.449, 0.226
"""Mean and standard deviation of what the networks read."""
CLIPPED = (0.005, 0.995)
"""Quantiles of the whole image at which intensities are cut."""


@attrs.frozen(kw_only=True)
class BrainSettings:
    """All that determines the two networks but their weights; it travels with them."""

    finder_voxels: int = attrs.field(default=128, validator=[valid.ge(LEAST), valid.le(MOST)])
    """Side of the cube to which the whole image is stretched."""
    outliner_voxels: int = attrs.field(default=256, validator=[valid.ge(LEAST), valid.le(MOST)])
    """Side of the cube to which the brain's box is stretched, that of the network's training: at 192 voxels it takes
    more of the scalp for brain where slices are thick, at 160 far more."""
    margin: float = attrs.field(default=0.1, converter=float, validator=[valid.ge(0), valid.le(1)])
    """Share of the box's sides that is added at either end."""

    def build(self) -> BrainNetworks:
        """The untrained networks."""
        return BrainNetworks()


class BrainNetworks(nn.Module):
    """A network that finds the brain's box in a whole image, and one that outlines the brain in its box."""

    def __init__(self) -> None:
        super().__init__()
        self.finder = LinkNet()
        self.outliner = LinkNet()


class LinkNet(nn.Module):
    """Probability of brain, from one image.

    Notes
    -----
    Input (N, 1, X, Y, Z), axes right, anterior, superior, sides divisible by :data:`DIVISOR`, as :func:`standardised`
    makes it. Output (N, 1, X, Y, Z) in [0, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        self.init = nn.Sequential(_convolution(1, 16, 7, 2), *_normed(16), nn.MaxPool3d(3, 2, 1))
        self.down0 = _Down(16, 16, 1)
        self.down1 = _Down(16, 32, 2)
        self.down2 = _Down(32, 64, 2)
        self.down3 = _Down(64, 128, 2)
        self.up0 = _Up(128, 64, 2)
        self.up1 = _Up(64, 32, 2)
        self.up2 = _Up(32, 16, 2)
        self.up3 = _Up(16, 16, 1)
        self.tp_conv1 = nn.Sequential(nn.ConvTranspose3d(16, 8, 3, 2, 1, 1), *_normed(8))
        self.conv = nn.Sequential(nn.Conv3d(8, 8, 3, padding=1), *_normed(8))
        self.tp_conv2 = nn.ConvTranspose3d(8, 2, 2, 2)

    def forward(self, image: Tensor) -> Tensor:
        """Probabilities; see the class."""
        first = self.init(image)
        level0 = self.down0(first)
        level1 = self.down1(level0)
        level2 = self.down2(level1)
        found = self.up0(self.down3(level2)) + level2
        found = self.up1(found) + level1
        found = self.up2(found) + level0
        found = self.up3(found) + first
        scores = self.tp_conv2(self.conv(self.tp_conv1(found)))
        probabilities: Tensor = scores.softmax(1)[:, 1:]
        return probabilities


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, size, stride, size // 2, bias=False)


def _normed(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm3d(channels), nn.ReLU(inplace=True)


class _Down(nn.Module):
    """Two residual blocks, the first of which may halve the grid."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.block1 = _Block(inputs, outputs, stride)
        self.block2 = _Block(outputs, outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.block2(self.block1(image))
        return found


class _Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            _convolution(inputs, outputs, 3, stride),
            *_normed(outputs),
            _convolution(outputs, outputs, 3),
            nn.InstanceNorm3d(outputs),
        )
        kept = inputs == outputs and stride == 1
        shortcut = nn.Sequential(_convolution(inputs, outputs, 1, stride), nn.InstanceNorm3d(outputs))
        self.downsample = nn.Identity() if kept else shortcut

    def forward(self, image: Tensor) -> Tensor:
        return torch.relu(self.double_conv(image) + self.downsample(image))


class _Up(nn.Module):
    """A convolution that may double the grid, between two that change the number of channels."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        middle = inputs // 4
        self.conv1 = nn.Sequential(_convolution(inputs, middle, 1), *_normed(middle))
        doubling = nn.ConvTranspose3d(middle, middle, 3, stride, 1, stride - 1, bias=False)
        self.tp_conv = nn.Sequential(doubling, *_normed(middle))
        self.conv2 = nn.Sequential(_convolution(middle, outputs, 1), *_normed(outputs))

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.conv2(self.tp_conv(self.conv1(image)))
        return found


def standardised(voxels: np.ndarray, low: float, high: float) -> Tensor:
    """An image as the networks read it: cut at two intensities, then with :data:`MEAN` and :data:`SPREAD`.

    Parameters
    ----------
    voxels : ndarray, float32
        (X, Y, Z).
    low, high : float
        Where intensities are cut; those at the quantiles :data:`CLIPPED` of the whole image.

    Returns
    -------
    batch : Tensor
        (1, 1, X, Y, Z).
    """
    image = ((torch.from_numpy(voxels) - low) / max(high - low, 1e-12)).clamp(0, 1)
    image = (image - image.mean()) / image.std().clamp_min(1e-6)
    return (SPREAD * image + MEAN)[None, None]


def pieces(mask: np.ndarray) -> list[int]:
    """Numbers of voxels of a mask's connected pieces (by faces), the largest first."""
    numbers, _ = ndimage.label(mask)
    return sorted(np.bincount(numbers.ravel())[1:].tolist(), reverse=True)


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest connected piece (by faces), its holes filled; bool. An empty mask stays empty."""
    numbers, count = ndimage.label(mask)
    if not count:
        return np.zeros(mask.shape, bool)
    largest = numbers == 1 + np.bincount(numbers.ravel())[1:].argmax()
    return np.asarray(ndimage.binary_fill_holes(largest))


def box_of(mask: np.ndarray, share: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """First and last-but-one planes of a mask along each axis, as edges in voxels: (start, end), each (3,).

    A plane counts where more than ``share`` of it is in the mask, or any of it where no plane has as much.
    """
    start, end = np.zeros(3), np.zeros(3)
    for axis in range(3):
        filled = mask.mean(axis=tuple(other for other in range(3) if other != axis))
        planes = np.flatnonzero(filled > share) if (filled > share).any() else np.flatnonzero(filled)
        start[axis], end[axis] = planes[0], planes[-1] + 1
    return start, end
