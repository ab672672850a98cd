"""The networks of a training: the one that is trained, and the teacher that fits it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import torch

from ...interfaces.networks.files import WeightsError
from ...interfaces.networks.segmentation import load_unet
from ...models.regions import MODALITIES
from ...models.segmentation.distillation.methods import SHARED_DECODER, settings_of
from ...models.segmentation.distillation.objective import StudentObjective
from ...models.segmentation.distillation.shared_decoder import share_decoder
from ...models.unet import SegmentationSettings, UNet
from .options import TrainingOptions


def objective_of(options: TrainingOptions, device: torch.device) -> tuple[StudentObjective, UNet]:
    """What is minimised, and the network in it.

    Parameters
    ----------
    options : TrainingOptions
    device : torch.device

    Returns
    -------
    objective : StudentObjective
        On the device.
    network : UNet
        The one that is trained, with the seed's first weights or those of ``options.start``; with a method of a
        shared decoder, with the teacher's decoder.

    Raises
    ------
    WeightsError
        A file that does not fit the options: what is required, what it holds.
    """
    torch.manual_seed(options.seed)
    network = options.network.build()
    if options.start:
        network = _first_weights(options.start, options.network)
    network = network.to(device)
    teacher = _teacher(options.teacher, options).to(device) if options.teacher else None
    if teacher is not None and options.method in SHARED_DECODER:
        share_decoder(teacher, network)
    settings = attrs.evolve(settings_of(options.method), dice=options.dice_weight)
    return StudentObjective(settings, network, teacher).to(device), network


def _first_weights(paths: Sequence[Path], required: SegmentationSettings) -> UNet:
    """The network in a file; of several the mean of their weights.

    Networks that were trained further from common weights lie around a better one than each of them (Wortsman et al.
    2022, model soups).
    """
    first, *others = (_alike(path, required) for path in paths)
    states = [network.state_dict() for network in (first, *others)]
    first.load_state_dict({name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]})
    return first


def _alike(path: Path, required: SegmentationSettings) -> UNet:
    """The network in a file; it may be for another voxel size, and as many other modalities."""
    network, settings = load_unet(path)
    free = {name: getattr(required, name) for name in ("voxel_mm", "modalities", "brain_ml")}
    same = attrs.evolve(settings, **free) == required
    if not same or len(settings.modalities) != len(required.modalities):
        raise WeightsError(
            f"{path.name}: to begin with it the network has to be alike: one that {_words(required)} is "
            f"required, it {_words(settings)}"
        )
    return network


def _teacher(path: Path, options: TrainingOptions) -> UNet:
    network, settings = load_unet(path)
    skips = SHARED_DECODER.get(options.method, settings.skips)
    required = attrs.evolve(options.network, modalities=MODALITIES, skips=skips, brain_ml=settings.brain_ml)
    if settings != required:
        raise WeightsError(
            f"{path.name}: a teacher that {_words(required)} is required, it {_words(settings)}"
        )
    return network


def _words(settings: SegmentationSettings) -> str:
    skips = "with" if settings.skips else "without"
    return (
        f"reads {', '.join(settings.modalities)} at {settings.voxel_mm:g} mm with width {settings.width}, "
        f"{skips} skip-connections"
    )
