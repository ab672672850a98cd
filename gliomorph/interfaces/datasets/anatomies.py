"""Folders of label maps: heads of people, from which patients are made, and tumours whose shapes they get."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from torch import Tensor

from ...models.synthesis.population.anatomy import Person, person_of
from ...models.synthesis.population.engine import PopulationEngine
from ...models.synthesis.population.shapes import shape_of
from ..files.images import ImageError, read_image, to_array
from ..files.labels import brats_labels, class_indices, find_table, tumor_only, whole_labels

PATTERNS = ("*.nii", "*.nii.gz")


def people_engine(
    anatomies: Path,
    shapes: Path | None,
    voxel_mm: float,
    modalities: Sequence[str],
    shape: Sequence[int] | None = None,
    device: str = "cpu",
) -> PopulationEngine:
    """The data engine on the heads of a folder.

    Parameters
    ----------
    anatomies : Path
        As for :func:`read_person`, one label map a person.
    shapes : Path, optional
        As for :func:`read_shape`, one label map a tumour.
    voxel_mm : float
        Of the patients, a multiple of the heads' voxel size.
    modalities : sequence of str
    shape : sequence of int, optional
        As for the engine.
    device : str

    Raises
    ------
    ImageError
        Naming the folder or file that is none of these.
    """
    people = [read_person(path, voxel_mm, device) for path in label_maps(anatomies, "--anatomies")]
    tumors = [read_shape(path, shapes, voxel_mm) for path in label_maps(shapes, "--shapes")] if shapes else []
    return PopulationEngine(people, modalities, shape, device, tumors)


def label_maps(folder: Path, option: str) -> list[Path]:
    """The images of a folder and of those in it, at least one, sorted.

    Raises
    ------
    ImageError
        No folder, or none in it.
    """
    if not folder.is_dir():
        raise ImageError(f"{option} {folder}: not a folder (in a container: is it mounted?)")
    paths = sorted(path for pattern in PATTERNS for path in folder.rglob(pattern))
    if paths := [path for path in paths if not path.name.startswith(".")]:
        return paths
    raise ImageError(f"{option} {folder}: label maps (.nii, .nii.gz) are required in it, found none")


def read_person(path: Path, voxel_mm: float, device: str = "cpu") -> Person:
    """A head: FreeSurfer's numbers inside the brain, those of SimNIBS' charm outside it, isotropic voxels."""
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


def read_shape(path: Path, folder: Path, voxel_mm: float) -> Tensor:
    """A tumour's shape from a label map by a convention of BraTS, or with a table (``dseg.tsv``) beside or above it."""
    image = sitk.DICOMOrient(read_image(path, sitk.sitkFloat32), "RAS")
    labels, _, _ = brats_labels(image, "dseg", path.name, find_table(path, folder))
    try:
        return shape_of(class_indices(tumor_only(to_array(labels))), labels.GetSpacing(), voxel_mm)
    except ValueError as error:
        raise ImageError(f"{path.name}: {error}") from error
