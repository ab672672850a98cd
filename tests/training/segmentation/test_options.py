"""Options of a training that contradict each other, and what is recorded of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import trainings

from gliomorph import __version__
from gliomorph.models.regions import MODALITIES
from gliomorph.models.segmentation.training import Optimisation
from gliomorph.training.segmentation.options import TrainingOptions

SEEN = Path("bids")
FILE = Path("weights.safetensors")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"role": "pupil"}, "'role' must be in"),
        ({"role": "teacher"}, "a teacher that reads 4 of T1w, T1ce, T2w, FLAIR is required, got T1w"),
        (
            {"network": trainings.TEACHER},
            "a student that reads 1 of .* is required, got T1w, T1ce, T2w, FLAIR",
        ),
        ({"method": "kd-net"}, "'method' must be in"),
        ({"method": "kl+kd"}, r"--method kl\+kd: its teacher is required, give --teacher FILE"),
        ({"teacher": FILE}, "--teacher weights.safetensors: a --method of distillation is required with it"),
        (
            {"role": "teacher", "network": trainings.TEACHER, "method": "kl", "teacher": FILE},
            "a teacher is trained without --method and --teacher",
        ),
        (
            {"method": "shared-decoder-no-skips", "teacher": FILE},
            "method shared-decoder-no-skips: a network without skip-connections is required",
        ),
        (
            {
                "method": "shared-decoder",
                "teacher": FILE,
                "network": attrs.evolve(trainings.STUDENT, skips=False),
            },
            "method shared-decoder: a network with skip-connections is required",
        ),
        ({"simulated": 0}, "either a dataset or simulated patients are required"),
        ({"bids_dir": SEEN}, "either a dataset or simulated patients are required"),
        (
            {"simulated": 0, "bids_dir": SEEN, "box": None},
            "sides of a training example are required for a dataset",
        ),
        ({"box": (16, 16)}, "three sides of at least 16 voxels, divisible by 8, are required, got 16 16"),
        ({"box": (16, 20, 16)}, "divisible by 8, are required, got 16 20 16"),
        ({"box": (16, 16, 8)}, "at least 16 voxels, divisible by 8, are required, got 16 16 8"),
        ({"fraction": 0.3}, "'fraction' must be in"),
        ({"batch_size": 0}, "'batch_size' must be >= 1"),
        (
            {"method": "ct+kd", "teacher": FILE, "batch_size": 1},
            r"--method ct\+kd tells .* apart: a --batch-size of at least 2 is required, got 1",
        ),
        ({"held_out": 0}, "'held_out' must be >= 1"),
        ({"seed": -1}, "'seed' must be >= 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trainings.options_of(**changed)


def test_simulated_patients_may_be_whole_heads() -> None:
    assert trainings.options_of(box=None).box is None


def test_one_example_a_step_will_do_where_none_are_compared() -> None:
    assert trainings.options_of(method="kl+kd", teacher=FILE, batch_size=1).batch_size == 1


def test_a_teachers_channels_are_read_with_its_student() -> None:
    assert trainings.options_of().channels == ("T1w",)
    assert trainings.options_of(method="kl", teacher=FILE).channels == MODALITIES


def test_the_record_holds_every_option_and_the_weights_that_are_read(tmp_path: Path) -> None:
    teacher = trainings.write_network(tmp_path / "teacher.safetensors")
    options = trainings.options_of(tmp_path, method="kl", teacher=teacher)
    record = json.loads(json.dumps(options.record()))
    assert {field.name for field in attrs.fields(TrainingOptions)} < record.keys()
    assert {field.name for field in attrs.fields(Optimisation)} == record["optimisation"].keys()
    assert record["teacher_sha256"] == hashlib.sha256(teacher.read_bytes()).hexdigest()
    assert record["derivatives"] == {"masks": str(trainings.masks_of(tmp_path))}
    assert record["version"] == __version__
    assert "start_sha256" not in record


def test_equal_networks_make_equal_files(tmp_path: Path) -> None:
    files = [trainings.write_network(tmp_path / f"{n}.safetensors") for n in range(8)]
    assert len({path.read_bytes() for path in files}) == 1


def test_what_is_public_names_files_but_not_where_they_lie(tmp_path: Path) -> None:
    folders = {"brats": tmp_path / "labels"}
    options = trainings.options_of(
        simulated=0, bids_dir=tmp_path / "cohort", derivatives=folders, box=(16, 16, 16)
    )
    record, public = options.record(), options.public_record()
    assert str(tmp_path) in json.dumps(record)
    assert str(tmp_path) not in json.dumps(public)
    assert (public["bids_dir"], public["derivatives"]) == ("cohort", {"brats": "labels"})
    assert {**record, "bids_dir": 0, "derivatives": 0} == {**public, "bids_dir": 0, "derivatives": 0}
