"""A BIDS cohort of heads at 4 mm, small enough to run end to end, and the command that runs it.

Every head is the one of :mod:`phantoms` seen from another place: shifted, scaled, its tumour elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import phantoms
import SimpleITK as sitk

from gliomorph.interfaces.images import from_array, to_array, write_image

SUBJECTS = {
    "01": ("LPS", [0.0, 0.0, 0.0], [-26.0, 22.0, 10.0]),
    "02": ("RAS", [5.0, -4.0, 3.0], [-22.0, 18.0, 14.0]),
    "03": ("oblique", [-6.0, 3.0, -4.0], [-24.0, 26.0, 6.0]),
    "04": ("LAS", [2.0, 5.0, -3.0], [24.0, -16.0, 12.0]),
}
"""Frame, the head's shift, the tumour's place from the head's centre (mm)."""

DSEG_TABLE = "index\tname\tabbreviation\n1\tnecrosis\tNCR\n2\toedema\tED\n4\tenhancing\tET\n"


def head(subject: str) -> tuple[sitk.Image, sitk.Image]:
    """Image (skull-stripped, tumour drawn in) and BraTS labels of one of :data:`SUBJECTS`."""
    frame, shift, place = SUBJECTS[subject]
    like = phantoms.frame(frame)
    points = phantoms.positions(like) - np.reshape(shift, (3, 1, 1, 1))
    labels = phantoms.labels_at(points - np.reshape(phantoms.CENTRE + place - phantoms.TUMOR_AT, (3, 1, 1, 1)))
    inside = phantoms.radius_at(points) < 1
    tumor = np.select([labels == 1, labels == 2, labels == 4], [0.25, 0.45, 0.95], 0)
    voxels = np.where(inside, np.where(labels > 0, tumor, phantoms.tissue_at(points)), 0)
    image = from_array((1000 * voxels).astype(np.float32), like)
    return image, from_array((labels * inside).astype(np.uint8), like)


def write_dataset(folder: Path, name: str, **more: object) -> None:
    content = {"Name": name, "BIDSVersion": "1.10.0", **more}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset_description.json").write_text(json.dumps(content))


def write_subject(bids: Path, subject: str) -> None:
    """``T1w`` in ``bids``, ``seg-brats_dseg`` in ``bids/derivatives/masks``."""
    image, labels = head(subject)
    write_image(image, bids / f"sub-{subject}" / "anat" / f"sub-{subject}_T1w.nii.gz")
    stem = bids / "derivatives" / "masks" / f"sub-{subject}" / "anat" / f"sub-{subject}_seg-brats_dseg"
    write_image(labels, f"{stem}.nii.gz")
    Path(f"{stem}.tsv").write_text(DSEG_TABLE)


def write_cohort(bids: Path, subjects: Iterable[str]) -> Path:
    """A valid BIDS dataset of some of :data:`SUBJECTS`."""
    write_dataset(bids, "heads", License="CC0")
    (bids / "README").write_text("Heads that were drawn, not scanned: the test data of gliomorph.\n" * 3)
    generated = [{"Name": "tests"}]
    write_dataset(bids / "derivatives" / "masks", "masks", DatasetType="derivative", GeneratedBy=generated)
    for subject in subjects:
        write_subject(bids, subject)
    return bids
