"""Several networks in one file: what they are, what they say together, and what cannot be joined."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import torch
import trainings
from safetensors.torch import save_file

from gliomorph.cli import train as cli_train
from gliomorph.interfaces.networks.files import WeightsError, card_of, weights_sha256
from gliomorph.interfaces.networks.segmentation import (
    MOST_MEMBERS,
    load_members,
    load_unet,
    read_members,
    read_modalities,
)
from gliomorph.models.unet import SegmentationSettings
from gliomorph.training.segmentation.ensemble import join

FINE = attrs.evolve(trainings.STUDENT, voxel_mm=2.0, width=3)


@pytest.fixture
def networks(tmp_path: Path) -> list[Path]:
    """Networks of two voxel sizes and widths."""
    return [
        trainings.write_network(tmp_path / "coarse.safetensors", trainings.STUDENT, seed=1),
        trainings.write_network(tmp_path / "fine.safetensors", FINE, seed=2),
    ]


def test_members_come_back_as_they_were(networks: list[Path], tmp_path: Path) -> None:
    joined = join(networks, tmp_path / "both.safetensors")
    assert read_modalities(joined) == ("T1w",)
    assert read_members(joined) == [trainings.STUDENT, FINE]
    for (found, settings), path in zip(load_members(joined), networks, strict=True):
        network, known = load_unet(path)
        assert settings == known
        assert not found.training
        before, after = network.state_dict(), found.state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
    first, _ = load_unet(joined)
    assert torch.equal(first.head.bias, load_unet(networks[0])[0].head.bias)


def test_same_networks_make_the_same_file(networks: list[Path], tmp_path: Path) -> None:
    one, other = (join(networks, tmp_path / name / "e.safetensors") for name in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()


def test_the_card_tells_of_every_member(networks: list[Path], tmp_path: Path) -> None:
    known = {"history": "trained", "weights": {"sha256": weights_sha256(networks[0])}}
    networks[0].with_suffix(".json").write_text(json.dumps(known))
    card = card_of(join(networks, tmp_path / "both.safetensors"))
    assert card is not None
    assert card["input"]["voxel_mm"] == [4.0, 2.0]
    assert card["members"][0] == known
    assert card["members"][1]["weights"]["sha256"] == weights_sha256(networks[1])
    single = sum(p.numel() for path in networks for p in load_unet(path)[0].parameters())
    assert card["parameters"] == single


def test_a_threshold_that_is_given_travels_with_every_member(networks: list[Path], tmp_path: Path) -> None:
    joined = join(networks, tmp_path / "both.safetensors", 0.4)
    assert [settings.threshold for settings in read_members(joined)] == [0.4, 0.4]
    card = card_of(joined)
    assert card is not None
    assert card["threshold"] == 0.4


def test_the_card_of_networks_for_any_subset_says_so(tmp_path: Path) -> None:
    settings = attrs.evolve(trainings.TEACHER, subsets=True)
    paths = [trainings.write_network(tmp_path / f"{seed}.safetensors", settings, seed) for seed in (1, 2)]
    card = card_of(join(paths, tmp_path / "any.safetensors"))
    assert card is not None
    assert card["role"] == "any subset of the sequences"
    assert "0 throughout" in card["input"]["missing"]


@pytest.mark.parametrize(
    ("taken", "out", "said"),
    [
        ([0], "both.safetensors", "two networks or more are required, got 1"),
        ([0] * (MOST_MEMBERS + 1), "both.safetensors", f"1 to {MOST_MEMBERS} networks .* got {MOST_MEMBERS + 1}"),
        ([0, 1], "both.pt", r"both\.pt: a new name that ends in \.safetensors is required"),
        ([0, 1], "fine.safetensors", r"fine\.safetensors: a new name"),
        ([0, 2], "both.safetensors", r"coarse\.safetensors, other\.safetensors: .* that read the same .* T1ce; T1w"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_one_line(
    taken: list[int],
    out: str,
    said: str,
    networks: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = SegmentationSettings(modalities=("T1ce",), width=2)
    networks.append(trainings.write_network(tmp_path / "other.safetensors", other))
    before = {path: path.read_bytes() for path in networks}
    words = [str(networks[index]) for index in taken]
    assert cli_train.main(["ensemble", str(tmp_path / out), *words]) == 1
    with pytest.raises(ValueError, match=said):
        join([networks[index] for index in taken], tmp_path / out)
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert {path: path.read_bytes() for path in networks} == before
    assert not (tmp_path / "both.safetensors").exists()


def test_the_command_says_what_it_has_made(
    networks: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both.safetensors"
    assert cli_train.main(["ensemble", str(out), *map(str, networks)]) == 0
    assert capsys.readouterr().out == f"{out} and its model card both.json\n"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([], "a list of 1 to 8 members is required"),
        ("T1w", "a list of 1 to 8 members is required"),
        ([{"modalities": ["T1w"]}] * 9, "a list of 1 to 8 members is required"),
        ([1], "the settings of each member have to be a JSON object"),
        ([{"modalities": ["T1ce"]}], "members that all read T1w are required"),
        ([{"modalities": ["T1w"], "width": "2"}], "setting width of its network: an integer"),
    ],
)
def test_members_that_cannot_be_used_are_refused(members: object, said: str, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({}, path, metadata={"network": json.dumps({"modalities": ["T1w"], "members": members})})
    with pytest.raises(WeightsError, match=rf"net\.safetensors: .*{said}"):
        load_members(path)
