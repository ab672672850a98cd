"""Painted people as pairs with a template: aligned, of its intensities, others in every epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantoms
import pytest
import registration_trainings
import SimpleITK as sitk
import torch
from label_maps import VOXEL_MM, head_labels
from safetensors.torch import load_file

from gliomorph.interfaces.files.images import from_array, to_array, write_image
from gliomorph.training.registration.data import Target
from gliomorph.training.registration.people import PeoplePairs, prepare_people
from gliomorph.training.scans import TrainingDataError


@pytest.fixture(scope="module")
def target(template_home: Path) -> Target:
    return registration_trainings.target_from(template_home)


@pytest.fixture(scope="module")
def files(target: Target, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("anatomies")
    labels = head_labels().astype(np.int16)
    grid = phantoms.grid(labels.shape, (VOXEL_MM,) * 3)
    write_image(from_array(labels, grid), folder / "round_dseg.nii.gz")
    return prepare_people(folder, target, folder / "prepared", lambda line: None)


def pairs(files: dict[str, Path], target: Target, part: int = 0) -> PeoplePairs:
    return PeoplePairs(files=tuple(files.values()), target=target, count=4, seed=2, part=part)


def test_a_person_is_aligned_with_the_template(files: dict[str, Path], target: Target) -> None:
    labels = load_file(files["round"])["labels"].numpy()
    inside = np.isin(labels, (2, 3, 4, 41, 42, 43))
    brain = to_array(target.brain) > 0
    assert labels.shape == brain.shape
    assert 2 * (inside & brain).sum() / (inside.sum() + brain.sum()) > 0.8


def test_left_stays_left(files: dict[str, Path], target: Target) -> None:
    """The right white matter (41) lies on the same side of the left one (2) as in the given map."""
    given = head_labels()
    grid = phantoms.grid(given.shape, (VOXEL_MM,) * 3)
    before = rightwards(from_array(given.astype(np.int16), grid))
    after = rightwards(from_array(load_file(files["round"])["labels"].numpy(), target.image))
    assert abs(before) > 20
    assert after == pytest.approx(before, abs=10)


def rightwards(image: sitk.Image) -> float:
    """How far the middle of the right white matter is from that of the left one, along the patient's x (mm)."""
    left, right = (np.argwhere(to_array(image) == label).mean(0).tolist() for label in (2, 41))
    ends = (image.TransformContinuousIndexToPhysicalPoint(place)[0] for place in (left, right))
    return float(np.subtract(*ends))


def test_pairs_have_the_grid_and_the_range_of_the_template(files: dict[str, Path], target: Target) -> None:
    pair = pairs(files, target).read(0, 0)
    assert pair.moving.shape == pair.fixed.shape == pair.mask.shape
    assert pair.moving.min() >= 0
    assert pair.moving.max() <= 1
    assert set(pair.mask.unique().tolist()) <= {0.0, 1.0}
    assert (pair.moving[pair.brain > 0] > 0).float().mean() > 0.7


def test_training_people_are_new_in_every_epoch_and_held_out_ones_stay(
    files: dict[str, Path], target: Target
) -> None:
    for part, stays in ((0, False), (1, True)):
        first, later = (pairs(files, target, part).read(1, epoch).moving for epoch in (0, 1))
        assert torch.equal(first, later) == stays


def test_a_folder_without_label_maps_is_named(target: Target, tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=f"{tmp_path}.*_dseg"):
        prepare_people(tmp_path, target, tmp_path, print)
