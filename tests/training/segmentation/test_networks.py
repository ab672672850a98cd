"""Which network is trained, and which teachers and first weights fit it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
import trainings

from gliomorph.interfaces.networks.files import WeightsError
from gliomorph.interfaces.networks.segmentation import load_unet
from gliomorph.models.regions import MODALITIES
from gliomorph.models.segmentation.distillation.objective import StudentObjective
from gliomorph.models.unet import UNet
from gliomorph.training.segmentation.networks import objective_of

STUDENT, TEACHER = trainings.STUDENT, trainings.TEACHER
CPU = torch.device("cpu")


def made(**changed: Any) -> tuple[StudentObjective, UNet]:
    return objective_of(trainings.options_of(**changed), CPU)


def equal(one: UNet, other: UNet) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(first, second) for first, second in pairs)


def test_the_seed_determines_the_first_weights() -> None:
    torch.manual_seed(5)  # whatever happened before
    first = made(seed=3)[1]
    assert equal(first, made(seed=3)[1])
    assert not equal(first, made(seed=4)[1])


def test_what_is_trained_is_the_network_in_the_objective() -> None:
    objective, network = made()
    assert objective.student is network
    assert not hasattr(objective, "teacher")


def test_dice_has_the_weight_of_the_options() -> None:
    assert made()[0].settings.dice == 1
    assert made(dice_weight=0.25)[0].settings.dice == 0.25


@pytest.mark.parametrize("trained_for", [{}, {"voxel_mm": 2.0}, {"modalities": ("FLAIR",)}])
def test_fine_tuning_begins_with_the_file(trained_for: dict[str, Any], tmp_path: Path) -> None:
    """Also with one for another voxel size or modality."""
    settings = attrs.evolve(STUDENT, **trained_for)
    start = trainings.write_network(tmp_path / "start.safetensors", settings)
    assert equal(made(start=(start,))[1], load_unet(start)[0])


def test_several_networks_begin_with_the_mean_of_their_weights(tmp_path: Path) -> None:
    paths = [trainings.write_network(tmp_path / f"{n}.safetensors", STUDENT, seed=n) for n in range(3)]
    states = [load_unet(path)[0].state_dict() for path in paths]
    for name, value in made(start=tuple(paths))[1].state_dict().items():
        torch.testing.assert_close(value, (states[0][name] + states[1][name] + states[2][name]) / 3)


@pytest.mark.parametrize(
    ("unlike", "message"),
    [
        (
            {"width": 3},
            "reads T1w at 4 mm with width 2, with skip.* is required, it reads T1w at 4 mm with width 3",
        ),
        ({"modalities": MODALITIES}, "that reads T1w at .* is required, it reads T1w, T1ce, T2w, FLAIR at"),
        ({"skips": False}, "with skip-connections is required, it reads .*, without skip-connections"),
    ],
)
def test_fine_tuning_takes_a_network_of_the_same_kind_only(
    unlike: dict[str, Any], message: str, tmp_path: Path
) -> None:
    start = trainings.write_network(tmp_path / "start.safetensors", attrs.evolve(STUDENT, **unlike))
    with pytest.raises(WeightsError, match=f"start.safetensors: to begin with it .* {message}"):
        made(start=(start,))


@pytest.mark.parametrize("skips", [True, False])
def test_a_teacher_is_frozen_and_its_own(skips: bool, tmp_path: Path) -> None:
    settings = attrs.evolve(TEACHER, skips=skips)
    teacher = trainings.write_network(tmp_path / "teacher.safetensors", settings)
    objective, student = made(method="kl", teacher=teacher)
    assert equal(objective.teacher.network, load_unet(teacher)[0])
    assert not any(p.requires_grad for p in objective.teacher.network.parameters())
    assert all(p.requires_grad for p in student.parameters())


@pytest.mark.parametrize(
    ("unlike", "message"),
    [
        ({"width": 3}, "a teacher that reads .* with width 2, .* is required, it reads .* with width 3"),
        ({"voxel_mm": 2.0}, "a teacher that reads .* at 4 mm .* is required, it reads .* at 2 mm"),
        (
            {"modalities": ("T1w",)},
            "a teacher that reads T1w, T1ce, T2w, FLAIR at .* is required, it reads T1w at",
        ),
    ],
)
def test_a_wrong_teacher_is_refused(unlike: dict[str, Any], message: str, tmp_path: Path) -> None:
    teacher = trainings.write_network(tmp_path / "teacher.safetensors", attrs.evolve(TEACHER, **unlike))
    with pytest.raises(WeightsError, match=f"teacher.safetensors: {message}"):
        made(method="kl", teacher=teacher)


def test_a_file_that_holds_no_teacher_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    path.write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match=r"teacher\.safetensors: not a safetensors file"):
        made(method="kl", teacher=path)


@pytest.mark.parametrize(("method", "skips"), [("shared-decoder", True), ("shared-decoder-no-skips", False)])
def test_a_shared_decoder_is_the_teachers_and_frozen(method: str, skips: bool, tmp_path: Path) -> None:
    settings = attrs.evolve(TEACHER, skips=skips)
    teacher = trainings.write_network(tmp_path / "teacher.safetensors", settings)
    network = attrs.evolve(STUDENT, skips=skips)
    objective, student = made(method=method, teacher=teacher, network=network)
    assert student.up is objective.teacher.network.up
    trained = {name.split(".")[0] for name, p in student.named_parameters() if p.requires_grad}
    assert trained == {"down", "bottleneck"}


@pytest.mark.parametrize(("method", "skips"), [("shared-decoder", True), ("shared-decoder-no-skips", False)])
def test_a_decoder_is_shared_with_a_teacher_of_the_same_kind_only(
    method: str, skips: bool, tmp_path: Path
) -> None:
    settings = attrs.evolve(TEACHER, skips=not skips)
    teacher = trainings.write_network(tmp_path / "teacher.safetensors", settings)
    words = ("with", "without") if skips else ("without", "with")
    message = f"{words[0]} skip-connections is required, it reads .*, {words[1]} skip-connections"
    with pytest.raises(WeightsError, match=message):
        made(method=method, teacher=teacher, network=attrs.evolve(STUDENT, skips=skips))
