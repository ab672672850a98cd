"""A training of a teacher or a student from start to model card; killed and run again, it goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import numpy as np
import torch

from ..models.segmentation_training import Batch, SegmentationTrainer
from ..models.synthesis.engine import DataEngine
from ..models.unet import UNet
from .device import choose_device
from .images import write_text
from .model_card import card_of, model_card
from .segmentation_weights import load_unet, write_unet
from .training_data import (
    PARTS,
    Examples,
    PreparedExamples,
    SimulatedExamples,
    TrainingDataError,
    example_seed,
    one_by_one,
    prepare,
    split,
)
from .training_files import TrainingFolder, draw_examples
from .training_networks import objective_of
from .training_options import TrainingOptions

PICTURED = 3
"""Validation patients in a picture."""
PICTURES = 20
"""At most, over a training."""

Report = Callable[[str], None]
Progress = Callable[[int, int, Mapping[str, float]], None]


def train(
    options: TrainingOptions,
    folder: TrainingFolder,
    gpu: str = "auto",
    engine: DataEngine | None = None,
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
    engine : DataEngine, optional
        Source of simulated patients with the options' channels and voxel size.
    report : callable
        Gets lines for the reader.
    progress : callable
        Gets steps done and in all, of the whole training, and figures: the ``epoch`` (from 1), the losses of the
        last step, what the last validation found (``validation_…``).

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
    run.go_on(report, progress)
    best, _ = load_unet(run.weights)
    counts = {name: len(part) for name, part in parts.items()}
    card = model_card(best.to(device), options, counts, one_by_one(parts["test"]), channels, run.weights)
    if measured := (card_of(run.weights) or {}).get("measured"):
        card["measured"] = measured  # figures that were added later, of the same weights
    write_text(json.dumps(card, indent=1) + "\n", run.weights.with_suffix(".json"))
    return run.weights


@attrs.frozen(kw_only=True)
class _Run:
    """The epochs of one training and what each leaves in the folder.

    Attributes
    ----------
    options : TrainingOptions
    folder : TrainingFolder
    parts : mapping of str to Examples
        By :data:`PARTS`.
    trainer : SegmentationTrainer
    network : UNet
        The one that is trained.
    channels : list of int
        Those that it reads.
    """

    options: TrainingOptions
    folder: TrainingFolder
    parts: Mapping[str, Examples]
    trainer: SegmentationTrainer
    network: UNet
    channels: list[int]

    @property
    def weights(self) -> Path:
        """Of the best epoch; by a cosine schedule of the last one, which has settled."""
        return _weights(self.options, self.folder)

    def go_on(self, report: Report, progress: Progress) -> None:
        """All epochs that are not done yet."""
        trainer, latest = self.trainer, {}
        if state := self.folder.load(trainer.device):
            trainer.resume(state)
            latest = self.folder.latest(trainer.epoch)
            report(f"resumed after epoch {trainer.epoch}")
        else:
            # weights are written before the epoch's state: those of a first epoch are not without one, either
            self.folder.keep(trainer.state())
        epochs, first, start = self.options.optimisation.epochs, trainer.epoch, time.monotonic()
        while not trainer.finished:
            latest = self._epoch(latest, progress)
            left = (time.monotonic() - start) / (trainer.epoch - first) * (epochs - trainer.epoch)
            report(_line(latest, epochs, left))

    def _epoch(self, latest: Mapping[str, float], progress: Progress) -> dict[str, float]:
        """One epoch, its validation, and what is kept of it; its row in the log."""
        trainer, start = self.trainer, time.monotonic()
        losses = self._pass(latest, progress)
        found = trainer.validate(one_by_one(self.parts["validation"]))
        row: dict[str, float] = {"epoch": trainer.epoch + 1, "learning_rate": trainer.learning_rate}
        row |= {f"train_{name}": value for name, value in losses.items()}
        row |= {f"validation_{name}": value for name, value in found.items()}
        if trainer.end_epoch(found["loss"]) or self.options.optimisation.schedule == "cosine":
            write_unet(self.network, self.options.network, self.weights)
        every = max(1, self.options.optimisation.epochs // PICTURES)
        if trainer.epoch % every == 0 or trainer.finished:
            self._picture()
        row["seconds"] = round(time.monotonic() - start, 2)
        self.folder.save(trainer.state(), row)
        return row

    def _pass(self, latest: Mapping[str, float], progress: Progress) -> dict[str, float]:
        """One pass over the training examples in the epoch's own order; mean losses."""
        options, examples, epoch = self.options, self.parts["train"], self.trainer.epoch
        order = np.random.default_rng(example_seed(options.seed, epoch)).permutation(len(examples))
        groups = [order[i : i + options.batch_size] for i in range(0, len(order), options.batch_size)]
        before, total = epoch * len(groups), options.optimisation.epochs * len(groups)
        known = {name: value for name, value in latest.items() if name.startswith("validation_")}
        sums: dict[str, float] = {}
        for done, batch in enumerate(_ahead(examples, groups, epoch), start=before + 1):
            losses = self.trainer.step(batch)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value * len(batch.labels)
            progress(done, total, {"epoch": epoch + 1, **losses, **known})
        return {name: value / len(examples) for name, value in sums.items()}

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


def _weights(options: TrainingOptions, folder: TrainingFolder) -> Path:
    return folder.path / f"{options.role}-{'-'.join(options.network.modalities)}.safetensors"


def _examples(
    options: TrainingOptions, folder: TrainingFolder, engine: DataEngine | None, report: Report
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


def _fitting(engine: DataEngine | None, options: TrainingOptions) -> DataEngine:
    """The engine, if it makes what the networks read."""
    channels, voxel_mm = options.channels, options.network.voxel_mm
    if engine and engine.modalities == channels and abs(engine.atlas.voxel_mm - voxel_mm) < 0.01 * voxel_mm:
        return engine
    found = f"{', '.join(engine.modalities)} at {engine.atlas.voxel_mm:g} mm" if engine else "none"
    raise TrainingDataError(
        f"a data engine that makes {', '.join(channels)} at {voxel_mm:g} mm is required, got {found}"
    )


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


def _line(row: Mapping[str, float], epochs: int, seconds_left: float) -> str:
    dices = ", ".join(
        f"{name.removeprefix('validation_').removesuffix('_dice')} {value:.3f}"
        for name, value in row.items()
        if name.endswith("_dice")
    )
    left = f", {_duration(seconds_left)} left at most" if seconds_left else ""
    return (
        f"epoch {row['epoch']:.0f}/{epochs}: loss {row['train_total']:.4f}, validation "
        f"{row['validation_loss']:.4f}, Dice {dices} ({_duration(row['seconds'])}{left})"
    )


def _duration(seconds: float) -> str:
    """In words, with two figures: ``41 s``, ``3.5 min``, ``2.1 h``."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}" if seconds < 10 * unit else f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
