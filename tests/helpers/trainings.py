"""Data on which a segmentation network is trained in seconds, and trainings of it.

Heads of :mod:`cohorts` at 4 mm in four modalities that look different, networks of width 2, boxes of 16 voxels.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cohorts
import numpy as np
import SimpleITK as sitk
import torch

from gliomorph.interfaces.datasets.templates import load_template
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.networks.segmentation import write_unet
from gliomorph.models.regions import MODALITIES
from gliomorph.models.segmentation.training import Optimisation
from gliomorph.models.synthesis.engine import DataEngine
from gliomorph.models.unet import SegmentationSettings
from gliomorph.training.folder import TrainingFolder
from gliomorph.training.segmentation.data import engine_of
from gliomorph.training.segmentation.options import TrainingOptions
from gliomorph.training.segmentation.train import train

SUBJECTS = {"01": "01", "02": "02", "03": "03", "04": "04", "05": "01", "06": "02", "07": "03"}
"""And which of the heads of :mod:`cohorts` each has."""
VOXEL_MM = 4.0
BOX = (16, 16, 16)
ENTITIES = {"T1w": "T1w", "T1ce": "ce-gadolinium_T1w", "T2w": "T2w", "FLAIR": "FLAIR"}
POWERS = {"T1w": 1.0, "T1ce": 2.0, "T2w": -1.0, "FLAIR": 0.5}
"""What a head's intensity is raised to in each modality."""

STUDENT = SegmentationSettings(modalities=("T1w",), width=2, voxel_mm=VOXEL_MM)
TEACHER = SegmentationSettings(modalities=MODALITIES, width=2, voxel_mm=VOXEL_MM)


def modality_path(bids: Path, subject: str, modality: str) -> Path:
    return bids / f"sub-{subject}" / "anat" / f"sub-{subject}_{ENTITIES[modality]}.nii.gz"


def masks_of(bids: Path) -> Path:
    """The folder with the label maps."""
    return bids / "derivatives" / "masks"


def write_dataset(bids: Path, subjects: Iterable[str] = SUBJECTS) -> Path:
    """A BIDS dataset with all modalities and label maps of some of :data:`SUBJECTS`."""
    cohorts.write_cohort(bids, [])
    for subject in subjects:
        cohorts.write_subject(bids, subject, like=SUBJECTS[subject])
        image = read_image(modality_path(bids, subject, "T1w"))
        voxels = to_array(image)
        signal = np.where(voxels > 0, voxels / 1000, 1)
        for modality in MODALITIES[1:]:
            changed = np.where(voxels > 0, 1000 * signal ** POWERS[modality], 0).astype(np.float32)
            write_image(from_array(changed, image), modality_path(bids, subject, modality))
    return bids


def change_image(path: Path, change: Callable[[np.ndarray], object]) -> None:
    """Write an image again after ``change`` has been at its voxels (X, Y, Z)."""
    image = read_image(path)
    voxels = to_array(image).copy()
    change(voxels)
    write_image(from_array(voxels.astype(np.float32), image), path)


def shift_image(path: Path, offset_mm: Iterable[float]) -> None:
    """Write an image again with another origin."""
    image = read_image(path)
    image.SetOrigin((np.array(image.GetOrigin()) + list(offset_mm)).tolist())
    write_image(sitk.Cast(image, sitk.sitkFloat32), path)


def options_of(bids: Path | None = None, epochs: int = 3, **changed: Any) -> TrainingOptions:
    """A student on a dataset, or on simulated patients."""
    known: dict[str, Any] = {
        "role": "student",
        "network": STUDENT,
        "optimisation": Optimisation(epochs=epochs, learning_rate=1e-2),
        "box": BOX,
        "batch_size": 2,
    }
    if bids is None:
        known |= {"simulated": 3, "held_out": 2, "template": "Tiny"}
    else:
        known |= {"bids_dir": bids, "derivatives": {"masks": masks_of(bids)}}
    return TrainingOptions(**{**known, **changed})


def engine_from(template_home: Path, modalities: Iterable[str] = ("T1w",)) -> DataEngine:
    """Small patients on the template of ``conftest``."""
    return engine_of(load_template("Tiny", 4, [template_home]), tuple(modalities), BOX, "cpu")


def run(options: TrainingOptions, folder: Path, **arguments: Any) -> Path:
    """The training, without a word."""
    return train(options, TrainingFolder(folder), **{"gpu": "none", "report": lambda line: None, **arguments})


def write_network(path: Path, settings: SegmentationSettings = TEACHER, seed: int = 1) -> Path:
    """Random weights."""
    torch.manual_seed(seed)
    return write_unet(settings.build(), settings, path)


def log_of(folder: Path) -> list[dict[str, str]]:
    """Rows of the log without the time that they took."""
    with TrainingFolder(folder).log.open(newline="") as lines:
        return [
            {name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(lines)
        ]


def kept(folder: Path) -> dict[str, Any]:
    """What a training leaves that has to be the same for two equal ones."""
    weights = next(folder.glob("*.safetensors"))
    return {
        "log": log_of(folder),
        "weights": weights.read_bytes(),
        "state": TrainingFolder(folder).load(torch.device("cpu")),
    }
