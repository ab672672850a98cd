"""Checks before a run."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cohorts
import pytest
import tiny_networks
from changed_settings import changed

from gliomorph.config.option import SettingsError
from gliomorph.config.settings import Settings
from gliomorph.interfaces.machine.device import DeviceError
from gliomorph.interfaces.networks.files import weights_sha256
from gliomorph.workflows.checks import validation
from gliomorph.workflows.checks.validation import (
    check_folders,
    check_gpu,
    network_notices,
    summary_of,
    validate_bids,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "bids").mkdir()
    folders = {"bids_dir": tmp_path / "bids", "output_dir": tmp_path / "out", "work_dir": tmp_path / "work"}
    return Settings.of(**folders, registration=("affine",))


def test_valid_dataset_has_no_errors(tmp_path: Path) -> None:
    assert validate_bids(cohorts.write_cohort(tmp_path / "bids", ["01"])) == []


def test_damaged_file_of_a_subject_is_told_and_stops_nothing(tmp_path: Path) -> None:
    bids = cohorts.write_cohort(tmp_path / "bids", ["01"])
    cohorts.image_path(bids, "01").write_bytes(b"")
    (text,) = {line.split(":")[0] for line in validate_bids(bids)}
    assert text == "/sub-01/anat/sub-01_T1w.nii.gz"


def test_dataset_without_description_is_refused_with_the_way_out(tmp_path: Path) -> None:
    bids = cohorts.write_cohort(tmp_path / "bids", ["01"])
    (bids / "dataset_description.json").unlink()
    with pytest.raises(SettingsError, match=r"is not a valid BIDS dataset(.|\n)*--skip-bids-validation"):
        validate_bids(bids)


def test_missing_validator_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="bids-validator-deno is not installed"):
        validate_bids(tmp_path)


def test_validator_that_fails_is_told_with_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bids-validator-deno"
    tool.write_text("#!/bin/sh\necho first >&2\necho out of luck >&2\nexit 3\n")
    tool.chmod(0o755)
    monkeypatch.setattr(validation.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(SettingsError, match=r"bids-validator-deno failed on .*: out of luck"):
        validate_bids(tmp_path)


def test_folders_are_made_and_left_clean(settings: Settings) -> None:
    check_folders(settings.output_dir, settings.resources.work_dir)
    assert list(settings.output_dir.iterdir()) == []
    assert list(settings.resources.work_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "name"), [("output_dir", "output_dir"), ("work_dir", "the work directory")]
)
def test_folder_that_is_a_file_is_named(settings: Settings, folder: str, name: str) -> None:
    settings.options()[folder].write_text("I was here first")
    with pytest.raises(SettingsError, match=rf"{name} .* cannot be written"):
        check_folders(settings.output_dir, settings.resources.work_dir)


def test_full_disk_is_found_though_it_has_room_for_a_name(settings: Settings, monkeypatch: Any) -> None:
    class Full:
        def write(self, content: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(validation.tempfile, "TemporaryFile", lambda **_: contextlib.nullcontext(Full()))
    with pytest.raises(SettingsError, match=r"output_dir .* cannot be written: No space left on device"):
        check_folders(settings.output_dir, settings.resources.work_dir)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission_is_named(settings: Settings) -> None:
    settings.output_dir.mkdir(mode=0o500)
    with pytest.raises(SettingsError, match=r"output_dir .* cannot be written: Permission denied"):
        check_folders(settings.output_dir, settings.resources.work_dir)


@pytest.mark.parametrize("words", [["all"], ["register"], ["segment", "register"]])
def test_gpu_that_is_required_and_missing_is_refused(
    settings: Settings, monkeypatch: Any, words: list[str]
) -> None:
    def none(gpu: str) -> str:
        raise DeviceError("there is none")

    monkeypatch.setattr(validation, "choose_device", none)
    with pytest.raises(SettingsError, match=f"--gpu {' '.join(words)}: torch sees no CUDA device here"):
        check_gpu_of(changed(settings, gpu=words))
    check_gpu_of(changed(settings, gpu=words, worker="slurm"))  # it is looked for where the jobs run
    for word in ("auto", "none"):
        check_gpu_of(changed(settings, gpu=word))


@pytest.fixture
def with_card(settings: Settings, tmp_path: Path) -> Callable[..., Settings]:
    """Settings with a network of MetaMorph-R, and beside it a card with what a test says of it."""

    def write(card: Any, **options: Any) -> Settings:
        path = tiny_networks.write_tiny(tmp_path, "metamorph-r", "own.safetensors")
        described = {"weights": {"sha256": weights_sha256(path)}}
        path.with_suffix(".json").write_text(json.dumps(card | described if isinstance(card, dict) else card))
        learned = {"registration": ("syn", "metamorph-r"), "registration_weights": [path]}
        return changed(settings, **learned | options)

    return write


def check_gpu_of(settings: Settings) -> None:
    check_gpu(settings.resources, settings.cluster.worker)


def notices_of(settings: Settings) -> list[str]:
    return network_notices(settings.processing, settings.inputs.modality)


TRAINED = {"templates": [{"name": "SRI24"}, {"name": "MNI152"}], "input": {"modalities": ["T1w"]}}


def test_template_that_the_network_was_not_trained_for_is_told_with_the_way_out(
    with_card: Callable[..., Settings],
) -> None:
    (told,) = notices_of(with_card(TRAINED, template="Colin27", refine=7))
    assert told == (
        "metamorph-r: its network (own.safetensors) was trained for SRI24 and MNI152; its answer for another template, "
        "Colin27, was not measured: 7 iterations of --refine follow it on each pair, and --registration metamorphosis "
        "does without a network"
    )
    (told,) = notices_of(with_card(TRAINED, template="Colin27", refine=0))
    assert "was not measured: --refine N lets N iterations follow it on each pair" in told


def test_modality_that_the_network_does_not_read_is_told(with_card: Callable[..., Settings]) -> None:
    (told,) = notices_of(with_card(TRAINED, modality="FLAIR"))
    assert "was trained for T1w; its answer for another modality, FLAIR, was not measured" in told


@pytest.mark.parametrize("template", ["SRI24", "MNI152"])
def test_nothing_is_said_where_the_network_was_trained_for_the_template(
    with_card: Callable[..., Settings], settings: Settings, template: str
) -> None:
    assert notices_of(with_card(TRAINED, template=template)) == []
    assert notices_of(changed(settings, template=template, registration=("metamorph-r",))) == []


def test_shipped_network_is_told_to_be_unmeasured_on_a_template_of_ones_own(settings: Settings) -> None:
    (told,) = notices_of(changed(settings, template="Colin27", registration=("metamorph-r",)))
    assert told.startswith("metamorph-r: its network (metamorph-r.safetensors) was trained for ")


@pytest.mark.parametrize(
    "card",
    [{}, [], {"templates": "SRI24", "input": []}, {"templates": [1, {"name": 2}, {"name": "\x1b[2J"}]}],
)
def test_nothing_is_said_of_a_network_whose_card_says_nothing(
    with_card: Callable[..., Settings], card: Any
) -> None:
    learned = with_card(card, template="Colin27", modality="FLAIR")
    assert notices_of(learned) == []
    learned.processing.registration_weights[0].with_suffix(".json").unlink()
    assert notices_of(learned) == []


def test_long_lists_are_cut() -> None:
    assert summary_of(["a", "b"]) == ["a", "b"]
    assert summary_of(list("abcdefg"), most=3) == ["a", "b", "c", "… and 4 more"]
