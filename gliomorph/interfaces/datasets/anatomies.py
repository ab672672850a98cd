"""Folders of label maps: heads of people, from which patients are made, and tumours whose shapes they get."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...models.synthesis.population.anatomy import Person, person_of
from ..files.folders import files_in
from ..files.images import ImageError, read_image, to_array
from ..files.labels import whole_labels

PATTERNS = ("*.nii", "*.nii.gz")


def label_maps(folder: Path, option: str) -> list[Path]:
    """The images of a folder, at least one.

    Raises
    ------
    ImageError
        No folder, or none in it.
    """
    if not folder.is_dir():
        raise ImageError(f"{option} {folder}: not a folder (in a container: is it mounted?)")
    if not (paths := files_in(folder, *PATTERNS)):
        raise ImageError(f"{option} {folder}: label maps (.nii, .nii.gz) are required in it, found none")
    return paths


def read_people(
    folder: Path, voxel_mm: float, device: str = "cpu", report: Callable[[str], None] = lambda line: None
) -> list[Person]:
    """Every head of ``--anatomies`` at the voxels that patients are made of, axes to the right, front and top.

    Parameters
    ----------
    folder : Path
        With one label map a person: FreeSurfer's numbers inside the brain, those of SimNIBS' charm outside it.
    voxel_mm : float
        A multiple of the label maps' voxel size.
    device : str
    report : callable
        Gets a line when all are read.

    Raises
    ------
    ImageError
        Naming the file that is no such label map.
    """
    paths = label_maps(folder, "--anatomies")
    people = [read_person(path, voxel_mm, device) for path in paths]
    report(f"{len(people)} heads of {folder.name} are ready")
    return people


def read_person(path: Path, voxel_mm: float, device: str = "cpu") -> Person:
    """One head (:func:`read_people`)."""
    image = sitk.DICOMOrient(read_image(path), "RAS")
    spacing = np.array(image.GetSpacing())
    if np.ptp(spacing) > 1e-3:
        raise ImageError(
            f"{path.name}: isotropic voxels are required, got {np.round(spacing, 3).tolist()} mm"
        )
    labels = whole_labels(to_array(image), path.name).astype(np.int64)
    try:
        return person_of(labels, float(spacing.mean()), voxel_mm, device)
    except ValueError as error:
        raise ImageError(f"{path.name}: {error}") from error
