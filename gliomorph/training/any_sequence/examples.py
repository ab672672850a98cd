"""Examples of real patients: for training changed at random and without some sequences, else as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import torch
from safetensors import safe_open
from torch import Tensor

from ...models.regions import MODALITIES
from ...models.segmentation.subsets import kept_sequences
from ...models.segmentation.training import Batch
from ...models.segmentation.variation import placed, regraded
from ...models.synthesis.chance import Chance
from ...models.unet import DIVISOR
from ..scans import example_seed
from .patients import FINER


@attrs.frozen(kw_only=True)
class SubsetExamples:
    """Scans for training, each as often in an epoch as there are passes."""

    files: tuple[Path, ...]
    """As :func:`~.patients.prepare_patients` leaves them."""
    seed: int
    box: tuple[int, ...]
    passes: int

    def __len__(self) -> int:
        return len(self.files) * self.passes

    def read(self, index: int, epoch: int) -> tuple[Tensor, Tensor]:
        """A random variant of a scan: images (4, X, Y, Z), 0 where a sequence is left out, and labels (X, Y, Z)."""
        chance = Chance(example_seed(self.seed, epoch, index))
        images, labels = read_scan(self.files[index % len(self.files)])
        keys = [chance.uniform() for _ in MODALITIES]
        kept = kept_sequences(present_in(images), chance.uniform(), keys)
        found, labels = placed(images[kept], labels, self.box, FINER, chance)
        whole = torch.zeros(len(MODALITIES), *self.box)
        for channel, image in zip(kept, found, strict=True):
            whole[channel] = regraded(image, chance)
        return whole, labels


def read_scan(file: Path) -> tuple[Tensor, Tensor]:
    """Images and labels of a scan as they are kept."""
    with safe_open(file, framework="pt") as tensors:
        return tensors.get_tensor("images").float(), tensors.get_tensor("labels")


def present_in(images: Tensor) -> list[int]:
    """The channels that are not 0 throughout."""
    return [channel for channel, image in enumerate(images) if bool(image.any())]


def as_they_are(file: Path) -> tuple[Tensor, Tensor]:
    """A scan on the network's voxels, sides divisible by 8: images (4, X, Y, Z) and labels (X, Y, Z)."""
    images, labels = read_scan(file)
    shape = [DIVISOR * -(-side // (FINER * DIVISOR)) for side in labels.shape]
    return placed(images, labels, shape, FINER)


def subsets_of(images: Tensor) -> dict[str, list[int]]:
    """The subsets that a network is judged by: each sequence alone, and all, by name."""
    present = present_in(images)
    single = {MODALITIES[channel]: [channel] for channel in present}
    return single | ({"all": present} if len(present) > 1 else {})


def with_only(images: Tensor, channels: list[int]) -> Tensor:
    """Images with the other channels 0."""
    kept = torch.zeros_like(images)
    kept[channels] = images[channels]
    return kept


def one_subset_each(files: tuple[Path, ...]) -> Iterator[Batch]:
    """Batches of one scan, each with one of its subsets in turn: a validation that costs little."""
    for place, file in enumerate(files):
        images, labels = as_they_are(file)
        subsets = list(subsets_of(images).values())
        kept = with_only(images, subsets[place % len(subsets)])
        yield Batch(images=kept[None], labels=labels[None])
