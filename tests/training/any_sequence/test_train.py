"""A training for any subset from start to model card: what it leaves, what it holds out, and that it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
import trainings
from subset_trainings import NETWORK, options_of
from training_checks import Killed, stop_at

from gliomorph.interfaces.networks.files import WeightsError
from gliomorph.interfaces.networks.segmentation import load_unet
from gliomorph.models.segmentation.training import Optimisation
from gliomorph.training.any_sequence.options import SubsetOptions
from gliomorph.training.any_sequence.train import train_any
from gliomorph.training.folder import TrainingFolder


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> SubsetOptions:
    root = tmp_path_factory.mktemp("any")
    bids = trainings.write_dataset(root / "bids", ["01", "02", "03"])
    persons = root / "persons.tsv"
    persons.write_text("participant_id\tperson_id\nsub-01\tone\nsub-02\tone\n")
    return options_of(
        network=attrs.evolve(NETWORK, voxel_mm=8.0),
        optimisation=Optimisation(epochs=2, learning_rate=1e-2, schedule="cosine", averaging=0.5),
        bids_dirs=(bids,),
        derivatives={"masks": trainings.masks_of(bids)},
        persons=persons,
        start=trainings.write_network(root / "T1w.safetensors", trainings.STUDENT),
        folds=2,
        fold=0,
        passes=1,
    )


def run(options: SubsetOptions, folder: Path, **arguments: Any) -> Path:
    return train_any(options, TrainingFolder(folder), gpu="none", report=lambda line: None, **arguments)


@pytest.fixture(scope="module")
def done(options: SubsetOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("done") / "out"
    run(options, folder)
    return folder


def test_everything_is_there(done: Path) -> None:
    names = {path.name for path in done.iterdir()}
    assert names == {
        "any.safetensors", "any.json", "settings.json", "log.csv", "checkpoint.pt", "split.json", "prepared",
    }  # fmt: skip


def test_a_person_is_on_one_side_under_all_names(done: Path) -> None:
    parts = json.loads((done / "split.json").read_text())
    sides = [sorted(subjects) for subjects in parts.values()]
    assert sorted(sides) == [["01", "02"], ["03"]]


def test_the_card_has_figures_for_each_sequence_alone_and_for_all(done: Path) -> None:
    card = json.loads((done / "any.json").read_text())
    assert list(card["metrics"]) == ["T1w", "T1ce", "T2w", "FLAIR", "all"]
    assert {"WT_dice", "TC_dice", "ET_dice"} <= card["metrics"]["all"].keys()


def test_a_training_that_was_killed_ends_as_one_that_was_not(
    options: SubsetOptions, done: Path, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        train_any(options, TrainingFolder(tmp_path), done / "prepared", "none", stop_at("epoch 1"))
    run(options, tmp_path, prepared=done / "prepared")
    for name in ("any.safetensors", "any.json"):
        assert (tmp_path / name).read_bytes() == (done / name).read_bytes()


def test_a_students_first_layer_reads_every_channel(
    options: SubsetOptions, tmp_path: Path, done: Path
) -> None:
    still = attrs.evolve(
        options, optimisation=Optimisation(epochs=1, learning_rate=1e-12, schedule="cosine", lowest_rate=0)
    )
    network, _ = load_unet(run(still, tmp_path, prepared=done / "prepared"))
    assert options.start
    student, _ = load_unet(options.start)
    first = network.state_dict()["down.0.0.0.weight"]
    assert first.shape[1] == 4
    assert torch.allclose(first, student.state_dict()["down.0.0.0.weight"].expand_as(first), atol=1e-6)


def test_another_width_cannot_be_begun_with(options: SubsetOptions, tmp_path: Path) -> None:
    wider = attrs.evolve(options, network=attrs.evolve(options.network, width=4))
    with pytest.raises(WeightsError, match=r"T1w.safetensors: to begin with it a network of width 4"):
        run(wider, tmp_path)
