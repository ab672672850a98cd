"""A training of a teacher or a student from start to model card; killed and run again, it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import torch

from ...interfaces.machine.device import choose_device
from ...interfaces.networks.segmentation import load_unet, write_unet
from ...models.segmentation.training import Batch, SegmentationTrainer
from ...models.synthesis.engine import Engine
from ...models.unet import UNet
from ..cards import write_card
from ..folder import TrainingFolder
from ..passes import PICTURED, Passes, Progress, Report, go_on, pictured, row_of
from ..pictures import draw_examples
from ..scans import PARTS, TrainingDataError, split
from .card import model_card
from .data import Examples, PreparedExamples, SimulatedExamples, one_by_one, prepare
from .networks import objective_of
from .options import TrainingOptions


def train(
    options: TrainingOptions,
    folder: TrainingFolder,
    gpu: str = "auto",
    engine: Engine | None = None,
    report: Report = print,
    progress: Progress = lambda done, total, figures: None,
) -> Path:
    """Train, test and describe a network.

    Parameters
    ----------
    options : TrainingOptions
    folder : TrainingFolder
        A training in it that was begun with the same options goes on.
    gpu : str
        ``auto``, ``all`` or ``none``.
    engine : Engine, optional
        Source of simulated patients with the options' channels and voxel size.
    report : callable
        Gets lines for the reader.
    progress : callable
        As for :meth:`~gliomorph.training.passes.Passes.carry_out`.

    Returns
    -------
    weights : Path
        ``<role>-<modality>.safetensors`` of the best epoch, by a cosine schedule of the last one, with its model
        card (JSON) beside it.

    Raises
    ------
    TrainingDataError, TrainingFolderError, WeightsError
        Before any epoch.
    FloatingPointError
        A loss or gradient that is not finite; what was kept is of the epoch before.
    """
    device = torch.device(choose_device(gpu))
    objective, network = objective_of(options, device)
    if folder.open(options.record()):
        report(f"the training in {folder.path} is finished: it is kept as it is")
        return _weights(options, folder)
    parts = _examples(options, folder, engine, report)
    channels = [options.channels.index(modality) for modality in options.network.modalities]
    steps = -(-len(parts["train"]) // options.batch_size)
    trainer = SegmentationTrainer(objective, options.optimisation, channels, steps)
    run = _Run(
        options=options, folder=folder, parts=parts, trainer=trainer, network=network, channels=channels
    )
    epochs = options.optimisation.epochs
    go_on(trainer, folder, epochs, lambda latest: run.epoch(latest, progress), _dices, report)
    best, _ = load_unet(run.weights)
    counts = {name: len(part) for name, part in parts.items()}
    card = model_card(best.to(device), options, counts, one_by_one(parts["test"]), channels, run.weights)
    write_card(card, run.weights)
    return run.weights


@attrs.frozen(kw_only=True)
class _Run:
    """The epochs of one training and what each leaves in the folder."""

    options: TrainingOptions
    folder: TrainingFolder
    parts: Mapping[str, Examples]
    """By :data:`PARTS`."""
    trainer: SegmentationTrainer
    network: UNet
    """The one that is trained."""
    channels: list[int]
    """The channels that it reads."""

    @property
    def weights(self) -> Path:
        """Of the best epoch; by a cosine schedule of the last one, which has settled."""
        return _weights(self.options, self.folder)

    def epoch(self, latest: Mapping[str, float], progress: Progress) -> dict[str, float]:
        """One epoch, its validation, and what is kept of it; its row in the log."""
        trainer, start = self.trainer, time.monotonic()
        losses = self._passes.carry_out(trainer.epoch, latest, progress)
        found = trainer.validate(one_by_one(self.parts["validation"]))
        row = row_of(trainer.epoch + 1, trainer.learning_rate, losses, found)
        if trainer.end_epoch(found["loss"]) or self.options.optimisation.schedule == "cosine":
            write_unet(self.network, self.options.network, self.weights)
        if pictured(trainer.epoch, self.options.optimisation.epochs) or trainer.finished:
            self._picture()
        row["seconds"] = round(time.monotonic() - start, 2)
        self.folder.save(trainer.state(), row)
        return row

    @property
    def _passes(self) -> Passes[Batch]:
        examples = self.parts["train"]

        def batch(group: Sequence[int], epoch: int) -> Batch:
            images, labels = zip(*(examples.read(index, epoch) for index in group), strict=True)
            return Batch(images=torch.stack(images), labels=torch.stack(labels))

        return Passes(
            count=len(examples),
            batch_size=self.options.batch_size,
            epochs=self.options.optimisation.epochs,
            seed=self.options.seed,
            batch=batch,
            step=self.trainer.step,
        )

    def _picture(self) -> None:
        epoch, examples, shown = self.trainer.epoch, self.parts["validation"], []
        for index in range(min(PICTURED, len(examples))):
            images, labels = examples.read(index, 0)
            with torch.inference_mode():
                predicted = self.network(images[None, self.channels].to(self.trainer.device))[0].argmax(0)
            image = images[self.channels[0]]
            shown.append((image.cpu().numpy(), labels.cpu().numpy(), predicted.cpu().numpy()))
        path = self.folder.path / "figures" / f"epoch-{epoch:04d}.png"
        draw_examples(shown, f"validation, after epoch {epoch}", path)


def _dices(row: Mapping[str, float]) -> str:
    dices = (
        f"{name.removeprefix('validation_').removesuffix('_dice')} {value:.3f}"
        for name, value in row.items()
        if name.endswith("_dice")
    )
    return f"Dice {', '.join(dices)}"


def _weights(options: TrainingOptions, folder: TrainingFolder) -> Path:
    return folder.path / f"{options.role}-{'-'.join(options.network.modalities)}.safetensors"


def _examples(
    options: TrainingOptions, folder: TrainingFolder, engine: Engine | None, report: Report
) -> dict[str, Examples]:
    if options.bids_dir is None:
        engine = _fitting(engine, options)
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
    parts = {
        name: {subject: files[subject] for subject in subjects}
        for name, subjects in split(list(files), options.seed, options.fraction).items()
    }
    folder.keep_split(parts)
    return {
        name: PreparedExamples(
            files=tuple(path for paths in subjects.values() for path in paths),
            seed=options.seed,
            box=options.box if name == "train" else None,
        )
        for name, subjects in parts.items()
    }


def _fitting(engine: Engine | None, options: TrainingOptions) -> Engine:
    """The engine, if it makes what the networks read."""
    channels, voxel_mm = options.channels, options.network.voxel_mm
    if engine and engine.modalities == channels and abs(engine.voxel_mm - voxel_mm) < 0.01 * voxel_mm:
        return engine
    found = f"{', '.join(engine.modalities)} at {engine.voxel_mm:g} mm" if engine else "none"
    raise TrainingDataError(
        f"a data engine that makes {', '.join(channels)} at {voxel_mm:g} mm is required, got {found}"
    )
