"""A training of a registration network from start to model card: what it leaves, resumes and begins with."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import phantoms
import pytest
import registration_trainings as runs
import SimpleITK as sitk
import tiny_networks
import torch
from registration_trainings import EPOCHS, options_of
from safetensors.torch import load_file
from training_checks import Killed, card_of, kill, no_epoch, same, stop_at, trained
from trainings import kept, log_of

from gliomorph.interfaces.datasets.template_files import prepare_template
from gliomorph.interfaces.files.images import from_array, read_image, write_image
from gliomorph.interfaces.files.transforms import read_transform, write_transform
from gliomorph.interfaces.networks.registration import load_network
from gliomorph.interfaces.scan.register import AlignedPair, register
from gliomorph.models.registration.training import EpochSettings
from gliomorph.training.folder import TrainingFolder, TrainingFolderError
from gliomorph.training.registration import train as train_registration
from gliomorph.training.scans import TrainingDataError


@pytest.fixture(scope="module")
def deriv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six subjects, read only."""
    return runs.write_derivatives(tmp_path_factory.mktemp("run") / "deriv")


@pytest.fixture(scope="module", params=["scans", "simulated"])
def source(request: pytest.FixtureRequest, deriv: Path, template_home: Path) -> dict[str, Any]:
    """A training on each kind of pairs."""
    options = options_of(deriv, "voxelmorph-cfm", lam=2.0) if request.param == "scans" else options_of(seed=5)
    return {"options": options, "template_home": template_home}


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """What :func:`done` has reported last."""
    return []


@pytest.fixture(scope="module")
def done(source: dict[str, Any], lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that nothing disturbed; read only."""
    folder = tmp_path_factory.mktemp("done") / "out"
    lines.clear()
    runs.run(**source, folder=folder, report=lines.append)
    return folder


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than the epochs: only :func:`done` draws them."""
    monkeypatch.setattr(train_registration, "draw_pairs", lambda *_: None)


# What it leaves


def test_everything_is_there(done: Path, source: dict[str, Any]) -> None:
    names = {path.name for path in done.iterdir()} - {"split.json", "prepared"}
    method = source["options"].method
    expected = {"settings.json", "log.csv", "checkpoint.pt", "figures"}
    assert names == expected | {f"{method}.safetensors", f"{method}.json"}
    pictures = sorted(path.name for path in (done / "figures").iterdir())
    assert pictures == [f"epoch-{epoch:04d}.png" for epoch in range(1, EPOCHS + 1)]


def test_settings_are_those_of_the_training(done: Path, source: dict[str, Any]) -> None:
    known = json.loads((done / "settings.json").read_text())
    target = runs.target_from(source["template_home"])
    assert known == {**source["options"].record(), "templates_sha256": [target.sha256]}


def test_the_log_has_a_row_an_epoch(done: Path) -> None:
    with (done / "log.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    losses = [f"train_{name}" for name in ("total", "similarity", "regularisation")]
    found = [f"validation_{name}" for name in ("loss", "similarity", "outside", "folds_percent")]
    assert list(rows[0]) == ["epoch", "learning_rate", *losses, *found, "seconds"]
    assert all(math.isfinite(float(value)) for row in rows for value in row.values())
    assert float(rows[1]["learning_rate"]) == pytest.approx(0, abs=1e-12)


def test_the_card_says_what_the_network_is_and_how_good(done: Path, source: dict[str, Any]) -> None:
    card, options = card_of(done), source["options"]
    assert card["method"] == options.method
    assert [template["name"] for template in card["templates"]] == ["Tiny"]
    assert card["weights"]["sha256"] == hashlib.sha256(trained(done).read_bytes()).hexdigest()
    assert card["settings"] == options.public_record()
    train = 4 if options.derivatives_dir else 2
    assert card["training_data"]["pairs"] == {"train": train, "validation": 1, "test": 1}
    metrics = card["metrics"]
    assert metrics["outside"]["n"] == 1
    assert metrics["outside_after"]["mean"] == pytest.approx(
        metrics["outside"]["mean"] * metrics["outside_before"]["mean"], abs=2e-4
    )
    assert metrics["folds_percent"]["mean"] == 0
    assert 0 < metrics["jacobian_min"]["mean"] <= metrics["jacobian_max"]["mean"]
    assert metrics["seconds"]["mean"] > 0


def test_every_epoch_is_told_in_a_line(done: Path, lines: list[str]) -> None:
    row, told = log_of(done)[1], [line for line in lines if line.startswith("epoch")]
    assert len(told) == EPOCHS
    assert told[1].startswith(f"epoch 2/2: loss {float(row['train_total']):.4f}, validation ")
    assert f"outside the tumour {float(row['validation_outside']):.3f} of before, folds 0 %" in told[1]


def test_subjects_are_split_and_written_down(deriv: Path, template_home: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        runs.run(options_of(deriv), tmp_path, template_home, progress=kill)
    parts = json.loads((tmp_path / "split.json").read_text())
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [4, 1, 1]
    assert sorted(subject for part in parts.values() for subject in part) == sorted(runs.SUBJECTS)


# Resumed, repeated, refused


def test_the_same_seed_gives_the_same_weights_and_another_one_others(
    done: Path, source: dict[str, Any], tmp_path: Path
) -> None:
    again = runs.run(**source, folder=tmp_path / "again")
    assert again.read_bytes() == trained(done).read_bytes()
    source = {**source, "options": attrs.evolve(source["options"], seed=6)}
    assert runs.run(**source, folder=tmp_path / "other").read_bytes() != again.read_bytes()


@pytest.mark.parametrize("moment", ["mid-epoch", "between epochs"])
def test_killed_and_resumed_is_not_killed(
    moment: str, done: Path, source: dict[str, Any], tmp_path: Path
) -> None:
    def stop(step: int, total: int, figures: object) -> None:
        if step == total - 1:
            raise Killed

    disturbed = {"progress": stop} if moment == "mid-epoch" else {"report": stop_at("epoch 1/")}
    with pytest.raises(Killed):
        runs.run(**source, folder=tmp_path, **disturbed)
    lines: list[str] = []
    runs.run(**source, folder=tmp_path, report=lines.append)
    assert "resumed after epoch 1" in lines
    assert same(kept(tmp_path), kept(done))


def test_a_finished_training_is_kept(done: Path, source: dict[str, Any]) -> None:
    before = trained(done).read_bytes()
    lines: list[str] = []
    weights = runs.run(**source, folder=done, report=lines.append, progress=no_epoch)
    assert weights.read_bytes() == before
    assert f"resumed after epoch {EPOCHS}" in lines


def test_a_finished_training_without_its_checkpoint_is_kept(
    done: Path, source: dict[str, Any], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(done, tmp_path / "out"))
    (out / "checkpoint.pt").unlink()
    lines: list[str] = []
    weights = runs.run(**source, folder=out, report=lines.append, progress=no_epoch)
    assert lines == [f"the training in {out} is finished: it is kept as it is"]
    assert weights.read_bytes() == trained(done).read_bytes()


def test_another_template_of_that_name_is_refused(
    done: Path, source: dict[str, Any], template_home: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(template_home, tmp_path / "templates"))
    image = next(home.glob("tpl-Tiny/*_T1w.nii.gz"))
    runs.change_image(image, np.sqrt)
    with pytest.raises(TrainingFolderError, match="templates_sha256"):
        runs.run(source["options"], done, home, progress=no_epoch)


def test_other_options_are_refused(done: Path, source: dict[str, Any]) -> None:
    with pytest.raises(TrainingFolderError, match=r"lam .* there, 0\.25 now"):
        runs.run(attrs.evolve(source["options"], lam=0.25), done, source["template_home"], progress=no_epoch)


def test_bad_scans_are_listed_before_any_epoch(deriv: Path, template_home: Path, tmp_path: Path) -> None:
    spoilt = runs.write_derivatives(tmp_path / "deriv", ["01", "02", "03"])
    runs.preproc_of(spoilt, "01").write_bytes(b"nothing")
    runs.mask_of(spoilt, "03").unlink()
    with pytest.raises(TrainingDataError, match=r"2 of 3 scans .*\n  sub-01: .*\n  sub-03: "):
        runs.run(options_of(spoilt), tmp_path / "out", template_home, progress=no_epoch)
    assert not (tmp_path / "out" / "log.csv").exists()


def test_two_subjects_are_too_few(template_home: Path, tmp_path: Path) -> None:
    deriv = runs.write_derivatives(tmp_path / "deriv", ["01", "02"])
    with pytest.raises(TrainingDataError, match=r"at least 3 subjects .*, got 2 \(01, 02\)"):
        runs.run(options_of(deriv), tmp_path / "out", template_home, progress=no_epoch)


# What it begins with


def first_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The network in the state that is kept before the first step."""
    state = TrainingFolder(folder).load(torch.device("cpu"))
    assert state is not None
    assert state["epoch"] == 0
    network: dict[str, torch.Tensor] = state["network"]
    return network


def test_fine_tuning_begins_with_the_weights_that_it_is_given(
    deriv: Path, template_home: Path, tmp_path: Path
) -> None:
    start = tiny_networks.write_tiny(tmp_path, "metamorph-g", seed=4)
    settings = tiny_networks.SETTINGS["metamorph-g"]
    options = options_of(deriv, "metamorph-g", network=settings, start=start)

    with pytest.raises(Killed):
        runs.run(options, tmp_path / "out", template_home, progress=kill)
    assert same(first_weights(tmp_path / "out"), load_file(start))
    tuned = runs.run(options, tmp_path / "out", template_home)
    assert not same(load_file(tuned), load_file(start))
    assert "weights that it began with may have been trained on" in card_of(tmp_path / "out")["measured_on"]


@pytest.mark.parametrize("method", runs.SETTINGS)
def test_a_finished_network_registers_in_the_pipeline(
    method: str, template_home: Path, tmp_path: Path, here: Path
) -> None:
    lam = 2.0 if method.startswith("voxelmorph") else 6e-4
    options = options_of(method=method, lam=lam, optimisation=EpochSettings(epochs=1, learning_rate=1e-2))
    weights = runs.run(options, tmp_path / "out", template_home)
    assert weights.name == f"{method}.safetensors"
    assert load_network(weights, runs.SETTINGS[method].method).settings == runs.SETTINGS[method]

    files = prepare_template("Tiny", runs.VOXEL_MM, [template_home], tmp_path)
    fixed = read_image(files.fixed)
    warp = sitk.DisplacementFieldTransform(phantoms.smooth_displacement(fixed, 6.0))
    moving = write_image(sitk.Resample(fixed, warp), tmp_path / "moving.nii.gz")
    tumor = from_array(phantoms.ball(fixed, phantoms.TUMOR_AT, 20).astype("uint8"), fixed)
    identity = write_transform(sitk.AffineTransform(3), tmp_path / "identity.h5")
    pair = AlignedPair(
        moving=moving,
        fixed=files.fixed,
        tumor=write_image(tumor, tmp_path / "tumor.nii.gz"),
        fixed_brain=files.fixed_brain,
        rigid=identity,
        affine=identity,
    )
    forward, _, appearance, used = register(pair, weights, method, seed=0, gpu="none")
    record = json.loads(used.read_text())
    assert record["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert (appearance is not None) == method.startswith("metamorph")
    start = phantoms.CENTRE.tolist()
    assert read_transform(forward).TransformPoint(start) != pytest.approx(start, abs=1e-6)


def test_a_network_learns_to_register_scans_that_it_has_not_seen(
    deriv: Path, template_home: Path, tmp_path: Path
) -> None:
    optimisation = EpochSettings(epochs=3, learning_rate=2e-2)
    runs.run(options_of(deriv, optimisation=optimisation), tmp_path, template_home)
    outside = [float(row["validation_outside"]) for row in log_of(tmp_path)]
    assert outside[-1] < 0.9
    assert outside[-1] < outside[0]
