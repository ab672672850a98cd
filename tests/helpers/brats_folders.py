"""Folders as the BraTS challenges publish them, with images of a few voxels."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from gliomorph.interfaces.files.images import write_image

OLD = ("t1", "t1ce", "t2", "flair")
NEW = ("t1n", "t1c", "t2w", "t2f")
SHAPE = (6, 5, 4)

LAYOUTS = {
    "HGG/Brats18_CBICA_AAB_1": ("sub-Brats18CBICAAAB1", "", 4),
    "LGG/BraTS19_TCIA10_103_1": ("sub-BraTS19TCIA101031", "", 4),
    "MICCAI_BraTS2020_TrainingData/BraTS20_Training_001": ("sub-BraTS20Training001", "", 4),
    "BraTS2021_00000": ("sub-BraTS202100000", "", 4),
    "BraTS-GLI-00005-001": ("sub-BraTSGLI00005", "ses-001", 3),
    "BraTS-MEN-00004-000": ("sub-BraTSMEN00004", "ses-000", 3),
    "BraTS-MET-00086-000": ("sub-BraTSMET00086", "ses-000", 3),
    "BraTS-SSA-00002-000": ("sub-BraTSSSA00002", "ses-000", 3),
}
"""Subject, session and the value of ET by case folder."""


def image(voxels: np.ndarray, spacing: float = 1.0) -> sitk.Image:
    """An image of (X, Y, Z) voxels in the frame that BraTS files have."""
    picture = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    picture.SetOrigin((0.0, -239.0, 0.0))
    picture.SetSpacing([spacing] * 3)
    return picture


def labels_image(labels: Iterable[float], dtype: type = np.uint8) -> sitk.Image:
    """A label map with one voxel of each label."""
    values = list(labels)
    voxels = np.zeros(SHAPE, dtype)
    voxels.ravel()[: len(values)] = values
    return image(voxels)


def write_case(
    folder: Path,
    labels: Iterable[float] | None = None,
    *,
    kinds: Iterable[str] | None = None,
    extension: str = ".nii.gz",
) -> Path:
    """A case's files.

    Parameters
    ----------
    folder : Path
        Its name is the case's.
    labels : iterable of float, optional
        Of the segmentation; of none, there is no such file.
    kinds : iterable of str, optional
        The images, by default the four of the folder's edition.
    extension : str

    Returns
    -------
    folder : Path
    """
    separator, usual = ("-", NEW) if "-" in folder.name else ("_", OLD)
    for value, kind in enumerate(usual if kinds is None else kinds, start=1):
        voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE) * value
        write_image(image(voxels), folder / f"{folder.name}{separator}{kind}{extension}")
    if labels is not None:
        write_image(labels_image(labels), folder / f"{folder.name}{separator}seg{extension}")
    return folder


LANDMARKS = {"pre": ((1, -238, 2), (4, -236, 1)), "post": ((2, -237, 2), (3, -236, 3))}
"""Landmarks of :func:`write_pair`, as the files have them: Y is the voxel's index less 239."""


def write_pair(folder: Path, days: int = 106, left_out: Iterable[str] = ()) -> Path:
    """A patient of BraTS-Reg, before the operation and at a follow-up.

    Parameters
    ----------
    folder : Path
        Its name is the patient's.
    days : int
    left_out : iterable of str
        Ends of the names of files that are not there, such as ``00_0000_landmarks.csv``.

    Returns
    -------
    folder : Path
    """
    for session, scan in (("pre", "00_0000"), ("post", f"01_{days:04}")):
        for value, kind in enumerate(OLD, start=1):
            voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE) * value
            write_image(image(voxels), folder / f"{folder.name}_{scan}_{kind}.nii.gz")
        rows = [f"{number},{x},{y},{z}" for number, (x, y, z) in enumerate(LANDMARKS[session], start=1)]
        (folder / f"{folder.name}_{scan}_landmarks.csv").write_text(
            "\n".join(["Landmark,X,Y,Z", *rows]) + "\n"
        )
    for end in left_out:
        (folder / f"{folder.name}_{end}").unlink()
    return folder


def content(path: Path) -> bytes:
    """What a file holds, uncompressed."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
