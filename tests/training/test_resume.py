"""A training that was killed goes on to the same end, and does not go on with something else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
import trainings
from training_checks import EPOCHS, Killed, card_of, no_epoch, same, stop_at, trained
from trainings import kept, options_of, run

from gliomorph.models.segmentation.training import Optimisation
from gliomorph.training.folder import TrainingFolder, TrainingFolderError

TESTS = Path(__file__).parents[1] / "helpers"

pytest_plugins = ["training_fixtures"]
pytestmark = pytest.mark.usefixtures("quick")


# Killed and resumed


def steps_per_epoch(done: Path) -> int:
    return 3 if (done / "split.json").exists() else 2


def test_an_exception_in_mid_epoch_and_between_epochs_changes_nothing(
    source: dict[str, Any], done: Path, tmp_path: Path
) -> None:
    steps = []

    def stop_at_step(*wanted: int) -> Any:
        def progress(step: int, total: int, figures: Mapping[str, float]) -> None:
            steps.append((step, figures["total"]))
            if step in wanted:
                raise Killed

        return progress

    each = steps_per_epoch(done)
    for progress in (stop_at_step(1), stop_at_step(each + 2)):  # in the first epoch, and in the second
        with pytest.raises(Killed):
            run(**source, folder=tmp_path, progress=progress)
    with pytest.raises(Killed):
        run(**source, folder=tmp_path, report=stop_at("epoch 2/"))
    lines: list[str] = []
    run(**source, folder=tmp_path, report=lines.append, progress=stop_at_step())
    assert "resumed after epoch 2" in lines
    assert same(kept(tmp_path), kept(done))
    assert [step for step, _ in steps[-each:]] == list(range(2 * each + 1, 3 * each + 1))
    losses = dict(steps)
    assert len(losses) == len(set(steps))  # a step that is done again has the same loss


@pytest.mark.parametrize(
    ("moment", "epoch"),
    [("weights written", 1), ("row written", 1), ("row written", 2), ("state written", 2)],
)
def test_a_kill_while_an_epoch_is_kept_changes_nothing(
    moment: str,
    epoch: int,
    source: dict[str, Any],
    done: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The weights of the best epoch, the row and the state are written one after another."""
    save = TrainingFolder.save

    def stop(self: TrainingFolder, state: Mapping[str, Any], row: Mapping[str, float]) -> None:
        if row["epoch"] == epoch:
            if moment == "weights written":
                raise Killed
            if moment == "row written":
                patch.setattr(torch, "save", fail)
            save(self, state, row)
            raise Killed
        save(self, state, row)

    def fail(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(TrainingFolder, "save", stop)
        run(**source, folder=tmp_path)
    run(**source, folder=tmp_path)
    assert same(kept(tmp_path), kept(done))


SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import trainings
import bids.layout, torch
from gliomorph.training.segmentation import train as train_segmentation

torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # imports more
train_segmentation.draw_examples = lambda *_: None

def kill(step, total, figures):
    if figures["epoch"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)

def start(name):
    folder = Path({folder!r}) / name
    if name == "dataset":
        trainings.run(trainings.options_of(Path({bids!r}), {epochs}), folder, progress=kill)
    engine = trainings.engine_from(Path({home!r}))
    trainings.run(trainings.options_of(None, {epochs}), folder, engine=engine, progress=kill)

for name in ("dataset", "simulated"):
    child = os.fork()  # what is imported takes longer than the training
    if child == 0:
        start(name)
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(scope="module")
def killed(training_bids: Path, template_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of trainings on both kinds of patients, by processes that were killed in their second epoch."""
    folder = tmp_path_factory.mktemp("killed")
    script = SCRIPT.format(
        tests=str(TESTS), bids=str(training_bids), home=str(template_home), epochs=EPOCHS, folder=str(folder)
    )
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # sums in one order
    command = [sys.executable, "-W", "ignore", "-c", script]
    parent = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, check=False)
    expected = f"dataset {-signal.SIGKILL}\nsimulated {-signal.SIGKILL}\n"
    assert parent.stdout.endswith(expected), parent.stderr
    return folder


def test_a_process_killed_in_mid_epoch_goes_on_to_the_same_end(
    source: dict[str, Any], done: Path, killed: Path
) -> None:
    folder = killed / ("dataset" if source["options"].bids_dir else "simulated")
    assert len(trainings.log_of(folder)) == 1
    run(**source, folder=folder)
    assert same(kept(folder), kept(done))
    assert not list(folder.rglob(".tmp-*"))


def test_a_finished_training_is_only_tested_again(source: dict[str, Any], done: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(done, tmp_path / "out")
    (folder / f"{trained(folder).stem}.json").unlink()
    steps: list[int] = []
    run(**source, folder=folder, progress=lambda step, *_: steps.append(step))
    assert steps == []
    assert same(kept(folder), kept(done))
    assert card_of(folder)["metrics"] == card_of(done)["metrics"]


def test_figures_that_were_added_to_the_card_stay_with_their_weights(
    source: dict[str, Any], done: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(done, tmp_path / "out")
    path = trained(folder).with_suffix(".json")
    card = card_of(folder) | {"measured": {"whole pipeline": {"metrics": {}}}}
    path.write_text(json.dumps(card | {"metrics": {}}))
    run(**source, folder=folder, progress=no_epoch)
    assert card_of(folder) == card
    path.write_text(json.dumps(card | {"weights": {"sha256": "of others"}}))
    run(**source, folder=folder, progress=no_epoch)
    assert card_of(folder) == card_of(done)


def test_a_finished_training_is_kept_without_what_it_needs_to_go_on(
    source: dict[str, Any], done: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(done, tmp_path / "out")
    (folder / "checkpoint.pt").unlink()
    shutil.rmtree(folder / "prepared", ignore_errors=True)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    other = attrs.evolve(source["options"], seed=1)
    with pytest.raises(TrainingFolderError, match="seed 0 there, 1 now"):
        run(**source | {"options": other}, folder=folder, progress=no_epoch)
    lines: list[str] = []
    assert run(**source, folder=folder, progress=no_epoch, report=lines.append) == trained(folder)
    assert lines == [f"the training in {folder} is finished: it is kept as it is"]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


# Going on with something else


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 1}, "seed 0 there, 1 now"),
        ({"batch_size": 3}, "batch_size 2 there, 3 now"),
        ({"fraction": 0.5}, "fraction 1.0 there, 0.5 now"),
        ({"optimisation": Optimisation(epochs=9, learning_rate=1e-2)}, "optimisation.epochs 3 there, 9 now"),
    ],
)
def test_other_settings_are_refused(
    changed: dict[str, Any], message: str, source: dict[str, Any], done: Path
) -> None:
    options = attrs.evolve(source["options"], **changed)
    with pytest.raises(TrainingFolderError, match=message):
        run(**source | {"options": options}, folder=done, progress=no_epoch)


def test_other_weights_under_the_same_name_are_refused(training_bids: Path, tmp_path: Path) -> None:
    start = trainings.write_network(tmp_path / "start.safetensors", trainings.STUDENT)
    options = options_of(training_bids, epochs=2, start=(start,))
    with pytest.raises(Killed):
        run(options, tmp_path / "out", report=stop_at("epoch 1/"))
    trainings.write_network(start, trainings.STUDENT, seed=2)
    changed = r'start_sha256 \["[0-9a-f]{64}"\] there, \["[0-9a-f]{64}"\] now'
    with pytest.raises(TrainingFolderError, match=changed):
        run(options, tmp_path / "out", progress=no_epoch)


def test_other_subjects_and_images_are_refused(tmp_path: Path) -> None:
    bids = trainings.write_dataset(tmp_path / "bids", ["01", "02", "03", "04"])
    options = options_of(bids, epochs=2)
    with pytest.raises(Killed):
        run(options, tmp_path / "out", report=stop_at("epoch 1/"))

    image = trainings.modality_path(bids, "02", "T1w")
    content = image.read_bytes()
    trainings.change_image(image, lambda voxels: voxels.__ipow__(2))
    with pytest.raises(TrainingFolderError, match=r"begun with \(with other images: 02\)"):
        run(options, tmp_path / "out", progress=no_epoch)

    image.write_bytes(content)
    (bids / "sub-04").rename(bids / "sub-99")
    for path in (trainings.masks_of(bids) / "sub-04").rglob("*dseg.nii.gz"):
        copy = trainings.masks_of(bids) / "sub-99" / "anat" / path.name.replace("04", "99")
        copy.parent.mkdir(parents=True)
        shutil.copy(path, copy)
    for path in (bids / "sub-99" / "anat").iterdir():
        path.rename(path.with_name(path.name.replace("sub-04", "sub-99")))
    with pytest.raises(TrainingFolderError, match=r"new: 99; gone: 04"):
        run(options, tmp_path / "out", progress=no_epoch)

    shutil.rmtree(bids / "sub-99")
    trainings.write_dataset(tmp_path / "again", ["04"])
    shutil.copytree(tmp_path / "again" / "sub-04", bids / "sub-04")
    run(options, tmp_path / "out")  # files with other dates, but the same content
    assert len(trainings.log_of(tmp_path / "out")) == 2
