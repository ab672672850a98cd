"""The command line of gliomorph-train for registration networks."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import registration_trainings as runs
import tiny_networks
import torch
from command_lines import help_of, one_line

from gliomorph.cli import train as cli_train
from gliomorph.cli.train_registration_options import MASKINGS, MEASURES, REGISTRATION
from gliomorph.interfaces.networks.registration import load_network
from gliomorph.models.registration.metamorphosis import SIMILARITIES
from gliomorph.models.registration.networks import DEFAULTS, NetworkSettings
from gliomorph.models.registration.objective import MASKINGS as ALL_MASKINGS
from gliomorph.models.registration.training import EpochSettings
from gliomorph.training.registration import train as train_registration
from gliomorph.training.registration.options import RegistrationOptions, default_lam

SMALL = ["--voxel-size", "4", "--width", "2", "--steps", "2", "--epochs", "1", "--gpu", "none"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command would train; nothing is computed."""
    calls: list[dict[str, Any]] = []

    def record(options: RegistrationOptions, folder: Any, folders: list[Path], **arguments: Any) -> Path:
        calls.append({"options": options, "folder": folder, "folders": folders, **arguments})
        return Path(folder.path) / "network.safetensors"

    monkeypatch.setattr(train_registration, "train", record)
    return calls


@pytest.mark.parametrize("role", REGISTRATION)
def test_help_has_the_options_of_that_network_and_does_not_wait_for_torch(role: str) -> None:
    text = help_of(role)
    for word in (
        "--simulated N",
        "--derivatives-dir DIR",
        "--start FILE",
        "--lambda",
        f"OUT/{role}.safetensors",
    ):
        assert word in text
    assert ("--mu MU" in text) == ("--sigma MM" in text) == (role != "voxelmorph")
    assert "--bids" not in text
    settings = DEFAULTS[role]
    assert f"are faster (default: {settings.width})" in text
    assert f"(default: {settings.steps})" in text
    assert f"nothing (default: {settings.masking})" in text
    assert f"(default: {settings.voxel_mm:g})" in text
    lam = text.split("weight of the path's energy (default: ")[1].split(",")[0]
    assert float(lam) == default_lam(role, "lncc")


def test_choices_are_those_of_the_models() -> None:
    assert (MEASURES, MASKINGS) == (SIMILARITIES, ALL_MASKINGS)


@pytest.mark.parametrize("role", REGISTRATION)
def test_defaults_are_those_of_the_options(role: str, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    assert cli_train.main([role, str(tmp_path), "--simulated", "2"]) == 0
    assert asked[0]["options"] == RegistrationOptions(
        network=DEFAULTS[role], optimisation=EpochSettings(), lam=default_lam(role, "lncc"), simulated=2
    )


def test_options_reach_the_training(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    arguments = ["--simulated", "20", "--held-out", "5", "--template", "SRI24", "--template-dir", str(tmp_path),
                 "--voxel-size", "2", "--width", "8", "--steps", "6", "--network-voxel-size", "3",
                 "--sigma", "6", "--mu", "0.02", "--epochs", "7", "--batch-size", "3", "--learning-rate", "0.01",
                 "--measure", "ssd",
                 "--lambda", "1e-5", "--seed", "5", "--gpu", "none"]  # fmt: skip
    assert cli_train.main(["metamorph-g", str(tmp_path / "out"), *arguments]) == 0
    options = asked[0]["options"]
    network = NetworkSettings(method="metamorph-g", width=8, steps=6, voxel_mm=3.0, sigma_mm=6.0, mu=0.02)
    assert options == RegistrationOptions(
        network=network, optimisation=EpochSettings(epochs=7, learning_rate=0.01), lam=1e-5, similarity="ssd",
        simulated=20, held_out=5, templates=("SRI24",), voxel_mm=2, batch_size=3, seed=5,
    )  # fmt: skip
    assert asked[0]["folder"].path == tmp_path / "out"
    assert asked[0]["folders"][0] == tmp_path
    assert asked[0]["gpu"] == "none"


def test_scans_and_weights_are_recorded_wherever_the_command_is_given(
    asked: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tiny_networks.write_tiny(tmp_path, "voxelmorph-cfm")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deriv").mkdir()
    words = ["--derivatives-dir", "deriv", "--start", start.name]
    assert cli_train.main(["voxelmorph", "out", *words]) == 0
    options = asked[0]["options"]
    assert (options.derivatives_dir, options.start) == (tmp_path / "deriv", start)
    assert options.method == "voxelmorph-cfm"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["metamorph-r"], "either --derivatives-dir DIR or --simulated N is required, and not both"),
        (["metamorph-r", "--simulated", "2", "--derivatives-dir", "HERE"], "is required, and not both"),
        (["metamorph-r", "--derivatives-dir", "nowhere"], "--derivatives-dir nowhere: not a folder (in a"),
        (["metamorph-r", "--derivatives-dir", "HERE", "--held-out", "2"],
         "--held-out: without effect with --derivatives-dir, leave it out"),
        (["metamorph-r", "--derivatives-dir", "HERE"], "HERE: a folder that gliomorph has written is required"),
        (["metamorph-r", "--simulated", "2", "--start", "nowhere.st"], "--start nowhere.st: no such file"),
        (["metamorph-g", "--simulated", "2", "--start", "START"], "weights of a metamorph-g network are required"),
        (["metamorph-r", "--simulated", "2", "--start", "START", "--width", "4"], "width 4 asked for, 2 there"),
        (["metamorph-r", "--simulated", "2", "--measure", "ssd"], "its λ is of another order"),
        (["metamorph-r", "--simulated", "2", "--masking", "cfm", "--mu", "0.1"], "has no appearance: set mu=0"),
        (["voxelmorph", "--simulated", "2", "--steps", "40"], "at most 20 squarings, got steps=40"),
        (["voxelmorph", "--simulated", "2", "--template", "Nowhere"], "template 'Nowhere': no folder tpl-Nowhere"),
        (["voxelmorph", "--simulated", "2", "--gpu", "all"], "--gpu all: torch sees no CUDA device here"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line_and_exit_one(
    arguments: list[str], message: str, template_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    tiny_networks.write_tiny(tmp_path, "metamorph-r", name="START")
    (tmp_path / "HERE").mkdir()
    tiny = ["--template", "Tiny"] if "--template" not in arguments else []
    common = ["--voxel-size", "4", "--template-dir", str(template_home), *tiny]
    assert cli_train.main([arguments[0], "out", *common, *arguments[1:]]) == 1
    assert message in one_line(capsys)
    assert not (tmp_path / "out" / "log.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["voxelmorph", "OUT", "--mu", "0.1"], "unrecognized arguments: --mu"),
        (["voxelmorph", "OUT", "--masking", "local"], "invalid choice: 'local'"),
        (["metamorph-r", "OUT", "--sigma", "0"], "a number above 0 is required, got '0'"),
        (["metamorph-r", "OUT", "--sigma", "inf"], "a number above 0 is required, got 'inf'"),
        (["metamorph-r", "OUT", "--lambda", "-1"], "a number of at least 0 is required, got '-1'"),
        (["metamorph-r", "OUT", "--lambda", "nan"], "a number of at least 0 is required, got 'nan'"),
        (["metamorph-r", "OUT", "--bids", "DIR"], "unrecognized arguments: --bids"),
        ([], "the following arguments are required: role"),
    ],
)
def test_wrong_words_exit_with_two_and_say_why(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        cli_train.main(arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


def test_all_bad_scans_are_listed(
    template_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deriv = runs.write_derivatives(tmp_path / "deriv", ["01", "02", "03"], voxel_mm=4)
    for subject in ("01", "03"):
        runs.mask_of(deriv, subject).unlink()
    words = ["--derivatives-dir", str(deriv), "--template", "Tiny", "--template-dir", str(template_home)]
    assert cli_train.main(["metamorph-r", str(tmp_path / "out"), *words, *SMALL]) == 1
    first, *problems = capsys.readouterr().err.splitlines()
    assert first == "gliomorph-train: 2 of 3 scans cannot be trained on; mend or remove them:"
    assert [line.split(":")[0] for line in problems] == ["  sub-01", "  sub-03"]


def test_a_training_runs_says_where_it_is_and_can_be_trained_further(
    template_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--template", "Tiny", "--template-dir", str(template_home)]
    out, tuned = tmp_path / "out", tmp_path / "tuned"
    command = [
        "voxelmorph",
        str(out),
        "--masking",
        "cfm",
        "--simulated",
        "2",
        "--held-out",
        "1",
        *common,
        *SMALL,
    ]
    assert cli_train.main(command) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("epoch 1/1: loss ")
    assert printed.out.endswith("voxelmorph-cfm.safetensors and its model card voxelmorph-cfm.json\n")
    assert printed.err == ""
    weights = out / "voxelmorph-cfm.safetensors"
    assert load_network(weights, "voxelmorph").settings.masking == "cfm"

    deriv = runs.write_derivatives(tmp_path / "deriv", ["01", "02", "03"], voxel_mm=4)
    further = ["--derivatives-dir", str(deriv), "--start", str(weights), "--voxel-size", "4", "--epochs", "1"]
    assert cli_train.main(["voxelmorph", str(tuned), *common, *further, "--gpu", "none"]) == 0
    card = json.loads((tuned / "voxelmorph-cfm.json").read_text())
    assert card["settings"]["start"] == "voxelmorph-cfm.safetensors"

    assert cli_train.main([*command, "--lambda", "1"]) == 1
    assert "lam 2.0 there, 1.0 now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FloatingPointError("not finite"), "not finite; begin anew with a smaller --learning-rate\n"),
        (
            torch.OutOfMemoryError("CUDA"),
            "--batch-size or --width, a larger --voxel-size or --network-voxel-size, or --gpu none",
        ),
    ],
)
def test_failures_on_the_way_are_told_with_options_that_there_are(
    error: Exception, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def fail(_: argparse.Namespace) -> Path:
        raise error

    monkeypatch.setattr(cli_train, "_train_registration", fail)
    assert cli_train.main(["metamorph-r", str(tmp_path), "--simulated", "2"]) == 1
    assert message in capsys.readouterr().err


def test_the_bar_shows_how_far_the_images_have_come_together() -> None:
    figures = {"epoch": 2, "total": 1234.5, "validation_loss": 9.0, "validation_outside": 0.614}
    assert cli_train._figures(figures) == "loss 1234.500, validation 0.61 of before"
