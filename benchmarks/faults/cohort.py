"""The cohort: eight small heads at 4 mm with BraTS labels and a template, drawn: a run takes seconds a scan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, write_image, write_text
from gliomorph.interfaces.files.tables import label_table

SIZE, SPACING = (32, 38, 28), 4.0
SEMI_AXES = (47.0, 58.0, 40.0)
"""Semi-axes of the brain (mm): 0.46 l, small for a human, large enough for the checks of the ``brain`` stage."""
RADII = {2: 17.0, 4: 12.0, 1: 8.0}
"""Oedema, enhancing rim, necrotic core, concentric (mm)."""

SUBJECTS = tuple(f"{number:02d}" for number in range(1, 9))

TEMPLATE = "Tiny"
OFFSET = (8.0, -8.0, 8.0)
"""How far the field of view of a scan is from that of the template (mm): a mask that is out of place is on neither."""


def tissue(points: np.ndarray) -> np.ndarray:
    """Intensity, 0.3 to 0.9, at positions (3, …) from the head's centre (mm): folds, and a rim of CSF."""
    x, y, z = points
    folds = np.sin(2 * np.pi * x / 37 + 0.7) + np.cos(2 * np.pi * y / 43 - 0.4) + np.sin(2 * np.pi * z / 33)
    white = 1 / (1 + np.exp(-4 * (folds + 0.3)))
    rim = 1 / (1 + np.exp(-30 * (_radius(points) - 0.9)))
    return (0.55 + 0.35 * white) * (1 - rim) + 0.3 * rim


def drawn(subject: str) -> tuple[list[float], float, list[float]]:
    """Shift (mm) and size of a subject's head, and the centre of its tumour in the template (LPS, mm)."""
    rng = Random(subject)
    shift, size = [rng.uniform(-4, 4) for _ in range(3)], rng.uniform(0.97, 1.03)
    return shift, size, [rng.choice((-1, 1)) * rng.uniform(*span) for span in ((14, 18), (10, 17), (4, 10))]


def head(subject: str) -> tuple[sitk.Image, sitk.Image]:
    """Skull-stripped image with the tumour drawn in, float32, and its BraTS labels, uint8.

    Every subject has a head of its own size and place, and the tumour in a place of its own.
    """
    shift, size, place = drawn(subject)
    points = (_centred(OFFSET) - np.reshape(shift, (3, 1, 1, 1))) / size
    labels = _tumor(points, place)
    signal = np.select([labels == 1, labels == 2, labels == 4], [0.25, 0.45, 0.95], tissue(points))
    inside = _radius(points) < 1
    image = from_array((1000 * signal * inside).astype(np.float32), _grid(OFFSET))
    return image, from_array((labels * inside).astype(np.uint8), _grid(OFFSET))


def labels_in_template(subject: str) -> sitk.Image:
    """The labels of a subject as whoever drew them on the aligned image has them: on the template's grid, uint8."""
    return from_array(_tumor(_centred(), drawn(subject)[2]), _grid())


def _tumor(points: np.ndarray, place: Sequence[float]) -> np.ndarray:
    """BraTS labels at positions (3, …) from the head's centre (mm), uint8."""
    distance = np.linalg.norm(points - np.reshape(place, (3, 1, 1, 1)), axis=0)
    labels = np.zeros(distance.shape, np.uint8)
    for label, radius in RADII.items():
        labels[distance < radius] = label
    return labels


def write_template(folder: Path) -> None:
    """``tpl-Tiny``: the head without a tumour."""
    stem = folder / f"tpl-{TEMPLATE}" / f"tpl-{TEMPLATE}_res-4_desc-brain"
    inside = _radius(_centred()) < 1
    write_image(from_array((tissue(_centred()) * inside).astype(np.float32), _grid()), f"{stem}_T1w.nii.gz")
    write_image(from_array(inside.astype(np.uint8), _grid()), f"{stem}_mask.nii.gz")


def write_cohort(bids: Path, subjects: Sequence[str] = SUBJECTS) -> None:
    """A BIDS dataset of some subjects with ``seg-brats_dseg`` in ``derivatives/masks``."""
    masks = bids / "derivatives" / "masks"
    known = {"Name": "heads", "BIDSVersion": "1.10.0", "License": "CC0"}
    write_text(json.dumps(known), bids / "dataset_description.json")
    made = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "benchmarks.faults"}]}
    write_text(json.dumps(known | made), masks / "dataset_description.json")
    write_text("Heads that were drawn, not scanned, to see what faults do to a run.\n" * 3, bids / "README")
    rows = [f"sub-{name}\t{'F' if number % 2 else 'M'}\n" for number, name in enumerate(subjects)]
    write_text("".join(["participant_id\tsex\n", *rows]), bids / "participants.tsv")
    for name in subjects:
        image, labels = head(name)
        write_image(image, bids / f"sub-{name}" / "anat" / f"sub-{name}_T1w.nii.gz")
        path = masks / f"sub-{name}" / "anat" / f"sub-{name}_seg-brats_dseg.nii.gz"
        write_image(labels, path)
        write_text(label_table(), path.with_name(path.name.replace(".nii.gz", ".tsv")))


def _grid(offset: Sequence[float] = (0.0, 0.0, 0.0)) -> sitk.Image:
    image = sitk.Image(list(SIZE), sitk.sitkUInt8)
    image.SetSpacing([SPACING] * 3)
    image.SetOrigin([shift - SPACING * (size - 1) / 2 for size, shift in zip(SIZE, offset, strict=True)])
    return image


def _centred(offset: Sequence[float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    """Voxel centres from the head's centre (LPS, mm), shape (3, X, Y, Z)."""
    middle = (np.reshape(SIZE, (3, 1, 1, 1)) - 1) / 2
    return (np.indices(SIZE) - middle) * SPACING + np.reshape(offset, (3, 1, 1, 1))


def _radius(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points / np.reshape(SEMI_AXES, (3, 1, 1, 1)), axis=0)
