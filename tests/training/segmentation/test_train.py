"""A training from start to model card: what it leaves, and what ends it."""

from __future__ import annotations

import copy
import csv
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
import trainings
from safetensors.torch import load_file
from training_checks import EPOCHS, Killed, card_of, no_epoch, stop_at, trained
from trainings import options_of, run

from gliomorph.interfaces.networks.segmentation import load_unet
from gliomorph.models.segmentation.training import Batch, Optimisation, SegmentationTrainer
from gliomorph.models.unet import SegmentationSettings
from gliomorph.training.folder import TrainingFolder
from gliomorph.training.scans import TrainingDataError
from gliomorph.training.segmentation.data import SimulatedExamples

pytest_plugins = ["training_fixtures"]
pytestmark = pytest.mark.usefixtures("quick")


# What it leaves


def test_everything_is_there(done: Path) -> None:
    names = {path.name for path in done.iterdir()} - {"split.json", "prepared"}
    expected = {"settings.json", "log.csv", "checkpoint.pt", "figures"}
    assert names == expected | {"student-T1w.safetensors", "student-T1w.json"}
    pictures = sorted(path.name for path in (done / "figures").iterdir())
    assert pictures == [f"epoch-{epoch:04d}.png" for epoch in range(1, EPOCHS + 1)]


def test_settings_are_those_of_the_training(source: dict[str, Any], done: Path) -> None:
    assert json.loads((done / "settings.json").read_text()) == source["options"].record()


def test_the_log_has_a_row_an_epoch(done: Path) -> None:
    with (done / "log.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    columns = ["epoch", "learning_rate", "train_total", "train_ground_truth", "validation_loss"]
    assert list(rows[0]) == [
        *columns,
        *(f"validation_{region}_dice" for region in ("ET", "TC", "WT")),
        "seconds",
    ]
    assert all(math.isfinite(float(value)) for row in rows for value in row.values())


def test_the_lowest_loss_and_the_settings_travel_along(done: Path, source: dict[str, Any]) -> None:
    losses = [float(row["validation_loss"]) for row in trainings.log_of(done)]
    state = TrainingFolder(done).load(torch.device("cpu"))
    assert state is not None
    assert state["best"] == min(losses)
    assert load_unet(trained(done))[1] == source["options"].network


def test_weights_are_of_the_best_epoch_when_later_ones_are_worse(
    training_bids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([3.0, 2.0, 4.0, 3.0])
    validate = SegmentationTrainer.validate
    files: list[bytes] = []

    def told(self: SegmentationTrainer, batches: Any) -> dict[str, float]:
        return validate(self, batches) | {"loss": next(found)}

    def keep(line: str) -> None:
        if line.startswith("epoch"):
            files.append(trained(tmp_path).read_bytes())

    monkeypatch.setattr(SegmentationTrainer, "validate", told)
    run(options_of(training_bids, epochs=4), tmp_path, report=keep)
    assert files[0] != files[1]
    assert files[1] == files[2] == files[3]


def test_the_card_says_what_the_network_is(done: Path, source: dict[str, Any]) -> None:
    card = card_of(done)
    assert card["task"].startswith("brain tumour segmentation")
    assert card["input"]["modalities"] == ["T1w"]
    assert card["weights"]["sha256"] == hashlib.sha256(trained(done).read_bytes()).hexdigest()
    options = source["options"]
    counts = (
        {"train": 5, "validation": 1, "test": 1}
        if options.bids_dir
        else {"train": 3, "validation": 2, "test": 2}
    )
    assert card["training_data"]["examples"] == counts
    assert set(card["metrics"]) >= {"WT_dice", "TC_dice", "ET_dice", "WT_hausdorff95"}


def test_the_split_is_written_down(training_bids: Path, tmp_path: Path) -> None:
    run(options_of(training_bids, epochs=1, fraction=0.5), tmp_path)
    parts = json.loads((tmp_path / "split.json").read_text())
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [2, 1, 1]
    for subjects in parts.values():
        for subject, files in subjects.items():
            assert [name.startswith(f"sub-{subject}-") for name in files] == [True]


def test_progress_runs_over_the_whole_training_and_knows_the_last_validation(
    training_bids: Path, tmp_path: Path
) -> None:
    calls: list[tuple[int, int, dict[str, float]]] = []
    with pytest.raises(Killed):
        run(
            options_of(training_bids),
            tmp_path,
            progress=lambda *call: calls.append(call),
            report=stop_at("epoch 2/"),
        )
    run(options_of(training_bids), tmp_path, progress=lambda *call: calls.append(call))
    assert [(done, total) for done, total, _ in calls] == [(step, 9) for step in range(1, 10)]
    assert [figures["epoch"] for *_, figures in calls] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert "validation_WT_dice" not in calls[2][2]
    rows = trainings.log_of(tmp_path)
    assert calls[3][2]["validation_loss"] == float(rows[0]["validation_loss"])
    assert calls[8][2]["validation_loss"] == float(rows[1]["validation_loss"])  # after it was resumed, too
    assert sum(figures["total"] for *_, figures in calls[:3]) > 0


def test_every_epoch_is_told_in_a_line(training_bids: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    run(options_of(training_bids, epochs=2), tmp_path, report=lines.append)
    told = [line for line in lines if line.startswith("epoch")]
    assert len(told) == 2
    row = trainings.log_of(tmp_path)[1]
    assert told[1].startswith(
        f"epoch 2/2: loss {float(row['train_total']):.4f}, validation {float(row['validation_loss']):.4f}, Dice ET "
    )


def test_a_network_learns(training_bids: Path, tmp_path: Path) -> None:
    """On heads that it was not trained on, too."""
    network = SegmentationSettings(modalities=("T1w",), width=4, voxel_mm=4.0)
    optimisation = Optimisation(epochs=8, learning_rate=3e-2)
    run(options_of(training_bids, network=network, optimisation=optimisation), tmp_path)
    losses = [float(row["validation_loss"]) for row in trainings.log_of(tmp_path)]
    assert min(losses) < 0.9 * losses[0]


def test_simulated_patients_of_the_training_are_those_of_the_seed(template_home: Path) -> None:
    engine = trainings.engine_from(template_home)
    first = SimulatedExamples(engine=engine, count=1, seed=0, part=0).read(0, 0)
    other = SimulatedExamples(engine=engine, count=1, seed=1, part=0).read(0, 0)
    assert not torch.equal(first[0], other[0])


# Stops


def test_a_plateau_ends_the_training_early(
    training_bids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate = SegmentationTrainer.validate
    monkeypatch.setattr(SegmentationTrainer, "validate", lambda *args: validate(*args) | {"loss": 1.0})
    optimisation = Optimisation(epochs=50, learning_rate=1e-4, lowest_rate=1e-5, patience=0)
    run(options_of(training_bids, optimisation=optimisation), tmp_path)
    rates = [float(row["learning_rate"]) for row in trainings.log_of(tmp_path)]
    assert rates == pytest.approx([1e-4, 1e-4, 2e-5])
    assert (tmp_path / "figures" / "epoch-0003.png").exists()


@pytest.mark.parametrize(("schedule", "last"), [("cosine", 3), ("plateau", 1)])
def test_cosine_trains_all_epochs_and_keeps_the_last_network_plateau_the_best(
    schedule: Any, last: int, training_bids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse, states = iter((1.0, 2.0, 3.0)), {}
    validate = SegmentationTrainer.validate

    def rising(trainer: SegmentationTrainer, batches: Any) -> dict[str, float]:
        states[trainer.epoch + 1] = copy.deepcopy(trainer.objective.student.state_dict())
        return validate(trainer, batches) | {"loss": next(worse)}

    monkeypatch.setattr(SegmentationTrainer, "validate", rising)
    weights = run(options_of(training_bids, optimisation=Optimisation(epochs=3, schedule=schedule)), tmp_path)
    assert len(trainings.log_of(tmp_path)) == 3
    stored = load_unet(weights)[0].state_dict()
    assert all(torch.equal(stored[name], tensor) for name, tensor in states[last].items())


def test_a_loss_that_is_not_finite_keeps_the_epoch_before(
    training_bids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = SegmentationTrainer.step

    def spoilt(self: SegmentationTrainer, batch: Batch) -> dict[str, float]:
        factor = math.nan if self.epoch == 1 else 1.0
        return step(self, Batch(images=batch.images * factor, labels=batch.labels))

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationTrainer, "step", spoilt)
        with pytest.raises(FloatingPointError, match="epoch 2: the loss is not finite"):
            run(options_of(training_bids, epochs=2), tmp_path)
    assert len(trainings.log_of(tmp_path)) == 1
    assert all(torch.isfinite(tensor).all() for tensor in load_file(trained(tmp_path)).values())
    run(options_of(training_bids, epochs=2), tmp_path)
    assert len(trainings.log_of(tmp_path)) == 2


@pytest.mark.parametrize(
    ("count", "message"), [(2, r"at least 3 subjects .*, got 2 \(01, 02\)"), (3, "no FLAIR image")]
)
def test_a_dataset_that_cannot_be_trained_on_is_refused_before_any_epoch(
    count: int, message: str, tmp_path: Path
) -> None:
    bids = trainings.write_dataset(tmp_path / "bids", [f"{number:02d}" for number in range(1, count + 1)])
    modality = ("T1w",) if count == 2 else ("FLAIR",)
    trainings.modality_path(bids, "02", "FLAIR").unlink()
    options = options_of(bids, network=attrs.evolve(trainings.STUDENT, modalities=modality))
    with pytest.raises(TrainingDataError, match=message):
        run(options, tmp_path / "out", progress=no_epoch)
    assert not (tmp_path / "out" / "log.csv").exists()


def test_an_engine_of_other_patients_is_refused(template_home: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="makes T1w at 4 mm is required, got FLAIR at 4 mm"):
        run(options_of(), tmp_path, engine=trainings.engine_from(template_home, ["FLAIR"]), progress=no_epoch)
    with pytest.raises(TrainingDataError, match="makes T1w at 4 mm is required, got none"):
        run(options_of(), tmp_path, progress=no_epoch)
