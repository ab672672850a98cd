"""What the card of a network says, and where its figures come from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
import trainings

from gliomorph.interfaces.networks.files import card_of
from gliomorph.models.regions import MODALITIES
from gliomorph.models.segmentation.inference import decide, probabilities
from gliomorph.models.segmentation.metrics import measure
from gliomorph.models.segmentation.training import Batch
from gliomorph.training.segmentation.card import model_card


class Truth(torch.nn.Module):
    """Reads the classes in its image: 0, 1, 2, 3 are told by numbers from 0 to 3."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(5))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(image[:, 0].round().long(), 4).movedim(-1, 1).float()


def heads(count: int = 2) -> list[Batch]:
    """In channel 2 the truth, up to some voxels."""
    batches = []
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(4, (1, 16, 16, 16), generator=generator)
        seen = torch.where(torch.rand(labels.shape, generator=generator) < 0.9, labels, 3 - labels)
        batches.append(
            Batch(images=torch.stack([0 * seen, 0 * seen, seen, 0 * seen], 1).float(), labels=labels)
        )
    return batches


def made(folder: Path, **changed: Any) -> dict[str, Any]:
    """The card of a student that reads channel 2."""
    weights = folder / "student.safetensors"
    weights.write_bytes(b"weights")
    counts = {"train": 8, "validation": 2, "test": 2}
    options = trainings.options_of(**changed)
    card = model_card(Truth(), options, counts, heads(), [2], weights)  # type: ignore[arg-type]
    plain: dict[str, Any] = json.loads(json.dumps(card, allow_nan=False))
    return plain


def test_what_a_user_should_know_is_there(tmp_path: Path) -> None:
    card = made(tmp_path)
    assert card["task"] == "brain tumour segmentation: NCR, ED, ET"
    assert card["role"] == "student"
    assert card["input"]["modalities"] == ["T1w"]
    assert card["input"]["voxel_mm"] == 4
    assert list(card["labels"]) == ["0", "1", "2", "3"]
    assert "4" in card["labels"]["3"]
    assert card["parameters"] == 5
    assert card["training_data"]["examples"] == {"train": 8, "validation": 2, "test": 2}
    assert card["measured_on"].startswith("2 test scans")
    assert card["weights"] == {
        "file": "student.safetensors",
        "sha256": hashlib.sha256(b"weights").hexdigest(),
    }
    assert "not for diagnosis" in card["limits"]
    assert card["settings"]["batch_size"] == 2
    assert card["generated_by"].startswith("gliomorph ")


def test_the_source_of_the_patients_is_told(tmp_path: Path) -> None:
    assert made(tmp_path)["training_data"]["source"].startswith(
        "simulated patients of the data engine on Tiny"
    )
    card = made(tmp_path, simulated=0, bids_dir=Path("data/glioma"), template="MNI152")
    assert card["training_data"]["source"] == "BIDS dataset glioma"


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (["start"], "weights that it began with may have been trained on some"),
        (["teacher"], "weights that taught it may have been trained on some"),
        (["start", "teacher"], "weights that it began with and those that taught it may have been"),
    ],
)
def test_what_other_weights_have_seen_is_not_known(read: list[str], told: str, tmp_path: Path) -> None:
    file = trainings.write_network(tmp_path / "other.safetensors", trainings.STUDENT)
    method = "kl" if "teacher" in read else "baseline"
    files: dict[str, Any] = {"start": (file,), "teacher": file}
    card = made(tmp_path, method=method, **{name: files[name] for name in read})
    assert told in card["measured_on"]
    assert made(tmp_path)["measured_on"].endswith("who were not used in this training")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weights": "w"}', '{"weights": {"sha256": "of others"}}'])
def test_a_card_is_read_if_it_is_of_the_weights_beside_it(text: str, tmp_path: Path) -> None:
    card = made(tmp_path)
    weights, path = tmp_path / "student.safetensors", tmp_path / "student.json"
    assert card_of(weights) is None
    path.write_text(json.dumps(card))
    assert card_of(weights) == card
    path.write_text(text)
    assert card_of(weights) is None


def test_networks_without_skip_connections_are_told(tmp_path: Path) -> None:
    assert "no skip-connections" not in made(tmp_path)["architecture"]
    network = attrs.evolve(trainings.STUDENT, skips=False)
    assert made(tmp_path, network=network)["architecture"].endswith("no skip-connections")


def test_figures_are_means_over_the_test_heads(tmp_path: Path) -> None:
    """As the pipeline decides: mirrored, from the whole to its parts; distances in millimetres."""
    card, truth = made(tmp_path), Truth()
    figures = []
    for batch in heads():
        seen = batch.images[:, [2]]
        predicted = decide(probabilities(truth, seen[0], mirrored=True).numpy(), 4.0**3)  # type: ignore[arg-type]
        figures.append(measure(predicted, batch.labels[0].numpy(), [4.0] * 3, (seen[0, 0] != 0).numpy()))
    for name in ("WT_dice", "ET_hausdorff95", "TC_specificity"):
        values = [figure[name] for figure in figures]
        assert card["metrics"][name]["mean"] == pytest.approx(np.mean(values), abs=5e-5)
        assert card["metrics"][name]["sd"] == pytest.approx(np.std(values, ddof=1), abs=5e-5)
        assert card["metrics"][name]["n"] == 2
    assert 0.5 < card["metrics"]["WT_dice"]["mean"] < 1


def test_a_teachers_channels_are_named(tmp_path: Path) -> None:
    card = made(tmp_path, role="teacher", network=trainings.TEACHER)
    assert card["input"]["modalities"] == card["training_data"]["modalities"] == list(MODALITIES)
