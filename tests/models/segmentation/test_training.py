"""Steps, validation, schedules and state of a training, on a network of width 2."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from training_checks import same

from gliomorph.models.segmentation.distillation.methods import settings_of
from gliomorph.models.segmentation.distillation.objective import StudentObjective
from gliomorph.models.segmentation.metrics import REGIONS, measure_region
from gliomorph.models.segmentation.training import Batch, Optimisation, SegmentationTrainer
from gliomorph.models.unet import UNet


def batch_of(seed: int = 0, count: int = 1, side: int = 16) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 4, side, side, side, generator=generator)
    labels = (images[:, 1] * 1.5).round().long().clamp(0, 3)
    return Batch(images=images, labels=labels)


def trainer_of(
    method: str = "baseline", seed: int = 0, steps: int = 2, dice: float = 1.0, **settings: Any
) -> SegmentationTrainer:
    """The trainer of a student that reads the second channel."""
    torch.manual_seed(seed)
    student = UNet(modalities=1, width=2)
    teacher = UNet(modalities=4, width=2) if settings_of(method).needs_teacher else None
    objective = StudentObjective(attrs.evolve(settings_of(method), dice=dice), student, teacher)
    return SegmentationTrainer(objective, Optimisation(**settings), [1], steps)


class Sum(torch.nn.Module):
    """An objective at no cost: the sum of three weights, or the root of their squares, without gradient at 0."""

    def __init__(self, root: bool = False) -> None:
        super().__init__()
        self.weight, self.root = torch.nn.Parameter(torch.zeros(3)), root

    def forward(self, *_: torch.Tensor) -> dict[str, torch.Tensor]:
        loss = self.weight.square().sum().sqrt() if self.root else self.weight.sum()
        return {"total": loss, "ground_truth": loss, "scores": self.weight}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "'epochs' must be >= 1"),
        ({"learning_rate": 0.0}, "'learning_rate' must be > 0"),
        ({"learning_rate": math.nan}, "'learning_rate' must be > 0"),
        ({"learning_rate": math.inf}, "'learning_rate' must be <= 1"),
        ({"schedule": "linear"}, "'schedule' must be in"),
        ({"factor": 1.0}, "'factor' must be < 1"),
        ({"patience": -1}, "'patience' must be >= 0"),
        (
            {"learning_rate": 1e-9},
            "learning rate of at least 1e-08, below which a training ends, is required, got 1e-09",
        ),
    ],
)
def test_senseless_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Optimisation(**wrong)


def test_steps_fit_the_truth() -> None:
    trainer, batch = trainer_of(learning_rate=2e-2), batch_of(count=2)
    losses = [trainer.step(batch) for _ in range(20)]
    assert losses[0].keys() == {"total", "ground_truth"}
    assert losses[-1]["total"] < 0.95 * losses[0]["total"]


def test_the_student_reads_its_own_channels_alone() -> None:
    batch = batch_of()
    batch.images[:, [0, 2, 3]] = math.nan
    assert math.isfinite(trainer_of().step(batch)["total"])


@pytest.mark.parametrize(("limit", "cut"), [(1e-3, True), (1e3, False)])
def test_long_gradients_are_shortened(limit: float, cut: bool) -> None:
    trainer = trainer_of(gradient_norm=limit)
    trainer.step(batch_of())
    norm = torch.cat([p.grad.flatten() for p in trainer.objective.parameters() if p.grad is not None]).norm()
    assert float(norm) == pytest.approx(limit, rel=1e-3) if cut else 1e-3 < float(norm) < limit


@pytest.mark.parametrize(
    ("method", "channel"), [("baseline", 1), ("adversarial", 1), ("adversarial", 0)], ids=str
)
def test_loss_that_is_not_finite_changes_nothing_and_says_when(method: str, channel: int) -> None:
    """Channel 0 is the teacher's alone."""
    trainer, batch = trainer_of(method), batch_of()
    trainer.step(batch)
    trainer.end_epoch(1.0)
    before = trainer.state()
    batch.images[0, channel, 3, 3, 3] = math.inf
    with pytest.raises(FloatingPointError, match="epoch 2: the loss is not finite"):
        trainer.step(batch)
    assert same(trainer.state(), before)


def test_gradient_that_is_not_finite_changes_nothing() -> None:
    trainer = SegmentationTrainer(Sum(root=True), Optimisation(), [0], 1)  # type: ignore[arg-type]
    with pytest.raises(FloatingPointError, match="epoch 1: the gradient is not finite"):
        trainer.step(batch_of())
    assert not trainer.objective.weight.any()  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_validation_loss_that_is_not_finite_is_not_counted(loss: float) -> None:
    trainer = trainer_of()
    with pytest.raises(FloatingPointError, match="epoch 1: the validation loss is not finite"):
        trainer.end_epoch(loss)
    assert (trainer.epoch, trainer.best) == (0, math.inf)


@pytest.mark.parametrize("dice", [1.0, 0.0])
def test_validation_is_the_mean_over_examples_of_the_slow_figures(dice: float) -> None:
    trainer, batches = trainer_of(dice=dice), [batch_of(seed) for seed in (1, 2, 3)]
    trainer.step(batch_of())
    before = trainer.state()
    found = trainer.validate(batches)
    assert same(trainer.state(), before)
    for region, classes in REGIONS.items():
        dices = []
        for batch in batches:
            with torch.no_grad():
                predicted = trainer.objective.student(batch.images[:, [1]]).argmax(1)[0].numpy()
            masks = [np.isin(labels, classes) for labels in (predicted, batch.labels[0].numpy())]
            dices.append(measure_region(masks[0], masks[1], [1, 1, 1])["dice"])
        assert found[f"{region}_dice"] == pytest.approx(np.mean(dices), abs=1e-12)
    losses = [trainer.objective(b.images[:, [1]], None, b.labels)["ground_truth"].item() for b in batches]
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-6)  # float32


def test_nothing_where_nothing_is_counts_as_agreement() -> None:
    trainer = trainer_of()
    with torch.no_grad():
        trainer.objective.student.head.bias.copy_(torch.tensor([100.0, 0, 0, 0]))
    empty = Batch(images=batch_of().images, labels=torch.zeros(1, 16, 16, 16, dtype=torch.int64))
    assert trainer.validate([empty])["WT_dice"] == 1
    assert trainer.validate([batch_of()])["WT_dice"] == 0


def test_only_a_lower_loss_makes_an_epoch_the_best() -> None:
    trainer = trainer_of()
    assert [trainer.end_epoch(loss) for loss in (2.0, 2.5, 2.0, 1.5)] == [True, False, False, True]
    assert (trainer.epoch, trainer.best) == (4, 1.5)


def test_plateau_lowers_the_rate_after_patience() -> None:
    trainer = trainer_of(learning_rate=1e-2, patience=2)
    rates = []
    for loss in (3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0):
        trainer.end_epoch(loss)
        rates.append(trainer.learning_rate)
    assert rates == pytest.approx([1e-2] * 4 + [2e-3] * 4 + [4e-4])


@pytest.mark.parametrize(("rate", "factor"), [(1e-4, 0.2), (3.75e-5, 0.2), (1e-4, 0.5), (1e-2, 0.9)])
def test_plateau_ends_below_the_lowest_rate_whatever_the_factor(rate: float, factor: float) -> None:
    trainer = trainer_of(learning_rate=rate, factor=factor, patience=0)
    while not trainer.finished:
        trainer.end_epoch(1.0)
    decays = math.floor(math.log(1e-8 / rate) / math.log(factor)) + 1
    assert trainer.epoch == 1 + decays
    assert trainer.learning_rate < 1e-8


def test_training_ends_with_its_epochs() -> None:
    trainer = trainer_of(epochs=2)
    trainer.end_epoch(2.0)
    assert not trainer.finished
    trainer.end_epoch(1.0)
    assert trainer.finished


def test_cosine_rises_falls_to_nothing_and_never_stops_early() -> None:
    settings = Optimisation(schedule="cosine", epochs=25, learning_rate=1e-2)
    trainer = SegmentationTrainer(Sum(), settings, [0], 4)  # type: ignore[arg-type]
    batch, rates = batch_of(), []
    for _ in range(25):
        assert not trainer.finished
        for _ in range(4):
            rates.append(trainer.learning_rate)
            trainer.step(batch)
        trainer.end_epoch(1.0)
    warm = 2  # of 100 steps
    expected = [1e-2 * (n + 1) / warm for n in range(warm)]
    expected += [5e-3 * (1 + math.cos(math.pi * (n - warm) / (100 - warm))) for n in range(warm, 100)]
    assert rates == pytest.approx(expected)
    assert trainer.finished
    assert trainer.learning_rate == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
@pytest.mark.parametrize("method", ["baseline", "ct+kd", "adversarial"])
def test_a_resumed_training_is_the_same_bit_for_bit(method: str, schedule: str) -> None:
    settings = {"schedule": schedule, "learning_rate": 1e-2, "patience": 0, "epochs": 4}

    def go_on(trainer: SegmentationTrainer, epochs: range) -> list[dict[str, float]]:
        losses = []
        for epoch in epochs:
            losses += [trainer.step(batch_of(10 * epoch + step, count=2)) for step in range(2)]
            trainer.end_epoch(2.0)
        return losses

    trainer = trainer_of(method, **settings)
    go_on(trainer, range(2))
    file = io.BytesIO()
    torch.save(trainer.state(), file)
    file.seek(0)
    expected = go_on(trainer, range(2, 4))

    resumed = trainer_of(method, seed=0, **settings)
    resumed.resume(torch.load(file, weights_only=True))
    assert (resumed.epoch, resumed.best) == (2, 2.0)
    assert go_on(resumed, range(2, 4)) == expected
    assert same(resumed.state(), trainer.state())


def test_a_training_goes_on_in_half_precision_and_back() -> None:
    """As on a GPU after a CPU, whose state has no scale of the loss."""
    trainer = trainer_of()
    trainer.step(batch_of())
    plain = trainer.state()
    scaled = trainer_of()
    scaled.scaler = torch.amp.GradScaler("cpu")
    before = scaled.scaler.state_dict()
    scaled.resume(plain)
    assert before
    assert scaled.scaler.state_dict() == before
    assert same(scaled.state()["objective"], plain["objective"])
    later = scaled.state() | {"scaler": before | {"scale": 8.0}}
    scaled.resume(later)
    assert scaled.scaler.state_dict()["scale"] == 8
    trainer.resume(later)
    assert trainer.state()["scaler"] == {}


def test_a_state_stays_as_it_was_taken() -> None:
    trainer = trainer_of("adversarial")
    trainer.step(batch_of(count=2))
    state = trainer.state()
    before = copy.deepcopy(state)
    trainer.step(batch_of(count=2))
    assert same(state, before)
    assert not same(trainer.state(), before)
