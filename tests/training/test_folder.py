"""The folder of a training: who may go on in it, and what is kept."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from gliomorph.training.folder import TrainingFolder, TrainingFolderError

OPTIONS = {
    "role": "student",
    "optimisation": {"epochs": 3, "learning_rate": 0.1},
    "box": (16, 16, 16),
    "start": [],
}
CPU = torch.device("cpu")


def begun(path: Path, epochs: int = 1, options: dict[str, Any] = OPTIONS) -> TrainingFolder:
    """A folder after some epochs."""
    folder = TrainingFolder(path)
    folder.open(options)
    for epoch in range(1, epochs + 1):
        folder.save({"epoch": epoch}, {"epoch": epoch, "train_total": 1 / (epoch + 2)})
    return folder


def scans(folder: TrainingFolder, **content: str) -> dict[str, dict[str, list[Path]]]:
    """One subject in each part, ``content`` in the prepared files; the test's subject has two sessions."""
    names = {"train": ["01"], "validation": ["02"], "test": ["03_ses-1", "03_ses-2"]}
    folder.prepared.mkdir(exist_ok=True)
    parts = {}
    for part, files in names.items():
        paths = [
            folder.prepared / f"sub-{name}{content.get(f'name_{part}', '-a')}.safetensors" for name in files
        ]
        for path in paths:
            path.write_text(content.get(part, "voxels"))
        parts[part] = {files[0][:2]: paths}
    return parts


def test_a_new_folder_is_made_with_the_settings(tmp_path: Path) -> None:
    folder = begun(tmp_path / "new" / "out", epochs=0)
    assert json.loads(folder.settings.read_text()) == json.loads(json.dumps(OPTIONS))


def test_an_empty_folder_and_the_same_settings_are_welcome(tmp_path: Path) -> None:
    begun(tmp_path)
    TrainingFolder(tmp_path).open(OPTIONS)


def test_other_settings_are_refused_by_name_with_both_values(tmp_path: Path) -> None:
    begun(tmp_path)
    other = OPTIONS | {"optimisation": {"epochs": 5, "learning_rate": 0.1}, "method": "kl"}
    message = (
        r'other settings \(method null there, "kl" now; optimisation.epochs 3 there, 5 now\): choose another'
    )
    before = TrainingFolder(tmp_path).settings.read_bytes()
    with pytest.raises(TrainingFolderError, match=message):
        TrainingFolder(tmp_path).open(other)
    assert TrainingFolder(tmp_path).settings.read_bytes() == before


def test_before_the_first_epoch_is_finished_other_settings_take_their_place(tmp_path: Path) -> None:
    begun(tmp_path, epochs=0)
    folder = begun(tmp_path, epochs=0, options=OPTIONS | {"box": None})
    assert json.loads(folder.settings.read_text())["box"] is None


def test_weights_are_known_by_their_content_not_by_their_path(tmp_path: Path) -> None:
    started = OPTIONS | {"start": ["a/w.safetensors"], "start_sha256": ["12"]}
    begun(tmp_path, options=started)
    TrainingFolder(tmp_path).open(started | {"start": ["/b/w.safetensors"]})
    with pytest.raises(
        TrainingFolderError, match='settings \\(start_sha256 \\["12"\\] there, \\["34"\\] now\\)'
    ):
        TrainingFolder(tmp_path).open(started | {"start_sha256": ["34"]})
    with pytest.raises(TrainingFolderError, match='start_sha256 \\["12"\\] there, null now\\)'):
        TrainingFolder(tmp_path).open(OPTIONS)


def test_the_state_before_the_first_epoch_does_not_outlive_its_settings(tmp_path: Path) -> None:
    folder = begun(tmp_path, epochs=0)
    folder.keep({"epoch": 0})
    folder.open(OPTIONS | {"box": None})
    assert folder.load(CPU) is None


def write_card(weights: Path, sha256: str = "") -> None:
    sha256 = sha256 or hashlib.sha256(weights.read_bytes()).hexdigest()
    weights.with_suffix(".json").write_text(json.dumps({"weights": {"sha256": sha256}}))


@pytest.mark.parametrize("lost", ["log.csv", "student-T1w.safetensors", "nothing else"])
@pytest.mark.parametrize("card", ["", "of other weights"])
def test_what_is_left_without_a_checkpoint_is_not_overwritten(lost: str, card: str, tmp_path: Path) -> None:
    folder = begun(tmp_path, epochs=2)
    weights = tmp_path / "student-T1w.safetensors"
    weights.write_text("two epochs")
    if card:
        write_card(weights, card)
    folder.checkpoint.unlink()
    (tmp_path / lost).unlink(missing_ok=True)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(
        TrainingFolderError, match=r"no checkpoint\.pt from which to go on: choose another folder"
    ):
        folder.open(OPTIONS)
    with pytest.raises(TrainingFolderError, match="other settings"):
        folder.open(OPTIONS | {"box": None})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_finished_training_is_told_by_the_card_of_its_weights(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    weights = tmp_path / "student-T1w.safetensors"
    weights.write_text("all epochs")
    write_card(weights)
    assert not folder.open(OPTIONS)
    folder.checkpoint.unlink()
    assert folder.open(OPTIONS)
    with pytest.raises(TrainingFolderError, match="other settings"):
        folder.open(OPTIONS | {"box": None})


def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(
        TrainingFolderError, match="is not empty and holds no training: choose another folder"
    ):
        TrainingFolder(tmp_path).open(OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("content", ['{"colour": "blue"}', "[1, 2]", "not JSON", ""])
def test_settings_of_something_else_are_refused_and_left_alone(content: str, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(TrainingFolderError, match=r"settings\.json does not hold the settings of a training"):
        TrainingFolder(tmp_path).open(OPTIONS)
    assert (tmp_path / "settings.json").read_text() == content


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(TrainingFolderError, match="out is a file: a folder is required"):
        TrainingFolder(tmp_path / "out").open(OPTIONS)


def test_the_log_goes_on_where_the_state_was_kept(tmp_path: Path) -> None:
    """An epoch whose row was written, but not its state, is done and written again."""
    folder = begun(tmp_path, epochs=3)
    folder.save({"epoch": 2}, {"epoch": 2, "train_total": 0.5})
    expected = f"epoch,train_total\n1,{1 / 3}\n2,0.5\n"
    assert folder.log.read_text() == expected
    assert folder.latest(1) == {"epoch": 1.0, "train_total": 1 / 3}
    assert folder.latest(0) == {}
    assert folder.load(CPU) == {"epoch": 2}


def test_nothing_is_loaded_where_nothing_is_kept(tmp_path: Path) -> None:
    assert TrainingFolder(tmp_path).load(CPU) is None
    assert TrainingFolder(tmp_path).latest(5) == {}


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_damaged_state_is_an_error_that_names_it(content: bytes, tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.checkpoint.write_bytes(content)
    with pytest.raises(
        TrainingFolderError, match=r"checkpoint\.pt cannot be read .*: choose another folder, or empty"
    ):
        folder.load(CPU)


def test_leftovers_of_a_process_that_was_killed_are_removed(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    host = "".join(c for c in os.uname().nodename if c.isalnum())
    leftover = tmp_path / f".tmp-{host}-999999999-log.csv"
    leftover.write_text("half")
    folder.open(OPTIONS)
    assert not leftover.exists()


def test_the_same_scans_go_on(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.keep_split(scans(folder))
    folder.keep_split(scans(folder))
    known = json.loads(folder.split.read_text())
    assert list(known) == ["train", "validation", "test"]
    assert known["test"] == {"03": ["sub-03_ses-1-a.safetensors", "sub-03_ses-2-a.safetensors"]}


def test_scans_whose_date_alone_changed_go_on(tmp_path: Path) -> None:
    """They are prepared again, under another name."""
    folder = begun(tmp_path)
    folder.keep_split(scans(folder))
    folder.keep_split(scans(folder, name_train="-b"))
    assert json.loads(folder.split.read_text())["train"] == {"01": ["sub-01-b.safetensors"]}


def test_changed_scans_are_refused_by_subject(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.keep_split(scans(folder))
    before = folder.split.read_bytes()
    changed = scans(folder, name_train="-b", train="other voxels")
    with pytest.raises(
        TrainingFolderError, match=r"begun with \(with other images: 01\): choose another folder"
    ):
        folder.keep_split(changed)
    assert folder.split.read_bytes() == before


def test_a_session_that_came_is_refused(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    parts = scans(folder)
    folder.keep_split({**parts, "test": {"03": parts["test"]["03"][:1]}})
    with pytest.raises(TrainingFolderError, match="with other images: 03"):
        folder.keep_split(parts)


def test_subjects_that_came_went_or_changed_sides_are_refused(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    parts = scans(folder)
    folder.keep_split(parts)
    with pytest.raises(TrainingFolderError, match="new: 04, 05; gone: 01"):
        folder.keep_split({**parts, "train": {"04": [], "05": []}})
    swapped = {"train": parts["test"], "validation": parts["validation"], "test": parts["train"]}
    with pytest.raises(TrainingFolderError, match="now in another part: 01, 03"):
        folder.keep_split(swapped)


def test_before_the_first_epoch_is_finished_subjects_may_change(tmp_path: Path) -> None:
    folder = begun(tmp_path, epochs=0)
    parts = scans(folder)
    folder.keep_split(parts)
    folder.keep_split({**parts, "train": {"04": []}})
    assert json.loads(folder.split.read_text())["train"] == {"04": []}
