"""A training of a registration network from start to model card; killed and run again, it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import torch

from ...interfaces.datasets.templates import load_template
from ...interfaces.machine.device import choose_device
from ...interfaces.networks.registration import load_network, write_weights
from ...models.registration.catalogue import build
from ...models.registration.metamorphosis import objective_of
from ...models.registration.networks import RegistrationNetwork
from ...models.registration.pair import Pair
from ...models.registration.training import EpochTrainer, Trainer, warped_by
from ..cards import write_card
from ..folder import TrainingFolder
from ..passes import PICTURED, Passes, Progress, Report, go_on, pictured, row_of
from ..pictures import draw_pairs
from ..scans import PARTS, split
from .aligned_scans import prepare_pairs
from .card import registration_card
from .data import (
    InTurn,
    Pairs,
    PreparedPairs,
    SimulatedPairs,
    Target,
    engine_on,
    held_out,
    target_of,
    together,
)
from .options import RegistrationOptions
from .people import PeoplePairs, prepare_people


def train(
    options: RegistrationOptions,
    folder: TrainingFolder,
    template_folders: Sequence[Path] = (),
    gpu: str = "auto",
    report: Report = print,
    progress: Progress = lambda done, total, figures: None,
) -> Path:
    """Train, test and describe a registration network.

    Parameters
    ----------
    options : RegistrationOptions
    folder : TrainingFolder
        A training in it that was begun with the same options goes on.
    template_folders : sequence of Path
        Where the options' templates are looked for.
    gpu : str
        ``auto``, ``all`` or ``none``.
    report : callable
        Gets lines for the reader.
    progress : callable
        As for :meth:`~gliomorph.training.passes.Passes.carry_out`.

    Returns
    -------
    weights : Path
        ``<method>.safetensors`` of the last epoch, where the learning rate has fallen to 0, with its model card (JSON)
        beside it.

    Raises
    ------
    TrainingDataError, TrainingFolderError, TemplateError, WeightsError
        Before any epoch.
    FloatingPointError
        An energy or gradient that is not finite; what was kept is of the epoch before.
    """
    device = torch.device(choose_device(gpu))
    targets = [
        target_of(load_template(name, options.voxel_mm, template_folders)) for name in options.templates
    ]
    network = _first_network(options).to(device)
    if folder.open({**options.record(), "templates_sha256": [target.sha256 for target in targets]}):
        report(f"the training in {folder.path} is finished: it is kept as it is")
        return _weights(options, folder)
    parts = _pairs(options, folder, targets, device, report)
    run = _Run(options=options, folder=folder, parts=parts, trainer=_trainer(options, network, parts, device))
    epochs = options.optimisation.epochs
    go_on(run.trainer, folder, epochs, lambda latest: run.epoch(latest, progress), _figures, report)
    trained = load_network(run.weights, options.network.method).to(device)
    counts = {name: len(part) for name, part in parts.items()}
    objective = run.trainer.trainer.objective
    write_card(
        registration_card(trained, options, objective, targets, counts, held_out(parts["test"]), run.weights),
        run.weights,
    )
    return run.weights


@attrs.frozen(kw_only=True)
class _Run:
    """The epochs of one training and what each leaves in the folder."""

    options: RegistrationOptions
    folder: TrainingFolder
    parts: Mapping[str, Pairs]
    """By :data:`~gliomorph.training.scans.PARTS`."""
    trainer: EpochTrainer

    @property
    def weights(self) -> Path:
        """Of the last epoch."""
        return _weights(self.options, self.folder)

    def epoch(self, latest: Mapping[str, float], progress: Progress) -> dict[str, float]:
        """One epoch, its validation, and what is kept of it; its row in the log."""
        trainer, start = self.trainer, time.monotonic()
        losses = self._passes.carry_out(trainer.epoch, latest, progress)
        found = trainer.validate(held_out(self.parts["validation"]))
        row = row_of(trainer.epoch, trainer.learning_rate, losses, found)
        write_weights(trainer.trainer.network, self.weights)
        if pictured(trainer.epoch, self.options.optimisation.epochs) or trainer.finished:
            self._picture()
        row["seconds"] = round(time.monotonic() - start, 2)
        self.folder.save(trainer.state(), row)
        return row

    @property
    def _passes(self) -> Passes[Pair]:
        examples = self.parts["train"]
        return Passes(
            count=len(examples),
            batch_size=self.options.batch_size,
            epochs=self.options.optimisation.epochs,
            seed=self.options.seed,
            batch=lambda group, epoch: together([examples.read(index, epoch) for index in group]),
            step=self.trainer.step,
        )

    def _picture(self) -> None:
        epoch, examples, shown = self.trainer.epoch, self.parts["validation"], []
        for index in range(min(PICTURED, len(examples))):
            pair = examples.read(index, 0).to(self.trainer.device)
            warped, warped_mask = warped_by(self.trainer.answer(pair), pair, self.trainer.trainer.objective)
            images = {
                "moving": pair.moving,
                "mask": pair.mask,
                "warped": warped,
                "warped_mask": warped_mask,
                "fixed": pair.fixed,
            }
            shown.append({name: image[0, 0].cpu().numpy() for name, image in images.items()})
        path = self.folder.path / "figures" / f"epoch-{epoch:04d}.png"
        draw_pairs(shown, f"validation, after epoch {epoch}", path)


def _figures(row: Mapping[str, float]) -> str:
    outside, folds = row["validation_outside"], row["validation_folds_percent"]
    return f"outside the tumour {outside:.3f} of before, folds {folds:.3g} %"


def _weights(options: RegistrationOptions, folder: TrainingFolder) -> Path:
    return folder.path / f"{options.method}.safetensors"


def _first_network(options: RegistrationOptions) -> RegistrationNetwork:
    """With the seed's first weights, or those of ``options.start``."""
    torch.manual_seed(options.seed)  # of what a training draws at random, too
    if options.start:
        return load_network(options.start, options.network.method)
    return build(options.network)


def _trainer(
    options: RegistrationOptions,
    network: RegistrationNetwork,
    parts: Mapping[str, Pairs],
    device: torch.device,
) -> EpochTrainer:
    steps = -(-len(parts["train"]) // options.batch_size)
    objective = objective_of(options.metamorphosis, parts["validation"].read(0, 0).to(device))
    return EpochTrainer(Trainer(network, objective, options.optimisation.over(steps)), steps)


def _pairs(
    options: RegistrationOptions,
    folder: TrainingFolder,
    targets: Sequence[Target],
    device: torch.device,
    report: Report,
) -> dict[str, Pairs]:
    if options.derivatives_dir is None:
        people = options.anatomies and [
            prepare_people(options.anatomies, target, folder.prepared, report) for target in targets
        ]
        return _simulated_pairs(options, targets, device, people or [])
    (target,) = targets
    files = prepare_pairs(options.derivatives_dir, target, folder.prepared, report)
    parts = {
        name: {subject: files[subject] for subject in subjects}
        for name, subjects in split(list(files), options.seed).items()
    }
    folder.keep_split(parts)
    return {
        name: PreparedPairs(files=tuple(path for paths in subjects.values() for path in paths), target=target)
        for name, subjects in parts.items()
    }


def _simulated_pairs(
    options: RegistrationOptions,
    targets: Sequence[Target],
    device: torch.device,
    people: Sequence[Mapping[str, Path]],
) -> dict[str, Pairs]:
    """Patients of the data engine on each template, and painted people in turn with them where there are any."""
    engines = [engine_on(target, str(device)) for target in targets]
    # no person is in two parts
    parts_of = split(list(people[0]), options.seed) if people else {}

    def pairs(part: int, count: int) -> Pairs:
        share = -(-count // (len(targets) * (2 if people else 1)))
        common = {"count": share, "seed": options.seed, "part": part}
        sources: list[Pairs] = [
            SimulatedPairs(engine=engine, target=target, **common)
            for engine, target in zip(engines, targets, strict=True)
        ]
        sources += [
            PeoplePairs(files=tuple(files[name] for name in parts_of[PARTS[part]]), target=target, **common)
            for files, target in zip(people, targets, strict=False)
        ]
        return InTurn(sources=tuple(sources), count=count)

    counts = (options.simulated, options.held_out, options.held_out)
    return {name: pairs(part, count) for part, (name, count) in enumerate(zip(PARTS, counts, strict=True))}
