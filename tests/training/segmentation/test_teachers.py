"""Trainings that begin with other networks: a teacher's, or one that is trained further."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
import trainings
from safetensors.torch import load_file
from training_checks import Killed, card_of, same, stop_at
from trainings import kept, options_of, run

from gliomorph.interfaces.networks.files import WeightsError
from gliomorph.interfaces.networks.segmentation import load_unet
from gliomorph.models.regions import MODALITIES
from gliomorph.models.segmentation.training import Optimisation
from gliomorph.models.unet import SegmentationSettings
from gliomorph.training.segmentation.options import TrainingOptions

pytest_plugins = ["training_fixtures"]
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def teachers(training_bids: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Weights of a random teacher, and of a trained one without skip-connections."""
    folder = tmp_path_factory.mktemp("teachers")
    network = attrs.evolve(trainings.TEACHER, skips=False)
    trained_teacher = run(
        options_of(training_bids, epochs=1, role="teacher", network=network), folder / "out"
    )
    return {True: trainings.write_network(folder / "teacher.safetensors"), False: trained_teacher}


def taught(
    training_bids: Path, method: str, teacher: Path, skips: bool = True, **changed: Any
) -> TrainingOptions:
    network = SegmentationSettings(modalities=("T2w",), width=2, voxel_mm=4.0, skips=skips)
    return options_of(
        training_bids, network=network, method=method, teacher=teacher, **{"epochs": 1, **changed}
    )


def test_a_teacher_reads_all_modalities(teachers: dict[bool, Path]) -> None:
    assert teachers[False].name == "teacher-T1w-T1ce-T2w-FLAIR.safetensors"
    network, settings = load_unet(teachers[False])
    assert settings.modalities == MODALITIES
    assert not settings.skips
    assert not network.skips
    card = json.loads(teachers[False].with_suffix(".json").read_text())
    assert (card["role"], card["input"]["modalities"]) == ("teacher", list(MODALITIES))
    assert "no skip-connections" in card["architecture"]


@pytest.mark.parametrize(("method", "terms"), [("kl+kd", ["kd", "kl"]), ("adversarial", ["adversarial"])])
def test_a_student_learns_from_a_teacher(
    method: str, terms: list[str], training_bids: Path, teachers: dict[bool, Path], tmp_path: Path
) -> None:
    weights = run(taught(training_bids, method, teachers[True]), tmp_path)
    assert weights.name == "student-T2w.safetensors"
    assert load_unet(weights)[0].down[0][0][0].in_channels == 1
    row = trainings.log_of(tmp_path)[0]
    assert {f"train_{term}" for term in terms} <= row.keys()
    card = card_of(tmp_path)
    assert card["settings"]["teacher_sha256"] == hashlib.sha256(teachers[True].read_bytes()).hexdigest()
    assert card["training_data"]["modalities"] == list(MODALITIES)
    assert card["input"]["modalities"] == ["T2w"]


@pytest.mark.parametrize(("method", "skips"), [("shared-decoder", True), ("shared-decoder-no-skips", False)])
def test_a_shared_decoder_stays_as_the_teacher_left_it_and_travels_with_the_student(
    method: str, skips: bool, training_bids: Path, teachers: dict[bool, Path], tmp_path: Path
) -> None:
    student = load_file(run(taught(training_bids, method, teachers[skips], skips), tmp_path))
    teacher = load_file(teachers[skips])
    decoder = [name for name in student if name.startswith(("up", "head"))]
    assert decoder
    assert all(torch.equal(student[name], teacher[name]) for name in decoder)
    assert not torch.equal(student["bottleneck.0.0.weight"], teacher["bottleneck.0.0.weight"])


def test_distillation_that_was_killed_goes_on_to_the_same_end(
    training_bids: Path, teachers: dict[bool, Path], tmp_path: Path
) -> None:
    """With the state of the discriminator."""
    options = taught(training_bids, "adversarial", teachers[True], epochs=2)
    run(options, tmp_path / "whole")
    with pytest.raises(Killed):
        run(options, tmp_path / "parts", report=stop_at("epoch 1/"))
    run(options, tmp_path / "parts")
    assert same(kept(tmp_path / "parts"), kept(tmp_path / "whole"))


def test_a_wrong_teacher_is_refused_before_a_folder_is_made(
    training_bids: Path, teachers: dict[bool, Path], tmp_path: Path
) -> None:
    with pytest.raises(
        WeightsError, match=r"without skip-connections is required, it reads .* with skip-connections"
    ):
        run(taught(training_bids, "shared-decoder-no-skips", teachers[True], skips=False), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_fine_tuning_begins_where_the_other_training_ended(training_bids: Path, tmp_path: Path) -> None:
    """At a rate at which nothing moves."""
    start = trainings.write_network(tmp_path / "start.safetensors", trainings.STUDENT)
    optimisation = Optimisation(epochs=1, learning_rate=1e-8)
    weights = run(options_of(training_bids, start=(start,), optimisation=optimisation), tmp_path / "out")
    before, after = load_file(start), load_file(weights)
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=1e-6)  # three steps of 1e-8, float32
