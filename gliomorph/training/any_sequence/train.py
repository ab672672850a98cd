"""A training of a network for any subset of the sequences, killed and run again it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import torch

from ...interfaces.machine.device import choose_device
from ...interfaces.networks.files import WeightsError
from ...interfaces.networks.segmentation import load_unet, write_unet
from ...models.segmentation.distillation.methods import DistillationSettings
from ...models.segmentation.subsets import SubsetObjective
from ...models.segmentation.training import Batch, SegmentationTrainer
from ...models.unet import SegmentationSettings, UNet
from ..cards import write_card
from ..folder import TrainingFolder
from ..passes import Passes, Progress, Report, go_on, row_of
from .card import subset_card
from .examples import SubsetExamples, one_subset_each
from .options import SubsetOptions
from .patients import prepare_patients
from .persons import deal, parts_of, read_persons

NAME = "any.safetensors"


def train_any(
    options: SubsetOptions,
    folder: TrainingFolder,
    prepared: Path | None = None,
    gpu: str = "auto",
    report: Report = print,
    progress: Progress = lambda done, total, figures: None,
) -> Path:
    """Train, test on the held-out fold and describe a network.

    Parameters
    ----------
    options : SubsetOptions
    folder : TrainingFolder
        A training in it that was begun with the same options goes on.
    prepared : Path, optional
        Where the scans are kept as tensors, for several trainings; in the folder if not given.
    gpu : str
        ``auto``, ``all`` or ``none``.
    report : callable
        Gets lines for the reader.
    progress : callable
        As for :meth:`~gliomorph.training.passes.Passes.carry_out`.

    Returns
    -------
    weights : Path
        ``any.safetensors`` of the last epoch, with its model card (JSON) beside it.

    Raises
    ------
    TrainingDataError, TrainingFolderError, WeightsError
        Before any epoch.
    FloatingPointError
        A loss or gradient that is not finite; what was kept is of the epoch before.
    """
    device = torch.device(choose_device(gpu))
    torch.manual_seed(options.seed)
    # channels last: a tenth less time on a CPU
    network = _first(options).to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if folder.open(options.record()):
        report(f"the training in {folder.path} is finished: it is kept as it is")
        return folder.path / NAME
    parts = _parts(options, folder, prepared or folder.prepared, report)
    examples = SubsetExamples(files=parts["train"], seed=options.seed, box=options.box, passes=options.passes)
    steps = -(-len(examples) // options.batch_size)
    objective = SubsetObjective(DistillationSettings(dice=options.dice_weight), network)
    trainer = SegmentationTrainer(
        objective, options.optimisation, list(range(len(options.network.modalities))), steps
    )
    run = _Run(options=options, folder=folder, examples=examples, held=parts["test"], trainer=trainer)
    epochs = options.optimisation.epochs
    go_on(trainer, folder, epochs, lambda latest: run.epoch(latest, progress), _dices, report)
    kept, _ = load_unet(folder.path / NAME)
    card = subset_card(kept.to(device), options, parts, folder.path / NAME)
    write_card(card, folder.path / NAME)
    return folder.path / NAME


@attrs.frozen(kw_only=True)
class _Run:
    """The epochs of one training and what each leaves in the folder."""

    options: SubsetOptions
    folder: TrainingFolder
    examples: SubsetExamples
    held: tuple[Path, ...]
    """Scans of the held-out fold: nothing is chosen by them, the last epoch counts."""
    trainer: SegmentationTrainer

    def epoch(self, latest: Mapping[str, float], progress: Progress) -> dict[str, float]:
        """One epoch, a look at the held-out fold, and what is kept of it; its row in the log."""
        trainer, start = self.trainer, time.monotonic()
        losses = self._passes.carry_out(trainer.epoch, latest, progress)
        looked = self.held or self.examples.files[:5]
        found = trainer.validate(one_subset_each(looked))
        row = row_of(trainer.epoch + 1, trainer.learning_rate, losses, found)
        trainer.end_epoch(found["loss"])
        write_unet(trainer.network, self.options.network, self.folder.path / NAME)
        row["seconds"] = round(time.monotonic() - start, 2)
        self.folder.save(trainer.state(), row)
        return row

    @property
    def _passes(self) -> Passes[Batch]:
        def batch(group: Sequence[int], epoch: int) -> Batch:
            images, labels = zip(*(self.examples.read(index, epoch) for index in group), strict=True)
            return Batch(images=torch.stack(images), labels=torch.stack(labels))

        return Passes(
            count=len(self.examples),
            batch_size=self.options.batch_size,
            epochs=self.options.optimisation.epochs,
            seed=self.options.seed,
            batch=batch,
            step=self.trainer.step,
        )


def _parts(
    options: SubsetOptions, folder: TrainingFolder, prepared: Path, report: Report
) -> dict[str, tuple[Path, ...]]:
    """Prepared scans for training and of the held-out fold; a person is in one of them with all scans."""
    prepared.mkdir(parents=True, exist_ok=True)
    files, sources = prepare_patients(options, prepared, report)
    persons = read_persons(options.persons)
    source_of: dict[str, str] = {}
    for subject in sorted(files):
        source_of.setdefault(persons.get(subject, subject), sources[subject])
    parts = parts_of(deal(source_of, options.folds, options.seed), options.fold)
    scans = {
        part: {s: files[s] for s in sorted(files) if persons.get(s, s) in chosen}
        for part, chosen in parts.items()
    }
    folder.keep_split(scans)
    return {part: tuple(path for paths in its.values() for path in paths) for part, its in scans.items()}


def _first(options: SubsetOptions) -> UNet:
    """The network with the seed's weights or those of the start; a student's first layer then reads every channel."""
    network = options.network.build()
    if options.start is None:
        return network
    start, settings = load_unet(options.start)
    state = start.state_dict()
    if len(settings.modalities) == 1:
        first = next(name for name in state if name.startswith("down.0.0.0.weight"))
        state[first] = state[first].expand(-1, len(options.network.modalities), -1, -1, -1).clone()
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(
            f"{options.start.name}: to begin with it a network of width {options.network.width} with "
            f"{'' if options.network.skips else 'no '}skip-connections is required, it has {_words(settings)}"
        ) from error
    return network


def _words(settings: SegmentationSettings) -> str:
    return f"width {settings.width} and reads {', '.join(settings.modalities)}"


def _dices(row: Mapping[str, float]) -> str:
    return f"held-out Dice WT {row['validation_WT_dice']:.3f}"
