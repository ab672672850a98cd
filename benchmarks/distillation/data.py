"""The study's patients: simulated, brought to the network's grid, kept on disk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk
import torch
from safetensors.torch import save_file

from gliomorph.interfaces.datasets.simulate import anatomy_of
from gliomorph.interfaces.datasets.templates import load_template
from gliomorph.interfaces.files.images import from_array, replacing, to_array
from gliomorph.interfaces.files.labels import class_indices, resample_labels
from gliomorph.interfaces.networks.grid import network_grid, on_network_grid
from gliomorph.models import synthesis
from gliomorph.models.regions import MODALITIES
from gliomorph.training.segmentation.data import PreparedExamples

from .spread import spread
from .study import Study


@attrs.frozen(kw_only=True)
class Cohort:
    """Examples by use, as :class:`~gliomorph.training.segmentation.data.PreparedExamples`.

    Attributes
    ----------
    training : PreparedExamples
        Random boxes, augmented.
    validation, test : PreparedExamples
        Whole heads as they are.
    """

    training: PreparedExamples
    validation: PreparedExamples
    test: PreparedExamples


def cohort(study: Study, training: int, seed: int, out: Path) -> Cohort:
    """The patients that :func:`simulate` left, for a training set of that size.

    Parameters
    ----------
    study : Study
    training : int
        The first so many training patients.
    seed : int
        Of boxes and augmentation.
    out : Path
        Of the study.
    """
    held = study.validation + study.test
    files = [patient_path(out, number) for number in range(held + training)]
    return Cohort(
        training=PreparedExamples(files=tuple(files[held:]), seed=seed, box=study.box),
        validation=PreparedExamples(files=tuple(files[: study.validation])),
        test=PreparedExamples(files=tuple(files[study.validation : held])),
    )


def patient_path(out: Path, number: int) -> Path:
    """Where a patient is kept."""
    return out / "patients" / f"{number:03d}.safetensors"


def simulate(study: Study, training: int, out: Path, folders: Sequence[Path], processes: int) -> None:
    """Every patient that is not there yet.

    Parameters
    ----------
    study : Study
    training : int
        Of the largest training set.
    out : Path
    folders : sequence of Path
        That hold the template.
    processes : int
    """
    numbers = range(study.validation + study.test + training)
    missing = [number for number in numbers if not patient_path(out, number).exists()]
    make = partial(_patient, study, out, tuple(folders))
    for count, line in enumerate(spread(make, missing, processes), start=1):
        print(f"patient {line} ({count} of {len(missing)})", flush=True)


def _patient(study: Study, out: Path, folders: tuple[Path, ...], number: int) -> str:
    """Simulate and keep one patient; a line about it."""
    anatomy = _anatomy(study.template, study.resolution, folders)
    rng = np.random.default_rng(np.random.SeedSequence([study.seed, number]))
    parameters = synthesis.sample_parameters(anatomy, rng)
    while parameters["tumor"]["volume_ml"] < study.least_ml:
        parameters = synthesis.sample_parameters(anatomy, rng)
    patient = synthesis.simulate_patient(anatomy, parameters)
    native = _native_grid(patient)
    brain = from_array(patient.brain, native)
    grid = network_grid(brain, study.voxel_mm)
    images = [on_network_grid(from_array(patient.images[name], native), brain, grid) for name in MODALITIES]
    labels = to_array(resample_labels(from_array(patient.regions, native), grid))
    classes = class_indices(labels)
    tensors = {
        "images": torch.from_numpy(np.stack(images)).half().contiguous(),
        "labels": torch.from_numpy(classes).contiguous(),
    }
    with replacing(patient_path(out, number)) as temporary:
        save_file(tensors, temporary)
    return f"{number}: tumour {patient.measured['regions_ml']['WT']:.1f} ml"


@cache
def _anatomy(template: str, resolution: int, folders: tuple[Path, ...]) -> synthesis.Anatomy:
    return anatomy_of(load_template(template, resolution, folders))


def _native_grid(patient: synthesis.Patient) -> sitk.Image:
    """An empty image on the patient's own grid (LPS, mm)."""
    matrix = patient.native_to_world[:3, :3]
    spacing = np.linalg.norm(matrix, axis=0)
    grid = sitk.Image(list(patient.brain.shape), sitk.sitkUInt8)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection((matrix / spacing).ravel().tolist())
    grid.SetOrigin(patient.native_to_world[:3, 3].tolist())
    return grid
