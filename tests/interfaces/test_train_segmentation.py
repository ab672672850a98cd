"""A training from start to model card: what it leaves, and that a killed one goes on to the same end."""

from __future__ import annotations

import copy
import csv
import hashlib
import json
import math
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
from safetensors.torch import load_file
from trainings import kept, options_of, run

from gliomorph.interfaces import train_segmentation
from gliomorph.interfaces.segmentation_weights import load_unet
from gliomorph.interfaces.stored_network import WeightsError
from gliomorph.interfaces.training_data import SimulatedExamples, TrainingDataError, prepare
from gliomorph.interfaces.training_files import TrainingFolder, TrainingFolderError
from gliomorph.interfaces.training_options import TrainingOptions
from gliomorph.models.segmentation_training import Batch, Optimisation, SegmentationTrainer
from gliomorph.models.unet import MODALITIES, SegmentationSettings

TESTS = Path(__file__).parents[1]
EPOCHS = 3


class Killed(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven subjects, read only."""
    return trainings.write_dataset(tmp_path_factory.mktemp("data") / "bids")


@pytest.fixture(scope="module", params=["dataset", "simulated"])
def source(request: pytest.FixtureRequest, dataset: Path, template_home: Path) -> dict[str, Any]:
    """Options and engine of a training on each kind of patients."""
    if request.param == "dataset":
        return {"options": options_of(dataset, epochs=EPOCHS)}
    return {"options": options_of(epochs=EPOCHS), "engine": trainings.engine_from(template_home)}


@pytest.fixture(scope="module")
def done(source: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that nothing disturbed; read only."""
    folder = tmp_path_factory.mktemp("done") / "out"
    run(**source, folder=folder)
    return folder


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, ...], dict[str, list[Path]]]:
    """The dataset's prepared scans by channels."""
    return {}


@pytest.fixture(autouse=True)
def quick(
    dataset: Path,
    known: dict[tuple[str, ...], dict[str, list[Path]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pictures are not drawn, and the dataset is prepared once: only :func:`done` leaves nothing out."""

    def prepared(
        bids: Path, masks: Any, channels: tuple[str, ...], mm: float, folder: Path, report: Any
    ) -> Any:
        if bids != dataset or channels not in known:
            files = prepare(bids, masks, channels, mm, folder, report)
            if bids == dataset:
                copies = shutil.copytree(folder, dataset.parent / "-".join(channels))
                known[channels] = {
                    name: [copies / path.name for path in paths] for name, paths in files.items()
                }
            return files
        folder.mkdir(exist_ok=True)
        return {
            name: [Path(shutil.copy(path, folder)) for path in paths]
            for name, paths in known[channels].items()
        }

    def blank(heads: list[object], title: str, path: Path) -> Path:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{title}: {len(heads)}")
        return path

    monkeypatch.setattr(train_segmentation, "prepare", prepared)
    monkeypatch.setattr(train_segmentation, "draw_examples", blank)


# Killed and resumed


def steps_per_epoch(done: Path) -> int:
    return 3 if (done / "split.json").exists() else 2


def test_an_exception_in_mid_epoch_and_between_epochs_changes_nothing(
    source: dict[str, Any], done: Path, tmp_path: Path
) -> None:
    steps = []

    def stop_at(*wanted: int) -> Any:
        def progress(step: int, total: int, figures: Mapping[str, float]) -> None:
            steps.append((step, figures["total"]))
            if step in wanted:
                raise Killed

        return progress

    def stop_after_epoch(line: str) -> None:
        if line.startswith("epoch 2/"):
            raise Killed

    each = steps_per_epoch(done)
    for progress in (stop_at(1), stop_at(each + 2)):  # in the first epoch, and in the second
        with pytest.raises(Killed):
            run(**source, folder=tmp_path, progress=progress)
    with pytest.raises(Killed):
        run(**source, folder=tmp_path, report=stop_after_epoch)
    lines: list[str] = []
    run(**source, folder=tmp_path, report=lines.append, progress=stop_at())
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
                monkeypatch.setattr(torch, "save", fail)
            save(self, state, row)
            raise Killed
        save(self, state, row)

    def fail(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(TrainingFolder, "save", stop)
        run(**source, folder=tmp_path)
    monkeypatch.undo()
    run(**source, folder=tmp_path)
    assert same(kept(tmp_path), kept(done))


SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import trainings
import bids.layout, torch
from gliomorph.interfaces import train_segmentation

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
def killed(dataset: Path, template_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of trainings on both kinds of patients, by processes that were killed in their second epoch."""
    folder = tmp_path_factory.mktemp("killed")
    script = SCRIPT.format(
        tests=str(TESTS), bids=str(dataset), home=str(template_home), epochs=EPOCHS, folder=str(folder)
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


# What it leaves


def trained(folder: Path) -> Path:
    return next(folder.glob("*.safetensors"))


def card_of(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads(trained(folder).with_suffix(".json").read_text())
    return card


def same(one: Any, other: Any) -> bool:
    """Equality of nested values, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


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


def test_the_network_is_that_of_the_best_epoch(done: Path, source: dict[str, Any]) -> None:
    losses = [float(row["validation_loss"]) for row in trainings.log_of(done)]
    state = TrainingFolder(done).load(torch.device("cpu"))
    assert state is not None
    assert state["best"] == min(losses)
    network, settings = load_unet(trained(done))
    assert settings == source["options"].network
    if losses[-1] == min(losses):
        kept_last = {name.removeprefix("student."): value for name, value in state["objective"].items()}
        assert same(dict(network.state_dict()), kept_last)


def test_weights_are_of_the_best_epoch_when_later_ones_are_worse(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    run(options_of(dataset, epochs=4), tmp_path, report=keep)
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


def test_the_split_is_written_down(dataset: Path, tmp_path: Path) -> None:
    run(options_of(dataset, epochs=1, fraction=0.5), tmp_path)
    parts = json.loads((tmp_path / "split.json").read_text())
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [2, 1, 1]
    for subjects in parts.values():
        for subject, files in subjects.items():
            assert [name.startswith(f"sub-{subject}-") for name in files] == [True]


def test_progress_runs_over_the_whole_training_and_knows_the_last_validation(
    dataset: Path, tmp_path: Path
) -> None:
    calls: list[tuple[int, int, dict[str, float]]] = []
    with pytest.raises(Killed):
        run(
            options_of(dataset),
            tmp_path,
            progress=lambda *call: calls.append(call),
            report=stop_at("epoch 2/"),
        )
    run(options_of(dataset), tmp_path, progress=lambda *call: calls.append(call))
    assert [(done, total) for done, total, _ in calls] == [(step, 9) for step in range(1, 10)]
    assert [figures["epoch"] for *_, figures in calls] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert "validation_WT_dice" not in calls[2][2]
    rows = trainings.log_of(tmp_path)
    assert calls[3][2]["validation_loss"] == float(rows[0]["validation_loss"])
    assert calls[8][2]["validation_loss"] == float(rows[1]["validation_loss"])  # after it was resumed, too
    assert sum(figures["total"] for *_, figures in calls[:3]) > 0


def stop_at(start: str) -> Any:
    def report(line: str) -> None:
        if line.startswith(start):
            raise Killed

    return report


def test_every_epoch_is_told_in_a_line(dataset: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    run(options_of(dataset, epochs=2), tmp_path, report=lines.append)
    told = [line for line in lines if line.startswith("epoch")]
    assert len(told) == 2
    row = trainings.log_of(tmp_path)[1]
    assert told[1].startswith(
        f"epoch 2/2: loss {float(row['train_total']):.4f}, validation {float(row['validation_loss']):.4f}, Dice ET "
    )


# Stops


def test_a_plateau_ends_the_training_early(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate = SegmentationTrainer.validate
    monkeypatch.setattr(SegmentationTrainer, "validate", lambda *args: validate(*args) | {"loss": 1.0})
    optimisation = Optimisation(epochs=50, learning_rate=1e-4, lowest_rate=1e-5, patience=0)
    run(options_of(dataset, optimisation=optimisation), tmp_path)
    rates = [float(row["learning_rate"]) for row in trainings.log_of(tmp_path)]
    assert rates == pytest.approx([1e-4, 1e-4, 2e-5])
    assert (tmp_path / "figures" / "epoch-0003.png").exists()


@pytest.mark.parametrize(("schedule", "last"), [("cosine", 3), ("plateau", 1)])
def test_cosine_trains_all_epochs_and_keeps_the_last_network_plateau_the_best(
    schedule: Any, last: int, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse, states = iter((1.0, 2.0, 3.0)), {}
    validate = SegmentationTrainer.validate

    def rising(trainer: SegmentationTrainer, batches: Any) -> dict[str, float]:
        states[trainer.epoch + 1] = copy.deepcopy(trainer.objective.student.state_dict())
        return validate(trainer, batches) | {"loss": next(worse)}

    monkeypatch.setattr(SegmentationTrainer, "validate", rising)
    weights = run(options_of(dataset, optimisation=Optimisation(epochs=3, schedule=schedule)), tmp_path)
    assert len(trainings.log_of(tmp_path)) == 3
    stored = load_unet(weights)[0].state_dict()
    assert all(torch.equal(stored[name], tensor) for name, tensor in states[last].items())


def test_a_loss_that_is_not_finite_keeps_the_epoch_before(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = SegmentationTrainer.step

    def spoilt(self: SegmentationTrainer, batch: Batch) -> dict[str, float]:
        factor = math.nan if self.epoch == 1 else 1.0
        return step(self, Batch(images=batch.images * factor, labels=batch.labels))

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationTrainer, "step", spoilt)
        with pytest.raises(FloatingPointError, match="epoch 2: the loss is not finite"):
            run(options_of(dataset, epochs=2), tmp_path)
    assert len(trainings.log_of(tmp_path)) == 1
    assert all(torch.isfinite(tensor).all() for tensor in load_file(trained(tmp_path)).values())
    run(options_of(dataset, epochs=2), tmp_path)
    assert len(trainings.log_of(tmp_path)) == 2


def no_epoch(*_: object) -> None:
    raise AssertionError("an epoch was started")


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


def test_other_weights_under_the_same_name_are_refused(dataset: Path, tmp_path: Path) -> None:
    start = trainings.write_network(tmp_path / "start.safetensors", trainings.STUDENT)
    options = options_of(dataset, epochs=2, start=start)
    with pytest.raises(Killed):
        run(options, tmp_path / "out", report=stop_at("epoch 1/"))
    trainings.write_network(start, trainings.STUDENT, seed=2)
    with pytest.raises(TrainingFolderError, match=r'start_sha256 "[0-9a-f]{64}" there, "[0-9a-f]{64}" now'):
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
    for path in (trainings.masks_of(bids) / "sub-03").rglob("*dseg.nii.gz"):
        copy = trainings.masks_of(bids) / "sub-99" / "anat" / path.name.replace("03", "99")
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


# Teachers, students, fine-tuning


@pytest.fixture(scope="module")
def teachers(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Weights of a random teacher, and of a trained one without skip-connections."""
    folder = tmp_path_factory.mktemp("teachers")
    network = attrs.evolve(trainings.TEACHER, skips=False)
    trained_teacher = run(options_of(dataset, epochs=1, role="teacher", network=network), folder / "out")
    return {True: trainings.write_network(folder / "teacher.safetensors"), False: trained_teacher}


def taught(dataset: Path, method: str, teacher: Path, skips: bool = True, **changed: Any) -> TrainingOptions:
    network = SegmentationSettings(modalities=("T2w",), width=2, voxel_mm=4.0, skips=skips)
    return options_of(dataset, network=network, method=method, teacher=teacher, **{"epochs": 1, **changed})


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
    method: str, terms: list[str], dataset: Path, teachers: dict[bool, Path], tmp_path: Path
) -> None:
    weights = run(taught(dataset, method, teachers[True]), tmp_path)
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
    method: str, skips: bool, dataset: Path, teachers: dict[bool, Path], tmp_path: Path
) -> None:
    student = load_file(run(taught(dataset, method, teachers[skips], skips), tmp_path))
    teacher = load_file(teachers[skips])
    decoder = [name for name in student if name.startswith(("up", "head"))]
    assert decoder
    assert all(torch.equal(student[name], teacher[name]) for name in decoder)
    assert not torch.equal(student["bottleneck.0.0.weight"], teacher["bottleneck.0.0.weight"])


def test_distillation_that_was_killed_goes_on_to_the_same_end(
    dataset: Path, teachers: dict[bool, Path], tmp_path: Path
) -> None:
    """With the state of the discriminator."""
    options = taught(dataset, "adversarial", teachers[True], epochs=2)
    run(options, tmp_path / "whole")
    with pytest.raises(Killed):
        run(options, tmp_path / "parts", report=stop_at("epoch 1/"))
    run(options, tmp_path / "parts")
    assert same(kept(tmp_path / "parts"), kept(tmp_path / "whole"))


def test_a_wrong_teacher_is_refused_before_a_folder_is_made(
    dataset: Path, teachers: dict[bool, Path], tmp_path: Path
) -> None:
    with pytest.raises(
        WeightsError, match=r"without skip-connections is required, it reads .* with skip-connections"
    ):
        run(taught(dataset, "shared-decoder-no-skips", teachers[True], skips=False), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_fine_tuning_begins_where_the_other_training_ended(dataset: Path, tmp_path: Path) -> None:
    """At a rate at which nothing moves."""
    start = trainings.write_network(tmp_path / "start.safetensors", trainings.STUDENT)
    optimisation = Optimisation(epochs=1, learning_rate=1e-8)
    weights = run(options_of(dataset, start=start, optimisation=optimisation), tmp_path / "out")
    before, after = load_file(start), load_file(weights)
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=1e-6)  # three steps of 1e-8, float32


def test_a_network_learns(dataset: Path, tmp_path: Path) -> None:
    """On heads that it was not trained on, too."""
    network = SegmentationSettings(modalities=("T1w",), width=4, voxel_mm=4.0)
    optimisation = Optimisation(epochs=8, learning_rate=3e-2)
    run(options_of(dataset, network=network, optimisation=optimisation), tmp_path)
    losses = [float(row["validation_loss"]) for row in trainings.log_of(tmp_path)]
    assert min(losses) < 0.9 * losses[0]


def test_simulated_patients_of_the_training_are_those_of_the_seed(template_home: Path) -> None:
    engine = trainings.engine_from(template_home)
    first = SimulatedExamples(engine=engine, count=1, seed=0, part=0).read(0, 0)
    other = SimulatedExamples(engine=engine, count=1, seed=1, part=0).read(0, 0)
    assert not torch.equal(first[0], other[0])
