"""Examples of real patients: as they are for judging, changed and without some sequences for training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gliomorph.models.unet import standardize
from gliomorph.training.any_sequence.examples import (
    SubsetExamples,
    as_they_are,
    one_subset_each,
    present_in,
    subsets_of,
    with_only,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A scan without T2w."""
    images, labels = torch.zeros(4, 32, 40, 32), torch.zeros(32, 40, 32, dtype=torch.uint8)
    images[:, 4:28, 4:36, 4:28] = 1 + torch.rand(24, 32, 24, generator=torch.Generator().manual_seed(0))
    labels[8:14, 10:20, 10:20] = 2
    images = torch.stack([standardize(image) for image in images])
    images[2] = 0
    path = tmp_path / "scan.safetensors"
    save_file({"images": images.half(), "labels": labels}, path)
    return path


def test_it_is_read_as_it_is_on_the_networks_voxels(file: Path) -> None:
    images, labels = as_they_are(file)
    assert images.shape == (4, 16, 24, 16)
    assert labels.shape == (16, 24, 16)
    assert present_in(images) == [0, 1, 3]
    assert int((labels == 2).sum()) == 3 * 5 * 5


def test_it_is_judged_by_each_sequence_alone_and_by_all(file: Path) -> None:
    images, _ = as_they_are(file)
    assert subsets_of(images) == {"T1w": [0], "T1ce": [1], "FLAIR": [3], "all": [0, 1, 3]}
    assert list(subsets_of(with_only(images, [3]))) == ["FLAIR"]


def test_training_examples_are_of_one_shape_and_vary_in_sequences(file: Path) -> None:
    examples = SubsetExamples(files=(file,), seed=0, box=(16, 16, 16), passes=12)
    assert len(examples) == 12
    given = set()
    for index in range(12):
        images, labels = examples.read(index, 0)
        assert images.shape == (4, 16, 16, 16)
        assert set(labels.unique().tolist()) <= {0, 2}
        given.add(tuple(present_in(images)))
    assert len(given) > 3
    assert not any(2 in channels for channels in given)


def test_one_number_is_one_example(file: Path) -> None:
    examples = SubsetExamples(files=(file,), seed=0, box=(16, 16, 16), passes=2)
    assert torch.equal(examples.read(1, 3)[0], examples.read(1, 3)[0])
    assert not torch.equal(examples.read(1, 3)[0], examples.read(1, 4)[0])


def test_validation_takes_the_subsets_in_turn(file: Path) -> None:
    given = [present_in(batch.images[0]) for batch in one_subset_each((file,) * 5)]
    assert given == [[0], [1], [3], [0, 1, 3], [0]]
