"""A U-Net with three down-samplings, as the thesis' teacher and students (Fig. 3.10)."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import torch
from attrs import validators as valid
from torch import Tensor, nn

from .regions import LABELS, MODALITIES

CLASSES = 1 + len(LABELS)
"""Background, NCR, ED, ET, in this order."""

DIVISOR = 8
"""Three down-samplings: sides have to be divisible by it."""


def _words(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class SegmentationSettings:
    """All that determines a segmentation network but its weights; it travels with them."""

    modalities: tuple[str, ...] = attrs.field(
        converter=_words, validator=[valid.min_len(1), valid.deep_iterable(valid.in_(MODALITIES))]
    )
    """Input channels, among :data:`MODALITIES`."""
    width: int = attrs.field(default=30, validator=valid.ge(1))
    """Channels of the first level, as in the :class:`UNet`."""
    voxel_mm: float = attrs.field(default=1.0, converter=float, validator=[valid.ge(0.5), valid.le(8)])
    """Isotropic voxel size that the network was trained on, 0.5 to 8: it sets the size of the grid, and weights from
    anywhere must not exhaust the memory."""
    skips: bool = True
    """Whether the decoder sees the encoder, as in the :class:`UNet`."""
    brain_ml: float = attrs.field(default=0.0, converter=float, validator=[valid.ge(0), valid.le(3000)])
    """Volume of the mean brain that it was trained on: brains are brought to this size before it reads them. 0: they
    are read as they come."""
    subsets: bool = False
    """Whether it reads any subset of its modalities, those that are missing being 0 throughout."""
    threshold: float = attrs.field(default=0.5, converter=float, validator=[valid.ge(0.05), valid.le(0.95)])
    """Probability of all tumour classes together from which a voxel counts as tumour."""
    least_sure_ml: float = attrs.field(default=0.0, converter=float, validator=[valid.ge(0), valid.le(100)])
    """Volume that has to be tumour beyond doubt (:data:`~.segmentation.inference.SURE`), or there is none: in
    healthy brains some places are a little likely."""

    def build(self) -> UNet:
        """The untrained network."""
        return UNet(len(self.modalities), self.width, skips=self.skips)


class UNet(nn.Module):
    """Class scores from one or several modalities, or fields from a pair of images.

    Parameters
    ----------
    modalities : int
        Input channels: 1 for a student, 4 for the teacher.
    width : int
        Channels of the first level; each level below has twice as many.
    outputs : int
        Output channels.
    dimension : int
        2 or 3.
    skips : bool
        Without skip-connections the decoder sees the bottleneck alone (the thesis' first framework, §3.3.1).

    Notes
    -----
    Input (N, modalities, X, Y[, Z]), sides divisible by 8, z-scored over the brain where it segments. Output
    (N, outputs, X, Y[, Z]): scores before the softmax.
    """

    def __init__(
        self,
        modalities: int = 1,
        width: int = 30,
        outputs: int = CLASSES,
        dimension: int = 3,
        skips: bool = True,
    ) -> None:
        super().__init__()
        self.skips = skips
        self.upsampling = "trilinear" if dimension == 3 else "bilinear"
        self.pool = nn.MaxPool3d(2) if dimension == 3 else nn.MaxPool2d(2)
        widths = [width, 2 * width, 4 * width]
        self.down = nn.ModuleList()
        channels = modalities
        for out in widths:
            self.down.append(_block(channels, out, dimension))
            channels = out
        self.bottleneck = nn.Sequential(
            _unit(channels, 8 * width, dimension), _unit(8 * width, channels, dimension)
        )
        self.up = nn.ModuleList()
        for skip in reversed(widths):
            out = max(width, skip // 2)
            self.up.append(_block(channels + skip * skips, out, dimension))
            channels = out
        self.head = convolution(dimension)(channels, outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Scores (N, outputs, X, Y[, Z]) of an image (N, modalities, X, Y[, Z])."""
        return self.features(image)["scores"]

    def features(self, image: Tensor) -> dict[str, Tensor]:
        """Everything a layer hands on, by name, in the order of computation; for distillation and its analysis.

        Parameters
        ----------
        image : Tensor
            As for the scores.

        Returns
        -------
        features : dict of str to Tensor
            ``skip1`` (finest) to ``skip3``, ``bottleneck``, ``up3`` to ``up1`` (finest; what the head reads) and
            ``scores``.
        """
        return self.decode(self.encode(image))

    def encode(self, image: Tensor) -> dict[str, Tensor]:
        """``skip1`` to ``skip3`` and ``bottleneck`` of an image."""
        if any(side % DIVISOR for side in image.shape[2:]):
            raise ValueError(f"sides divisible by {DIVISOR} are required, got {tuple(image.shape[2:])}")
        encoded = {}
        for level, block in enumerate(self.down, start=1):
            image = block(image)
            encoded[f"skip{level}"] = image
            image = self.pool(image)
        return encoded | {"bottleneck": self.bottleneck(image)}

    def decode(self, encoded: dict[str, Tensor]) -> dict[str, Tensor]:
        """``encoded``, perhaps changed or another encoder's, with ``up3`` to ``up1`` and ``scores`` added."""
        image, decoded = encoded["bottleneck"], dict(encoded)
        for level, block in zip(range(len(self.up), 0, -1), self.up, strict=True):
            image = nn.functional.interpolate(
                image, scale_factor=2, mode=self.upsampling, align_corners=False
            )
            image = block(torch.cat([image, encoded[f"skip{level}"]], dim=1) if self.skips else image)
            decoded[f"up{level}"] = image
        return decoded | {"scores": self.head(image)}


def standardize(image: Tensor) -> Tensor:
    """Zero mean and unit variance over the voxels that are not zero; those stay zero.

    ``image`` has any shape; all of it is one image: hand over several modalities one by one.
    """
    inside = image != 0
    if not inside.any():
        return image
    values = image[inside]
    return torch.where(inside, (image - values.mean()) / values.std(correction=0).clamp_min(1e-6), 0.0)


def convolution(dimension: int) -> type[nn.Conv2d] | type[nn.Conv3d]:
    """The convolution for images of that many axes."""
    return nn.Conv3d if dimension == 3 else nn.Conv2d


def _block(channels: int, out: int, dimension: int) -> nn.Sequential:
    return nn.Sequential(_unit(channels, out, dimension), _unit(out, out, dimension))


def _unit(channels: int, out: int, dimension: int) -> nn.Sequential:
    norm = nn.InstanceNorm3d if dimension == 3 else nn.InstanceNorm2d
    return nn.Sequential(
        convolution(dimension)(channels, out, 3, padding=1), norm(out, affine=True), nn.LeakyReLU(0.01)
    )
