"""The simulated sessions as a BIDS dataset, with masks and landmarks among its derivatives."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gliomorph.interfaces.files.images import read_image, write_image, write_text
from gliomorph.interfaces.files.sidecars import BIDS_VERSION, write_sidecar
from gliomorph.interfaces.files.tables import json_text

from .simulate import KINDS, Session, simulate

MAP = "*-{}_dseg.nii.gz"
SESSIONS = ("pre", "post")


def write_patients(bids_dir: Path, maps: Path, subjects: list[str], seed: int, resolution: int) -> None:
    """Every patient's two sessions; those that are there are kept.

    Parameters
    ----------
    bids_dir : Path
    maps : Path
        Holds the label maps, voxels of 1 mm.
    subjects : list of str
        Of which patients: the ends of the label maps' names.
    seed : int
    resolution : int
        Every which voxel of a label map counts.

    Raises
    ------
    SystemExit
        A patient without a label map.
    """
    for number, subject in enumerate(subjects):
        if landmarks_path(bids_dir, subject, SESSIONS[-1]).exists():
            continue
        found = sorted(maps.glob(MAP.format(subject)))
        if len(found) != 1:
            raise SystemExit(f"{maps}: one {MAP.format(subject)} is required, found {len(found)}")
        labels = read_image(found[0])[::resolution, ::resolution, ::resolution]
        sessions = simulate(labels, KINDS[number % len(KINDS)], seed + 1000 * int(subject))
        for name, session in sessions.items():
            write_session(bids_dir, subject, name, session)
        print(f"sub-{subject}: simulated", flush=True)
    raw = {"Name": "Simulated sessions", "BIDSVersion": BIDS_VERSION, "DatasetType": "raw"}
    derivative = {"Name": "Truth", "BIDSVersion": BIDS_VERSION, "DatasetType": "derivative"}
    write_text(json_text(raw), bids_dir / "dataset_description.json")
    write_text(json_text(derivative), truth(bids_dir) / "dataset_description.json")


def write_session(bids_dir: Path, subject: str, name: str, session: Session) -> None:
    """One session's image, masks and, last, landmarks."""
    write_image(session.image, image_path(bids_dir, subject, name))
    write_sidecar(image_path(bids_dir, subject, name), {"Modality": "MR", "SkullStripped": True})
    write_image(session.brain, mask_path(bids_dir, subject, name, "desc-brain"))
    write_image(session.lesion, mask_path(bids_dir, subject, name, "label-tumor"))
    rows = [",".join([str(number), *map(repr, point)]) for number, point in _rows(session.points)]
    write_text("\n".join(["Landmark,X,Y,Z", *rows]) + "\n", landmarks_path(bids_dir, subject, name))


def _rows(points: np.ndarray) -> list[tuple[int, list[float]]]:
    return list(enumerate(np.round(points, 4).tolist(), start=1))


def truth(bids_dir: Path) -> Path:
    """Where masks and landmarks are."""
    return bids_dir / "derivatives" / "truth"


def image_path(bids_dir: Path, subject: str, name: str) -> Path:
    """The T1w of a session."""
    return _anat(bids_dir, subject, name, "T1w.nii.gz")


def mask_path(bids_dir: Path, subject: str, name: str, what: str) -> Path:
    """A mask of a session."""
    return _anat(truth(bids_dir), subject, name, f"{what}_mask.nii.gz")


def landmarks_path(bids_dir: Path, subject: str, name: str) -> Path:
    """The landmarks of a session: LPS, mm."""
    return _anat(truth(bids_dir), subject, name, "landmarks.csv")


def _anat(root: Path, subject: str, name: str, ending: str) -> Path:
    folder = root / f"sub-{subject}" / f"ses-{name}" / "anat"
    return folder / f"sub-{subject}_ses-{name}_{ending}"
