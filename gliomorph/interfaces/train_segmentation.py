"""A training of a teacher or a student from start to model card; killed and run again, it goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch

from .. import __version__
from ..models.distillation import METHODS, StudentObjective, settings_of
from ..models.segmentation_training import Batch, Optimisation, SegmentationTrainer
from ..models.synthesis.engine import DataEngine
from ..models.unet import MODALITIES, SegmentationSettings, UNet
from .device import choose_device
from .images import write_text
from .model_card import model_card
from .segmentation_weights import load_unet, write_unet
from .stored_network import WeightsError
from .training_data import (
    PARTS,
    Examples,
    PreparedExamples,
    SimulatedExamples,
    TrainingDataError,
    example_seed,
    prepare,
    split,
)
from .training_files import TrainingFolder, draw_examples

PICTURED = 3
"""Validation patients in a picture."""
PICTURES = 20
"""At most, over a training."""


@attrs.frozen(kw_only=True)
class TrainingOptions:
    """What determines a training; recorded with it.

    Attributes
    ----------
    role : {"teacher", "student"}
    network : SegmentationSettings
    optimisation : Optimisation
    method : str
        Of distillation, a key of :data:`~gliomorph.models.distillation.METHODS`.
    teacher : Path or None
        Weights of the teacher, for methods that need one.
    start : Path or None
        Weights to begin with.
    bids_dir : Path or None
        Dataset; None for simulated patients.
    derivatives : mapping of str to Path
        Folders with its label maps.
    simulated : int
        Simulated patients an epoch.
    held_out : int
        Simulated patients for validation, and as many for the test.
    template : str
        Of the simulated patients.
    box : tuple of int or None
        Voxels of a training example along each axis; for simulated patients None is the whole head.
    batch_size : int
    fraction : float
        Of the training subjects.
    seed : int
    """

    role: str = attrs.field(validator=attrs.validators.in_(("teacher", "student")))
    network: SegmentationSettings
    optimisation: Optimisation
    method: str = attrs.field(default="baseline", validator=attrs.validators.in_(tuple(METHODS)))
    teacher: Path | None = None
    start: Path | None = None
    bids_dir: Path | None = None
    derivatives: Mapping[str, Path] = attrs.field(factory=dict)
    simulated: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    held_out: int = attrs.field(default=12, validator=attrs.validators.ge(1))
    template: str = "MNI152"
    box: tuple[int, ...] | None = None
    batch_size: int = attrs.field(default=4, validator=attrs.validators.ge(1))
    fraction: float = 1.0
    seed: int = attrs.field(default=0, validator=attrs.validators.ge(0))

    @property
    def channels(self) -> tuple[str, ...]:
        """Modalities that are read: the teacher's too where there is one."""
        return MODALITIES if self.teacher else self.network.modalities

    def record(self) -> dict[str, Any]:
        """All options, ready for JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(attrs.asdict(self), default=str))
        return plain | {"version": __version__}


Report = Callable[[str], None]


def train(
    options: TrainingOptions,
    folder: TrainingFolder,
    gpu: str = "auto",
    engine: DataEngine | None = None,
    report: Report = print,
    progress: Callable[[int, int, Mapping[str, float]], None] = lambda done, total, figures: None,
) -> Path:
    """Train, test and describe a network.

    Parameters
    ----------
    options : TrainingOptions
    folder : TrainingFolder
        A training in it that was begun with the same options goes on.
    gpu : str
        ``auto``, ``all`` or ``none``.
    engine : DataEngine, optional
        Source of simulated patients with the options' channels and voxel size.
    report : callable
        Gets lines for the reader.
    progress : callable
        Gets steps done and in all of the epoch, and the last losses.

    Returns
    -------
    weights : Path
        ``<role>-<modality>.safetensors`` of the best epoch, with its model card (JSON) beside it.

    Raises
    ------
    TrainingDataError, TrainingFolderError, WeightsError
        Before any epoch.
    """
    folder.open(options.record())
    device = torch.device(choose_device(gpu))
    parts = _examples(options, folder, engine, report)
    objective, network = _objective(options, device)
    steps = -(-len(parts["train"]) // options.batch_size)
    channels = [options.channels.index(modality) for modality in options.network.modalities]
    trainer = SegmentationTrainer(objective, options.optimisation, channels, steps)
    if state := folder.load(device):
        trainer.resume(state)
        report(f"resumed after epoch {trainer.epoch}")
    weights = folder.path / f"{options.role}-{'-'.join(options.network.modalities)}.safetensors"
    every = max(1, options.optimisation.epochs // PICTURES)
    while not trainer.finished:
        start = time.monotonic()
        losses = _run_epoch(trainer, parts["train"], options, progress)
        found = trainer.validate(_single(parts["validation"]))
        row = {"epoch": trainer.epoch, "learning_rate": trainer.learning_rate}
        row |= {f"train_{name}": value for name, value in losses.items()}
        row |= {f"validation_{name}": value for name, value in found.items()}
        if trainer.end_epoch(found["loss"]):
            write_unet(network, options.network, weights)
        if trainer.epoch % every == 0 or trainer.finished:
            _picture(trainer, network, channels, parts["validation"], folder)
        row["seconds"] = round(time.monotonic() - start, 2)
        folder.save(trainer.state(), row)
        report(_line(row, options.optimisation.epochs))
    best, _ = load_unet(weights)
    card = model_card(
        best.to(device),
        options,
        {name: len(part) for name, part in parts.items()},
        _single(parts["test"]),
        channels,
        weights,
    )
    write_text(json.dumps(card, indent=1) + "\n", weights.with_suffix(".json"))
    return weights


def _objective(options: TrainingOptions, device: torch.device) -> tuple[StudentObjective, UNet]:
    """What is minimised, and the network in it, with the seed's first weights or the given ones."""
    torch.manual_seed(options.seed)
    network = options.network.build()
    if options.start:
        known, settings = load_unet(options.start)
        if attrs.evolve(settings, voxel_mm=options.network.voxel_mm) != options.network:
            raise WeightsError(
                f"{options.start.name}: to begin with it the network has to be the same: {options.network} is "
                f"required, it holds {settings}"
            )
        network = known
    teacher = None
    if options.teacher:
        teacher, settings = load_unet(options.teacher)
        if settings.modalities != MODALITIES or settings.voxel_mm != options.network.voxel_mm:
            raise WeightsError(
                f"{options.teacher.name}: a teacher that reads {', '.join(MODALITIES)} at "
                f"{options.network.voxel_mm:g} mm is required, it holds {settings}"
            )
        teacher = teacher.to(device)
    objective = StudentObjective(settings_of(options.method), network.to(device), teacher)
    return objective.to(device), network


def _examples(
    options: TrainingOptions, folder: TrainingFolder, engine: DataEngine | None, report: Report
) -> dict[str, Examples]:
    if options.bids_dir is None:
        if engine is None or not options.simulated:
            raise TrainingDataError("a dataset or simulated patients are required: --bids or --simulated")
        counts = (options.simulated, options.held_out, options.held_out)
        return {
            name: SimulatedExamples(engine=engine, count=count, seed=options.seed, part=part)
            for part, (name, count) in enumerate(zip(PARTS, counts, strict=True))
        }
    files = prepare(
        options.bids_dir,
        options.derivatives,
        options.channels,
        options.network.voxel_mm,
        folder.prepared,
        report,
    )
    parts = split(list(files), options.seed, options.fraction)
    write_text(json.dumps(parts, indent=1) + "\n", folder.path / "split.json")
    return {
        name: PreparedExamples(
            files=tuple(path for subject in subjects for path in files[subject]),
            seed=options.seed,
            box=options.box if name == "train" else None,
        )
        for name, subjects in parts.items()
    }


def _run_epoch(
    trainer: SegmentationTrainer,
    examples: Examples,
    options: TrainingOptions,
    progress: Callable[[int, int, Mapping[str, float]], None],
) -> dict[str, float]:
    """One pass over the training examples in the epoch's own order; mean losses."""
    order = np.random.default_rng(example_seed(options.seed, trainer.epoch)).permutation(len(examples))
    groups = [order[i : i + options.batch_size] for i in range(0, len(order), options.batch_size)]
    sums: dict[str, float] = {}
    for done, batch in enumerate(_ahead(examples, groups, trainer.epoch), start=1):
        losses = trainer.step(batch)
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value * len(batch.labels)
        progress(done, len(groups), losses)
    return {name: total / len(examples) for name, total in sums.items()}


def _ahead(examples: Examples, groups: list[np.ndarray], epoch: int) -> Iterator[Batch]:
    """Batches in order, the next one made while the last is used."""

    def batch(group: np.ndarray) -> Batch:
        images, labels = zip(*(examples.read(int(index), epoch) for index in group), strict=True)
        return Batch(images=torch.stack(images), labels=torch.stack(labels))

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(batch, groups[0])
        for following in [*groups[1:], None]:
            ready = coming.result()
            if following is not None:
                coming = pool.submit(batch, following)
            yield ready


def _single(examples: Examples) -> Iterator[Batch]:
    """Batches of one: heads may differ in size."""
    for index in range(len(examples)):
        images, labels = examples.read(index, 0)
        yield Batch(images=images[None], labels=labels[None])


def _picture(
    trainer: SegmentationTrainer,
    network: UNet,
    channels: list[int],
    examples: Examples,
    folder: TrainingFolder,
) -> None:
    shown = []
    for index in range(min(PICTURED, len(examples))):
        images, labels = examples.read(index, 0)
        with torch.inference_mode():
            predicted = network(images[None, channels].to(trainer.device))[0].argmax(0)
        shown.append((images[channels[0]].cpu().numpy(), labels.cpu().numpy(), predicted.cpu().numpy()))
    path = folder.path / "figures" / f"epoch-{trainer.epoch:04d}.png"
    draw_examples(shown, f"validation, after epoch {trainer.epoch}", path)


def _line(row: Mapping[str, float], epochs: int) -> str:
    dices = ", ".join(
        f"{name.removeprefix('validation_').removesuffix('_dice')} {value:.3f}"
        for name, value in row.items()
        if name.endswith("_dice")
    )
    return (
        f"epoch {row['epoch'] + 1:.0f}/{epochs}: loss {row['train_total']:.4f}, "
        f"validation {row['validation_loss']:.4f}, Dice {dices} ({row['seconds']:.0f} s)"
    )
