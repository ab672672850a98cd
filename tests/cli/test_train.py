"""The command line of gliomorph-train."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import torch
import trainings
from command_lines import help_of, one_line

from gliomorph.cli import train as cli_train
from gliomorph.interfaces.networks.segmentation import load_unet
from gliomorph.models.regions import MODALITIES
from gliomorph.models.segmentation.distillation.methods import METHODS
from gliomorph.models.unet import SegmentationSettings
from gliomorph.training.segmentation import train as train_segmentation
from gliomorph.training.segmentation.options import TrainingOptions

SMALL = ["--voxel-size", "4", "--width", "2", "--box", "16", "16", "16", "--epochs", "1", "--gpu", "none"]
OWN_ML = 1882.9
"""Volume of the brains that the engine makes if no other size is asked for."""


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    return trainings.write_dataset(tmp_path / "bids", ["01", "02", "03"])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command would train; nothing is computed."""
    calls: list[dict[str, Any]] = []

    def record(options: TrainingOptions, folder: Any, **arguments: Any) -> Path:
        calls.append({"options": options, "folder": folder, **arguments})
        return Path(folder.path) / "student.safetensors"

    monkeypatch.setattr(train_segmentation, "train", record)
    monkeypatch.setattr(
        cli_train, "_engine", lambda args, options, ml: SimpleNamespace(brain_ml=ml or OWN_ML)
    )
    return calls


def data_of(bids: Path) -> list[str]:
    return ["--bids", str(bids), "-d", f"masks={trainings.masks_of(bids)}"]


def test_help_lists_all_networks() -> None:
    text = help_of()
    for role in ("teacher", "student", "any", "metamorph-r", "metamorph-g", "voxelmorph"):
        assert f" {role} " in text
    assert "--bids" not in text


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_help_reads_well_and_does_not_wait_for_torch(role: str) -> None:
    text = help_of(role)
    for word in ("--no-skips", "--start FILE", "examples:", *METHODS):
        assert word in text
    assert "--lambda" not in text


def test_options_of_a_dataset_reach_the_training(
    asked: list[dict[str, Any]], bids: Path, tmp_path: Path
) -> None:
    arguments = ["--modality", "FLAIR", "--voxel-size", "2", "--width", "8", "--epochs", "7", "--batch-size", "3",
                 "--learning-rate", "0.01", "--schedule", "cosine", "--single-precision", "--seed", "5",
                 "--train-fraction", "0.5", "--gpu", "none"]  # fmt: skip
    assert cli_train.main(["student", str(tmp_path / "out"), *data_of(bids), *arguments]) == 0
    options = asked[0]["options"]
    assert options.role == "student"
    assert options.network == SegmentationSettings(modalities=("FLAIR",), width=8, voxel_mm=2.0)
    optimisation = options.optimisation
    assert (optimisation.epochs, optimisation.learning_rate, optimisation.schedule) == (7, 0.01, "cosine")
    assert not optimisation.mixed_precision
    assert (options.bids_dir, options.derivatives) == (bids, {"masks": trainings.masks_of(bids)})
    assert (options.batch_size, options.seed, options.fraction, options.simulated) == (3, 5, 0.5, 0)
    assert options.box == (96, 96, 72)  # 192 x 192 x 144 mm
    assert asked[0]["folder"].path == tmp_path / "out"
    assert (asked[0]["gpu"], asked[0]["engine"]) == ("none", None)


def test_options_of_simulated_patients_reach_the_training(
    asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    arguments = ["--simulated", "20", "--held-out", "5", "--template", "SRI24"]
    assert cli_train.main(["teacher", str(tmp_path / "out"), *arguments]) == 0
    options = asked[0]["options"]
    assert (options.simulated, options.held_out, options.template, options.box) == (20, 5, "SRI24", None)
    assert options.network.modalities == MODALITIES
    assert asked[0]["engine"].brain_ml == OWN_ML
    assert asked[0]["options"].network.brain_ml == 1883


def test_simulated_brains_have_the_size_that_the_first_weights_know(
    asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    settings = attrs.evolve(trainings.STUDENT, brain_ml=1500.0)
    start = trainings.write_network(tmp_path / "start.safetensors", settings)
    assert cli_train.main(["student", str(tmp_path), "--simulated", "2", "--start", str(start)]) == 0
    assert asked[0]["engine"].brain_ml == asked[0]["options"].network.brain_ml == 1500


def test_weights_are_recorded_wherever_the_command_is_given(
    asked: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = trainings.write_network(tmp_path / "teacher.safetensors")
    start = trainings.write_network(tmp_path / "in" / "start.safetensors", trainings.STUDENT)
    for folder in (tmp_path, tmp_path / "in"):
        monkeypatch.chdir(folder)
        words = ["--teacher", os.path.relpath(teacher), "--start", os.path.relpath(start)]
        assert cli_train.main(["student", "out", "--simulated", "2", "--method", "kl", *words]) == 0
    assert asked[0]["options"] == asked[1]["options"]
    assert (asked[0]["options"].teacher, asked[0]["options"].start) == (teacher, (start,))


def test_defaults_are_those_of_the_options(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    assert cli_train.main(["student", str(tmp_path), "--simulated", "2"]) == 0
    options = asked[0]["options"]
    network, optimisation = (
        type(options.network)(modalities=("T1w",), brain_ml=1883),
        type(options.optimisation)(),
    )
    assert options == TrainingOptions(role="student", network=network, optimisation=optimisation, simulated=2)


@pytest.mark.parametrize(
    ("arguments", "skips"),
    [
        (["student", "--method", "shared-decoder-no-skips", "--teacher", "T"], False),
        (["student", "--method", "shared-decoder", "--teacher", "T"], True),
        (["student", "--method", "kl+kd", "--teacher", "T"], True),
        (["student", "--method", "kl+kd", "--teacher", "T", "--no-skips"], False),
        (["teacher", "--no-skips"], False),
        (["teacher"], True),
    ],
)
def test_networks_have_the_skip_connections_of_their_method(
    arguments: list[str], skips: bool, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    teacher = trainings.write_network(tmp_path / "teacher.safetensors")
    words = [str(teacher) if word == "T" else word for word in arguments]
    assert cli_train.main([words[0], str(tmp_path / "out"), "--simulated", "2", *words[1:]]) == 0
    assert asked[0]["options"].network.skips == skips


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["student"], "either --bids DIR or --simulated N is required, and not both"),
        (["student", "--simulated", "3", "--bids", "BIDS"], "either --bids DIR or --simulated N is required"),
        (["student", "--bids", "nowhere", "-d", "a=b"], "--bids nowhere: not a folder (in a container"),
        (["student", "--bids", "BIDS"], "--bids needs -d NAME=PATH: the folder with the label maps"),
        (["student", "--bids", "BIDS", "-d", "masks"], "-d masks: NAME=PATH with an alphanumeric name is required"),
        (["student", "--bids", "BIDS", "-d", "a=nowhere"], "-d a=nowhere: not a folder"),
        (["student", "--bids", "BIDS", "-d", "a=BIDS", "a=BIDS"], "the name a is taken, choose another"),
        (["student", "--bids", "BIDS", "-d", "a=BIDS", "--held-out", "3", "--template", "SRI24"],
         "--held-out, --template: without effect with --bids, leave it out"),
        (["student", "--simulated", "3", "--train-fraction", "0.5"],
         "--train-fraction: without effect with --simulated, leave it out"),
        (["student", "--simulated", "3", "--anatomies", "HEADS", "--template", "SRI24"],
         "--template, --template-dir: without effect with --anatomies, leave them out"),
        (["student", "--simulated", "3", "--anatomies", "nowhere"], "nowhere: not a folder (in a container"),
        (["student", "--simulated", "3", "--shapes", "TUMOURS"], "for patients with people's anatomies"),
        (["teacher", "--simulated", "3", "--modality", "T1w"],
         "--modality T1w: a teacher reads T1w, T1ce, T2w, FLAIR, leave it out"),
        (["student", "--simulated", "3", "--start", "nowhere.st"], "--start nowhere.st: no such file"),
        (["student", "--simulated", "3", "--method", "kl", "--teacher", "nowhere.st"],
         "--teacher nowhere.st: no such file"),
        (["student", "--simulated", "3", "--method", "kl+kd"], "--method kl+kd: its teacher is required"),
        (["student", "--simulated", "3", "--teacher", "TEACHER"],
         "--teacher teacher.safetensors: a --method of distillation is required with it"),
        (["teacher", "--simulated", "3", "--method", "kl", "--teacher", "TEACHER"],
         "a teacher is trained without --method and --teacher: they are for students"),
        (["student", "--simulated", "3", "--method", "shared-decoder", "--teacher", "TEACHER", "--no-skips"],
         "method shared-decoder: a network with skip-connections is required"),
        (["student", "--simulated", "3", "--box", "16", "20", "16"], "divisible by 8, are required, got 16 20 16"),
        (["student", "--simulated", "3", "--learning-rate", "1e-9"], "a learning rate of at least 1e-08"),
        (["student", "--simulated", "3", "--template", "Nowhere"], "template 'Nowhere': no folder tpl-Nowhere found"),
        (["student", "--simulated", "3", "--gpu", "all"], "--gpu all: torch sees no CUDA device here"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line_and_exit_one(
    arguments: list[str], message: str, bids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    teacher = trainings.write_network(tmp_path / "teacher.safetensors")
    paths = {"BIDS": str(bids), "TEACHER": str(teacher), "a=BIDS": f"a={bids}"}
    role, *others = (paths.get(word, word) for word in arguments)
    small = SMALL if "--box" not in arguments and "--gpu" not in arguments else ["--voxel-size", "4"]
    assert cli_train.main([role, str(tmp_path / "out"), *small, *others]) == 1
    assert message in one_line(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pupil", "OUT"], "invalid choice: 'pupil'"),
        (["student"], "the following arguments are required: OUT_DIR"),
        (["student", "OUT", "--simulated", "0"], "a whole number of at least 1 is required, got '0'"),
        (["student", "OUT", "--epochs", "many"], "a whole number of at least 1 is required, got 'many'"),
        (["student", "OUT", "--seed", "-1"], "a whole number of at least 0 is required, got '-1'"),
        (["student", "OUT", "--learning-rate", "nan"], "a number above 0 and up to 1 is required, got 'nan'"),
        (
            ["student", "OUT", "--learning-rate", "fast"],
            "a number above 0 and up to 1 is required, got 'fast'",
        ),
        (["student", "OUT", "--method", "kd-net"], "invalid choice: 'kd-net'"),
        (["student", "OUT", "--train-fraction", "0.3"], "(choose from 0.25, 0.5, 1.0)"),
    ],
)
def test_wrong_words_exit_with_two_and_say_why(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        cli_train.main(arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


def test_a_wrong_teacher_is_one_line(bids: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teacher = trainings.write_network(tmp_path / "teacher.safetensors")
    arguments = ["--method", "shared-decoder-no-skips", "--teacher", str(teacher)]
    assert cli_train.main(["student", str(tmp_path / "out"), *data_of(bids), *SMALL, *arguments]) == 1
    assert "without skip-connections is required, it reads" in one_line(capsys)
    assert not (tmp_path / "out").exists()


def test_all_bad_scans_are_listed_and_no_epoch_is_run(
    bids: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for subject in ("01", "03"):
        trainings.modality_path(bids, subject, "FLAIR").unlink()
    out = tmp_path / "out"
    assert cli_train.main(["teacher", str(out), *data_of(bids), *SMALL]) == 1
    printed = capsys.readouterr()
    first, *problems = printed.err.splitlines()
    assert first == "gliomorph-train: 2 of 3 scans cannot be trained on; mend or remove them:"
    assert [line.split(":")[0] for line in problems] == ["  sub-01", "  sub-03"]
    assert "epoch" not in printed.out
    assert not (out / "log.csv").exists()


def test_a_training_runs_and_says_where_it_is(
    bids: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["student", str(out), *data_of(bids), *SMALL]
    assert cli_train.main(command) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == "sub-01 (1 of 3) is ready"
    assert lines[3].startswith("epoch 1/1: loss ")
    assert lines[-1] == f"{out / 'student-T1w.safetensors'} and its model card student-T1w.json"
    assert printed.err == ""
    assert load_unet(out / "student-T1w.safetensors")[1].modalities == ("T1w",)
    assert json.loads((out / "student-T1w.json").read_text())["settings"]["box"] == [16, 16, 16]

    assert cli_train.main([*command, "--seed", "3"]) == 1
    assert "seed 0 there, 3 now" in one_line(capsys)
    assert cli_train.main(command) == 0
    assert "resumed after epoch 1" in capsys.readouterr().out


def test_simulated_patients_train_without_any_data(
    template_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--simulated",
        "2",
        "--held-out",
        "1",
        "--template",
        "Tiny",
        "--template-dir",
        str(template_home),
    ]
    assert cli_train.main(["student", str(tmp_path / "out"), *SMALL, *arguments]) == 0
    assert "epoch 1/1: loss " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            FloatingPointError("epoch 3: the loss is not finite"),
            "not finite; begin anew with a smaller --learning-rate",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory"),
            "the GPU's memory does not suffice: take a smaller --batch-size",
        ),
        (OSError("No space left on device"), "No space left on device"),
    ],
)
def test_failures_on_the_way_are_told(
    error: Exception,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> Path:
        raise error

    monkeypatch.setattr(cli_train, "_train", fail)
    command = ["student", str(tmp_path), "--simulated", "2"]
    assert cli_train.main(command) == 1
    assert message in one_line(capsys)
    with pytest.raises(type(error), match=str(error)):
        cli_train.main([*command, "--verbose"])


def test_an_error_that_nobody_has_foreseen_keeps_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> Path:
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr(cli_train, "_train", fail)
    with pytest.raises(RuntimeError, match="a fault of our own"):
        cli_train.main(["student", str(tmp_path), "--simulated", "2"])


def test_interruption_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_train, "_train", interrupt)
    assert cli_train.main(["student", str(tmp_path), "--simulated", "2"]) == 130
    assert "the same command goes on after the last finished epoch" in one_line(capsys)


def test_the_bar_shows_epoch_loss_and_validation_dice(capsys: pytest.CaptureFixture[str]) -> None:
    progress = cli_train._Progress(9)
    first = {"epoch": 1, "total": 1.5, "kl": 0.1}
    progress.update(2, 36, first)
    task = progress.bar.tasks[0]
    assert (task.description, task.completed, task.total) == ("epoch 1/9", 2, 36)
    assert task.fields["figures"] == "loss 1.500"
    dices = {
        "validation_loss": 0.9,
        "validation_ET_dice": 0.25,
        "validation_TC_dice": 0.5,
        "validation_WT_dice": 0.75,
    }
    progress.update(7, 36, {**first, "epoch": 2, **dices})
    assert task.description == "epoch 2/9"
    assert task.fields["figures"] == "loss 1.500, validation Dice ET 0.25 TC 0.50 WT 0.75"
    progress.bar.console.print(progress.bar.get_renderable())
    assert "epoch 2/9" in capsys.readouterr().out


def test_lines_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    line = "sub-01 [red] " + 40 * "word "
    with cli_train._Progress(1) as progress:
        progress.report(line)
    assert line in capsys.readouterr().out
