"""The BIDS dataset made of clinical images: it appears as a whole, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .... import __version__
from ...files.images import write_text
from ...files.sidecars import BIDS_VERSION, copy_compressed, write_sidecar
from ...files.tables import json_text, table
from ..brats.kinds import PROGRAM
from .items import DERIVATIVE, MASKS, ClinicalError, Item

STAGING = f".{PROGRAM}"
"""Folder in the dataset that files lie in until all are there."""
DESCRIPTION = "dataset_description.json"
README = f"""Clinical images as BIDS

{PROGRAM} {__version__} made this dataset by a table that says what each image is. Heads keep their faces.
"""
MASKS_README = "Masks of the images two folders above, as they were given.\n"


def check_target(bids_dir: Path) -> None:
    """Raise :class:`ClinicalError` unless the dataset's folder is new or empty."""
    if bids_dir.exists() and not bids_dir.is_dir():
        raise ClinicalError(f"{bids_dir} is a file: name a new or an empty folder")
    if bids_dir.is_dir() and any(entry.name != STAGING for entry in bids_dir.iterdir()):
        raise ClinicalError(f"{bids_dir} is not empty: name a new or an empty folder")


def write_dataset(
    items: Iterable[Item], bids_dir: Path, report: Callable[[Item], None] = lambda item: None
) -> None:
    """Write images, masks and what describes them; nothing is in the dataset before all of it is written.

    Parameters
    ----------
    items : iterable of Item
        Taken one by one: a source may be gone when the next is asked for.
    bids_dir : Path
        Checked by :func:`check_target`.
    report : callable
        Gets every item when it is written.
    """
    new = not bids_dir.exists()
    staging = bids_dir / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    written = []
    try:
        for item in items:
            path = staging / item.path
            write_sidecar(path, dict(item.sidecar))
            copy_compressed(item.source, path)
            written.append(item)
            report(item)
        _describe(written, staging)
        # a folder with its description is whole
        for entry in sorted(staging.iterdir(), key=lambda entry: entry.name == DESCRIPTION):
            entry.rename(bids_dir / entry.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if new and bids_dir.is_dir() and not any(bids_dir.iterdir()):
            bids_dir.rmdir()


def _describe(items: Iterable[Item], folder: Path) -> None:
    made: dict[str, Any] = {
        "BIDSVersion": BIDS_VERSION,
        "GeneratedBy": [{"Name": PROGRAM, "Version": __version__}],
    }
    raw = {"Name": "Clinical images", "DatasetType": "raw", **made}
    texts = {Path(DESCRIPTION): json_text(raw), Path("README"): README}
    if any(item.modality in MASKS for item in items):
        masks = {
            "Name": "Masks of clinical images",
            "DatasetType": "derivative",
            "DatasetLinks": {"raw": "../.."},
            **made,
        }
        texts |= {DERIVATIVE / DESCRIPTION: json_text(masks), DERIVATIVE / "README": MASKS_README}
    subjects = sorted({item.subject for item in items})
    texts[Path("participants.tsv")] = table(("participant_id",), [[f"sub-{subject}"] for subject in subjects])
    for name, text in texts.items():
        write_text(text, folder / name)
