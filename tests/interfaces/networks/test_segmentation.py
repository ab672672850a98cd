"""Segmentation networks on disk: as they were, a refusal that says what the file is, and those that are shipped."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import tiny_networks
import torch
import trainings
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from gliomorph.interfaces.networks import segmentation as module
from gliomorph.interfaces.networks.files import LARGEST, SHIPPED, WeightsError, card_of
from gliomorph.interfaces.networks.segmentation import (
    ANY_SUBSET,
    load_members,
    load_student,
    load_unet,
    read_members,
    read_modalities,
    shipped_student,
    write_unet,
)
from gliomorph.models.regions import MODALITIES
from gliomorph.models.unet import SegmentationSettings

STUDENT = trainings.STUDENT
READERS = [read_modalities, read_members, load_unet, lambda path: load_student(path, "T1w")]
STUDENTS = sorted(SHIPPED.glob("student-*.safetensors"))
LARGEST_FILE = 20e6
"""Bytes of a network that is shipped: it goes with every installation."""


def stored(path: Path, tensors: dict[str, torch.Tensor] | None = None, **changed: Any) -> Path:
    """The file of a student with other tensors or settings than its own."""
    state = STUDENT.build().state_dict() if tensors is None else tensors
    settings = attrs.asdict(STUDENT) | changed
    save_tensors(state, path, metadata={"architecture": "unet", "network": json.dumps(settings)})
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the tests' networks lie."""
    return tmp_path / "net.safetensors"


# What is stored


@pytest.mark.parametrize(
    "settings",
    [
        STUDENT,
        SegmentationSettings(modalities=MODALITIES, width=3, voxel_mm=2.5, skips=False, brain_ml=1500.0),
    ],
    ids=["student", "teacher"],
)
def test_a_network_is_loaded_as_it_was(settings: SegmentationSettings, file: Path) -> None:
    torch.manual_seed(0)
    network = settings.build()
    loaded, found = load_unet(write_unet(network, settings, file))
    assert [found] == [settings] == read_members(file)
    assert read_modalities(file) == settings.modalities
    assert not loaded.training
    before, after = network.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_settings_that_a_file_does_not_name_have_their_defaults(file: Path) -> None:
    save_file({}, file, metadata={"network": json.dumps({"modalities": ["FLAIR"]})})
    assert read_members(file) == [SegmentationSettings(modalities=["FLAIR"])]


def test_weights_of_half_precision_are_used_in_single(file: Path) -> None:
    network, _ = load_unet(write_unet(STUDENT.build().half(), STUDENT, file))
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32}


# What is no network of ours


class Trap:
    """Would make a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("read", READERS)
def test_a_pickle_is_refused_and_never_run(read: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps(Trap(tmp_path / "owned")))
    with pytest.raises(WeightsError, match=r"model\.pt: not a safetensors file"):
        read(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_is_missing_cut_short_or_someone_elses_is_refused(read: Any, file: Path) -> None:
    with pytest.raises(WeightsError, match=r"net\.safetensors: cannot be read"):
        read(file)
    file.write_bytes(stored(file).read_bytes()[:-10])
    with pytest.raises(WeightsError, match=r"net\.safetensors: not a safetensors file"):
        read(file)
    save_file({"a": np.zeros(2, np.float32)}, file)
    with pytest.raises(WeightsError, match=r"net\.safetensors: no segmentation network of gliomorph in it"):
        read(file)


@pytest.mark.parametrize("read", READERS)
def test_a_registration_network_is_refused_with_its_option(read: Any, tmp_path: Path) -> None:
    path = tiny_networks.write_tiny(tmp_path, "metamorph-r")
    with pytest.raises(
        WeightsError, match=r"no segmentation network .* is given with --registration-weights"
    ):
        read(path)


@pytest.mark.parametrize("text", ["{", "[]", "null", "[" * 100_000])
def test_settings_that_are_no_object_are_refused(text: str, file: Path) -> None:
    save_file({}, file, metadata={"network": text})
    with pytest.raises(WeightsError, match="the settings of its network have to be a JSON object"):
        load_unet(file)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"attention": True, "heads": 3}, r"does not know: \['attention', 'heads'\]; .* newer gliomorph"),
        ({"width": "2"}, "setting width of its network: an integer up to 4096 is required, got '2'"),
        ({"width": 2.0}, "an integer up to 4096 is required, got 2.0"),
        ({"width": True}, "an integer up to 4096 is required, got True"),
        ({"width": LARGEST + 1}, "an integer up to 4096 is required, got 4097"),
        ({"width": 10**400}, "an integer up to 4096 is required, got 1000"),
        ({"width": 0}, "'width' must be >= 1: 0"),
        ({"width": -4}, "'width' must be >= 1: -4"),
        ({"voxel_mm": "3"}, "setting voxel_mm of its network: a number up to 4096 is required, got '3'"),
        ({"voxel_mm": None}, "a number up to 4096 is required, got None"),
        ({"voxel_mm": [3.0]}, r"a number up to 4096 is required, got \[3\.0\]"),
        ({"voxel_mm": float("nan")}, "a number up to 4096 is required, got nan"),
        ({"voxel_mm": float("inf")}, "a number up to 4096 is required, got inf"),
        ({"voxel_mm": 0.01}, "'voxel_mm' must be >= 0.5: 0.01"),
        ({"voxel_mm": -1}, "'voxel_mm' must be >= 0.5: -1"),
        ({"voxel_mm": 9}, "'voxel_mm' must be <= 8: 9"),
        ({"brain_ml": -1.0}, "'brain_ml' must be >= 0: -1"),
        ({"brain_ml": 4000}, "'brain_ml' must be <= 3000: 4000"),
        ({"brain_ml": float("nan")}, "a number up to 4096 is required, got nan"),
        ({"skips": 1}, "setting skips of its network: true or false is required, got 1"),
        ({"modalities": []}, "Length of 'modalities' must be >= 1: 0"),
        ({"modalities": ["T1w", "PD"]}, "'modalities' must be in .*'PD'"),
        ({"modalities": "T1w"}, "no segmentation network of gliomorph in it"),
        ({"modalities": 1}, "no segmentation network of gliomorph in it"),
        ({"modalities": [1]}, "no segmentation network of gliomorph in it"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(changed: dict[str, Any], said: str, file: Path) -> None:
    stored(file, **changed)
    for read in (read_members, load_unet, READERS[-1]):
        with pytest.raises(WeightsError, match=rf"net\.safetensors: .*{said}"):
            read(file)


def test_words_of_a_file_cannot_drive_the_terminal(file: Path) -> None:
    stored(file, **{"\x1b[2J" + "x" * 1000: 1})
    with pytest.raises(WeightsError, match=r"'\\x1b\[2Jx+\.\.\.x+'") as caught:
        load_unet(file)
    assert "\x1b" not in str(caught.value)


# Tensors


def test_tensors_that_do_not_fit_are_named(file: Path) -> None:
    state = STUDENT.build().state_dict()
    count = len(state)
    stored(file, {name: tensor for name, tensor in state.items() if name != "head.bias"})
    said = rf"{count} tensors expected, {count - 1} found; 'head\.bias': expected \[4\], found no such tensor"
    with pytest.raises(WeightsError, match=f"not the segmentation network of its settings: {said}"):
        load_unet(file)
    stored(file, state | {"trojan": torch.zeros(2)})
    with pytest.raises(WeightsError, match=r"'trojan': expected no such tensor, found \[2\]"):
        load_unet(file)
    stored(file, state | {"head.bias": torch.zeros(5)})
    with pytest.raises(WeightsError, match=r"'head\.bias': expected \[4\], found \[5\]"):
        load_unet(file)
    stored(file, skips=False)
    with pytest.raises(WeightsError, match=r"'up\.0\.0\.0\.weight': expected \[4, 8, .*\], found \[4, 16, "):
        load_unet(file)


def test_a_network_that_would_fill_the_memory_is_refused_before_it_is_made(file: Path) -> None:
    stored(file, width=LARGEST)
    with pytest.raises(WeightsError, match=r"expected \[32768\], found \[16\]"):
        load_unet(file)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused(value: float, file: Path) -> None:
    state = STUDENT.build().state_dict()
    state["bottleneck.0.0.weight"][0, 0, 0, 0, 0] = value
    stored(file, state)
    with pytest.raises(
        WeightsError, match=r"finite weights are required, those of bottleneck\.0\.0\.weight are not"
    ):
        load_unet(file)


# Whose images it reads


@pytest.mark.parametrize("modalities", [("T1w",), MODALITIES])
def test_a_student_reads_the_modality_asked_for_and_no_other(modalities: tuple[str, ...], file: Path) -> None:
    settings = attrs.evolve(STUDENT, modalities=modalities)
    write_unet(settings.build(), settings, file)
    with pytest.raises(
        WeightsError, match=f"reads FLAIR is required, this one reads {', '.join(modalities)}$"
    ):
        load_student(file, "FLAIR")
    if modalities == ("T1w",):
        assert [found for _, found in load_student(file, "T1w")] == [settings]


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_network_for_any_subset_does_with_each_of_its_modalities(modality: str, file: Path) -> None:
    settings = attrs.evolve(STUDENT, modalities=MODALITIES, subsets=True)
    write_unet(settings.build(), settings, file)
    assert [found for _, found in load_student(file, modality)] == [settings]


# What is shipped


def test_the_network_for_any_subset_is_taken_for_every_modality_and_none_for_an_unknown_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert {shipped_student(modality) for modality in MODALITIES} == {ANY_SUBSET}
    assert shipped_student("PD") is None
    monkeypatch.setattr(module, "SHIPPED", tmp_path)
    assert shipped_student("T1w") is None
    (tmp_path / "student-T1w.safetensors").touch()
    assert shipped_student("T1w") == tmp_path / "student-T1w.safetensors"


def test_the_shipped_network_for_any_subset_is_what_its_card_says() -> None:
    card, members = card_of(ANY_SUBSET), load_members(ANY_SUBSET)
    assert card is not None, "a card of these very weights is required, by their sha256"
    assert card["input"]["modalities"] == list(MODALITIES)
    assert card["input"]["voxel_mm"] == [settings.voxel_mm for _, settings in members]
    assert {settings.threshold for _, settings in members} == {card["threshold"]}
    assert all(settings.subsets and settings.modalities == MODALITIES for _, settings in members)
    assert card["parameters"] == sum(p.numel() for network, _ in members for p in network.parameters())
    assert ANY_SUBSET.stat().st_size <= LARGEST_FILE


@pytest.mark.parametrize("path", STUDENTS, ids=lambda path: path.stem)
def test_a_shipped_student_is_what_its_name_and_its_card_say(path: Path) -> None:
    modality = path.stem.removeprefix("student-")
    members = load_student(path, modality)
    card = card_of(path)
    assert card is not None, "a card of these very weights is required, by their sha256"
    assert card["weights"]["file"] == path.name
    assert card["input"]["modalities"] == [modality]
    sizes = [settings.voxel_mm for _, settings in members]
    assert card["input"]["voxel_mm"] == (sizes if len(sizes) > 1 else sizes[0])
    assert card["parameters"] == sum(p.numel() for network, _ in members for p in network.parameters())
    assert path.stat().st_size <= LARGEST_FILE
