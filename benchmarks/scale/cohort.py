"""A BIDS folder of many subjects and masks that hold a few random bytes each."""

from __future__ import annotations

import json
import random
from pathlib import Path


def write_cohort(root: Path, subjects: int, image_bytes: int) -> tuple[Path, Path]:
    """Subjects with an image and a label map each; those that are there already stay.

    Parameters
    ----------
    root : Path
        Made if missing.
    subjects : int
    image_bytes : int
        Of every image; no two are alike.

    Returns
    -------
    bids, masks : Path
        The dataset and the folder of its masks.
    """
    bids, masks = root / "bids", root / "masks"
    for number in range(subjects):
        label = f"sub-{number:05d}"
        _write(bids / label / "anat" / f"{label}_T1w.nii.gz", number, image_bytes)
        _write(masks / label / "anat" / f"{label}_seg-brats_dseg.nii.gz", number, 64)
    description = {"Name": "nothing", "BIDSVersion": "1.10.0"}
    (bids / "dataset_description.json").write_text(json.dumps(description))
    return bids, masks


def _write(path: Path, number: int, size: int) -> None:
    if path.exists() and path.stat().st_size == size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(random.Random(number).randbytes(size))
