"""Real patients as tensors: with the sequences, the labels and the size that they have."""

from __future__ import annotations

from pathlib import Path

import attrs
import cohorts
import pytest
import torch
import trainings
from safetensors.torch import load_file
from subset_trainings import NETWORK, options_of

from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.models.segmentation.subsets import UNKNOWN_PART
from gliomorph.training.any_sequence.options import SubsetOptions
from gliomorph.training.any_sequence.patients import FINER, prepare_patients
from gliomorph.training.scans import TrainingDataError


@pytest.fixture(scope="module")
def bids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patient with four sequences and parts, one with two and an outline, and a healthy dataset's subject."""
    root = tmp_path_factory.mktemp("any")
    whole = trainings.write_dataset(root / "bids", ["01", "02"])
    for modality in ("T1ce", "T2w"):
        trainings.modality_path(whole, "02", modality).unlink()
    labels = next((trainings.masks_of(whole) / "sub-02").rglob("*dseg.nii.gz"))
    outline = read_image(labels)
    write_image(
        from_array((to_array(outline) > 0).astype("uint8"), outline),
        labels.with_name("sub-02_label-tumor_mask.nii.gz"),
    )
    labels.unlink()
    trainings.write_dataset(root / "healthy", ["03"])
    return whole


@pytest.fixture(scope="module")
def options(bids: Path) -> SubsetOptions:
    return options_of(
        bids_dirs=(bids,),
        derivatives={"masks": trainings.masks_of(bids)},
        healthy_dirs=(bids.parent / "healthy",),
        network=attrs.evolve(NETWORK, voxel_mm=8.0),
    )


@pytest.fixture(scope="module")
def tensors(
    options: SubsetOptions, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, torch.Tensor]]:
    files, sources = prepare_patients(options, tmp_path_factory.mktemp("prepared"))
    assert sources == {"01": "bids", "02": "bids", "03": "healthy"}
    return {subject: load_file(paths[0]) for subject, paths in files.items()}


def test_a_sequence_that_is_missing_is_zero_and_the_others_are_standardised(
    tensors: dict[str, dict[str, torch.Tensor]],
) -> None:
    there = {subject: [bool(image.any()) for image in its["images"]] for subject, its in tensors.items()}
    assert there["01"] == there["03"] == [True] * 4
    assert there["02"] == [True, False, False, True]
    image = tensors["01"]["images"][2].float()
    assert image[image != 0].mean().abs() < 0.01
    assert image[image != 0].std() == pytest.approx(1, abs=0.01)


def test_labels_say_what_is_known(tensors: dict[str, dict[str, torch.Tensor]]) -> None:
    values = {subject: set(its["labels"].unique().tolist()) for subject, its in tensors.items()}
    assert values == {"01": {0, 1, 2, 3}, "02": {0, UNKNOWN_PART}, "03": {0}}


def test_voxels_are_finer_than_the_networks(tensors: dict[str, dict[str, torch.Tensor]]) -> None:
    volume_ml = float((tensors["01"]["labels"] > 0).sum()) * (8 / FINER) ** 3 / 1000
    assert volume_ml == pytest.approx(4 / 3 * 3.1416 * cohorts.RADII[2] ** 3 / 1000, rel=0.15)


def test_a_patient_without_any_label_is_named(bids: Path, options: SubsetOptions, tmp_path: Path) -> None:
    with pytest.raises(
        TrainingDataError, match="sub-03: a label map or a tumour mask in a folder given with -d"
    ):
        prepare_patients(
            attrs.evolve(options, bids_dirs=(bids.parent / "healthy",), healthy_dirs=()), tmp_path
        )
