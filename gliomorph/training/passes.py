"""The course of any training: passes in a seeded order, epochs that are kept, lines for the reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

import attrs
import numpy as np
import torch

from .folder import TrainingFolder
from .scans import example_seed

PICTURED = 3
"""Validation examples in a picture."""
PICTURES = 20
"""At most, over a training."""

Report = Callable[[str], None]
Progress = Callable[[int, int, Mapping[str, float]], None]
Batch = TypeVar("Batch")


class Resumable(Protocol):
    """What counts its epochs and can be kept after each."""

    @property
    def epoch(self) -> int:
        """Epochs done."""
        ...

    @property
    def finished(self) -> bool:
        """Whether no epoch is left."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def state(self) -> dict[str, Any]:
        """All that :meth:`resume` needs, with its ``epoch``."""
        ...

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        ...


def go_on(
    trainer: Resumable,
    folder: TrainingFolder,
    epochs: int,
    one_epoch: Callable[[Mapping[str, float]], dict[str, float]],
    figures: Callable[[Mapping[str, float]], str],
    report: Report,
) -> None:
    """All epochs of a training that are not done yet.

    Parameters
    ----------
    trainer : Resumable
    folder : TrainingFolder
        Opened; where it holds a state, the trainer goes on from there.
    epochs : int
        At most.
    one_epoch : callable
        Carries out the trainer's next epoch and keeps it in the folder; from the last row of the log (empty before
        the first one) to the new one.
    figures : callable
        Words for what is worth knowing of a row beside its losses.
    report : callable
        Gets a line an epoch.
    """
    latest: Mapping[str, float] = {}
    if state := folder.load(trainer.device):
        trainer.resume(state)
        latest = folder.latest(trainer.epoch)
        report(f"resumed after epoch {trainer.epoch}")
    else:
        # weights are written before the epoch's state: those of a first epoch are not without one, either
        folder.keep(trainer.state())
    first, start = trainer.epoch, time.monotonic()
    while not trainer.finished:
        latest = one_epoch(latest)
        left = (time.monotonic() - start) / (trainer.epoch - first) * (epochs - trainer.epoch)
        report(_line(latest, epochs, left, figures(latest)))


@attrs.frozen(kw_only=True)
class Passes(Generic[Batch]):
    """Passes over the training examples, each in an order of its own."""

    count: int
    """Examples."""
    batch_size: int
    epochs: int
    """At most."""
    seed: int
    """Seed of the orders."""
    batch: Callable[[Sequence[int], int], Batch]
    """Makes a batch from the indices of its examples and the epoch; the next one is made while the last is used."""
    step: Callable[[Batch], Mapping[str, float]]
    """Trains on a batch; gives its mean losses, one of which is ``total``."""

    @property
    def steps(self) -> int:
        """Number of steps in one pass."""
        return -(-self.count // self.batch_size)

    def carry_out(self, epoch: int, latest: Mapping[str, float], progress: Progress) -> dict[str, float]:
        """One pass.

        Parameters
        ----------
        epoch : int
            Epochs done before.
        latest : mapping of str to float
            The log's last row.
        progress : callable
            Gets steps done and in all, of the whole training, and figures: the ``epoch`` (from 1), the losses of the
            last step, what the last validation found (``validation_…``).

        Returns
        -------
        losses : dict
            Means over the examples.
        """
        order = np.random.default_rng(example_seed(self.seed, epoch)).permutation(self.count).tolist()
        groups = [order[i : i + self.batch_size] for i in range(0, self.count, self.batch_size)]
        known = {name: value for name, value in latest.items() if name.startswith("validation_")}
        before, total = epoch * self.steps, self.epochs * self.steps
        sums: dict[str, float] = {}
        for number, (group, batch) in enumerate(
            zip(groups, self._ahead(groups, epoch), strict=True), start=1
        ):
            losses = self.step(batch)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value * len(group)
            progress(before + number, total, {"epoch": epoch + 1, **losses, **known})
        return {name: value / self.count for name, value in sums.items()}

    def _ahead(self, groups: Sequence[Sequence[int]], epoch: int) -> Iterator[Batch]:
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self.batch, groups[0], epoch)
            for following in [*groups[1:], None]:
                ready = coming.result()
                if following is not None:
                    coming = pool.submit(self.batch, following, epoch)
                yield ready


def pictured(epoch: int, epochs: int) -> bool:
    """Whether a picture is drawn after that many of the epochs."""
    return epoch % max(1, epochs // PICTURES) == 0


def row_of(
    epoch: int, learning_rate: float, losses: Mapping[str, float], found: Mapping[str, float]
) -> dict[str, float]:
    """The log's row of an epoch: its number, losses in training, and what its validation found."""
    row: dict[str, float] = {"epoch": epoch, "learning_rate": learning_rate}
    row |= {f"train_{name}": value for name, value in losses.items()}
    return row | {f"validation_{name}": value for name, value in found.items()}


def _line(row: Mapping[str, float], epochs: int, seconds_left: float, figures: str) -> str:
    left = f", {_duration(seconds_left)} left at most" if seconds_left else ""
    return (
        f"epoch {row['epoch']:.0f}/{epochs}: loss {row['train_total']:.4f}, validation "
        f"{row['validation_loss']:.4f}, {figures} ({_duration(row['seconds'])}{left})"
    )


def _duration(seconds: float) -> str:
    """In words, with two figures: ``41 s``, ``3.5 min``, ``2.1 h``."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}" if seconds < 10 * unit else f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
