"""A BIDS cohort of simulated patients on disk: images, and the truth in ``derivatives/truth``.

Every patient has a random generator of their own, seeded by (seed, number), so that patient 3 is the same
whatever the cohort's size; only the label's width changes beyond 99 patients (``sub-03``, ``sub-003``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
import numpy as np
import SimpleITK as sitk

from ... import __version__
from ...models import synthesis
from ..files.images import from_array, to_array, write_image, write_text
from ..files.sidecars import BIDS_VERSION
from ..files.tables import BRATS_ROWS, json_text, label_table, table
from ..files.transforms import compose, displacement_to_itk, write_transform
from .templates import Template

PROGRAM = "gliomorph-simulate"
GRIDS = (*synthesis.GRIDS, "mixed")
SUFFIXES = {"T1w": "T1w", "T1ce": "ce-gadolinium_T1w", "T2w": "T2w", "FLAIR": "FLAIR"}
TISSUE_ROWS = ((1, "cerebrospinal fluid", "CSF"), (2, "grey matter", "GM"), (3, "white matter", "WM"))
COLUMNS = ("participant_id", "age", "sex", "survival_days", "event")
PARTICIPANTS = {
    "age": {"Description": "age at the scan", "Units": "year"},
    "sex": {"Description": "sex", "Levels": {"F": "female", "M": "male"}},
    "survival_days": {
        "Description": "time from the scan to death or to the end of follow-up",
        "Units": "day",
    },
    "event": {"Description": "whether death was observed", "Levels": {"0": "censored", "1": "death"}},
}
README = """Simulated brain-tumour MRI

No patient was scanned for these data. {program} {version} made them from the tissues of the template
{template} ({resolution} mm) with seed {seed}: a random diffeomorphism, a tumour with its mass effect, four
skull-stripped contrasts with bias field and noise, in a head position and on a grid of their own.

The truth is in derivatives/truth: labels, brain masks, tissues below the tumour, both transforms between
the template and the native images, and all sampled parameters.

Survival follows proportional hazards with these log hazard ratios: {hazards}.
"""
UNSEEN = """
These are twins of such patients: their tumours displace the brain, but healthy tissue shows in their place.
"""


class SimulationError(ValueError):
    """A cohort that cannot be made as asked: the message says what to change."""


@attrs.frozen(kw_only=True)
class Cohort:
    """What determines every file of a simulated cohort, but for its size."""

    seed: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    """At least 0."""
    template: Template
    """With tissues."""
    grid: str = attrs.field(default="isotropic", validator=attrs.validators.in_(GRIDS))
    """One of :data:`GRIDS`; ``mixed`` goes through the others, patient after patient."""
    visible: bool = True
    """False: the patients' twins, in which the tumours are healthy tissue
    (:func:`~gliomorph.models.synthesis.simulate_patient`). Seed, template and grid give the same people."""

    @property
    def settings(self) -> dict[str, Any]:
        """Recorded in the dataset, so that a second run can tell whether it continues the first."""
        return {
            "Version": __version__,
            "Seed": self.seed,
            "Template": self.template.name,
            "Resolution": self.template.resolution,
            "Grid": self.grid,
            **({} if self.visible else {"Tumor": "healthy tissue"}),
        }


def simulate_cohort(
    out_dir: str | Path, subjects: int, cohort: Cohort, report: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """Write a cohort; patients that are already complete are kept.

    Parameters
    ----------
    out_dir : path
        New, empty, or begun by the same simulation.
    subjects : int
        At least 1.
    cohort : Cohort
    report : callable
        Gets one line of progress for every patient.

    Returns
    -------
    records : list of Path
        The ``simulation.json`` of every patient.

    Raises
    ------
    SimulationError
        ``out_dir`` holds something else, or the template has no tissues.
    """
    if subjects < 1:
        raise SimulationError(f"at least one subject is required, got {subjects}")
    out_dir = Path(out_dir)
    labels = subject_labels(subjects)
    check_folder(out_dir, cohort, labels)
    anatomy = anatomy_of(cohort.template)
    write_descriptions(out_dir, cohort)
    records = []
    for number, label in enumerate(labels, start=1):
        record = record_path(out_dir, label)
        known = record.exists()
        if not known:
            simulate_subject(out_dir, label, number, cohort, anatomy)
        records.append(record)
        volume = json.loads(record.read_text(encoding="utf-8"))["Measured"]["regions_ml"]["WT"]
        report(f"sub-{label} ({number} of {subjects}): tumour {volume:.1f} ml{', kept' if known else ''}")
    write_participants(out_dir, records)
    return records


def subject_labels(subjects: int) -> list[str]:
    """``01``, ``02`` …: two digits, more where the cohort needs them."""
    width = max(2, len(str(subjects)))
    return [str(number).zfill(width) for number in range(1, subjects + 1)]


def record_path(out_dir: Path, label: str) -> Path:
    """The file that is written last for a patient: all the others are there once it is."""
    return (
        out_dir
        / "derivatives"
        / "truth"
        / f"sub-{label}"
        / "anat"
        / f"sub-{label}_desc-truth_simulation.json"
    )


def anatomy_of(template: Template) -> synthesis.Anatomy:
    """The template's arrays as the simulation needs them."""
    missing = [tissue for tissue in synthesis.TISSUES if tissue not in template.tissues]
    if missing:
        raise SimulationError(
            f"template {template.name}: tissue maps of {', '.join(missing)} are required "
            "(label-<tissue>_probseg.nii.gz, or a dseg with a table); take one that has them, such as MNI152, or SRI24 "
            "as 'gliomorph-fetch SRI24' brings it (an SRI24 without them was fetched by an earlier version: fetch it "
            "once more)"
        )
    return synthesis.prepare_anatomy(
        t1w=to_array(template.image),
        brain=to_array(template.brain_mask),
        tissues=np.stack([to_array(template.tissues[tissue]) for tissue in synthesis.TISSUES]),
        voxel_to_world=_frame(template.image),
    )


class Described(Protocol):
    """A cohort that says what determines its files."""

    @property
    def settings(self) -> dict[str, Any]:
        """What is recorded in the dataset."""
        ...


def check_folder(out_dir: Path, cohort: Described, labels: list[str]) -> None:
    """Raise :class:`SimulationError` unless ``out_dir`` is new, empty or the same cohort, perhaps smaller."""
    if out_dir.exists() and not out_dir.is_dir():
        raise SimulationError(f"{out_dir} is a file; a folder is required")
    if not out_dir.exists() or not any(out_dir.iterdir()):
        return
    settings = _recorded_settings(out_dir / "dataset_description.json")
    if settings is None:
        raise SimulationError(f"{out_dir} is not empty and was not made by {PROGRAM}: choose another folder")
    asked = cohort.settings
    changed = [
        f"{key} {settings.get(key)} there, {asked.get(key)} asked for"
        for key in asked | settings
        if settings.get(key) != asked.get(key)
    ]
    if changed:
        raise SimulationError(
            f"{out_dir} holds another simulation ({'; '.join(changed)}): choose another folder"
        )
    extra = sorted({p.name for p in out_dir.glob("sub-*")} - {f"sub-{label}" for label in labels})
    if extra:
        raise SimulationError(
            f"{out_dir} already holds {', '.join(extra[:3])}{' …' if extra[3:] else ''}, which a cohort of "
            f"{len(labels)} does not have: ask for more subjects or choose another folder"
        )


def simulate_subject(
    out_dir: Path, label: str, number: int, cohort: Cohort, anatomy: synthesis.Anatomy
) -> Path:
    """All files of one patient.

    Parameters
    ----------
    out_dir : Path
        Of the cohort.
    label : str
        Without ``sub-``.
    number : int
        Seeds the patient together with the cohort's seed.
    cohort : Cohort
    anatomy : Anatomy
        Of the cohort's template.

    Returns
    -------
    record : Path
        All that was sampled and measured, as JSON.
    """
    rng = np.random.default_rng(np.random.SeedSequence([cohort.seed, number]))
    grid = synthesis.GRIDS[(number - 1) % len(synthesis.GRIDS)] if cohort.grid == "mixed" else cohort.grid
    demographics = synthesis.sample_demographics(rng)
    parameters = synthesis.sample_parameters(anatomy, rng, grid)
    patient = synthesis.simulate_patient(anatomy, parameters, visible=cohort.visible)
    survival = synthesis.sample_survival(
        demographics["age"],
        patient.measured["regions_ml"]["WT"],
        parameters["tumor"]["ventricle_distance_mm"],
        rng,
    )
    images = {contrast: patient.images[contrast] for contrast in SUFFIXES}
    write_images(out_dir, label, images, _grid(patient.brain.shape, patient.native_to_world))
    write_truth(out_dir, label, patient, cohort.template)
    record = {
        "Program": PROGRAM,
        **cohort.settings,
        "SeedSequence": [cohort.seed, number],
        "Participant": demographics | survival,
        "Measured": patient.measured,
        "Parameters": parameters,
    }
    return write_text(json_text(record), record_path(out_dir, label))


def write_images(out_dir: Path, label: str, images: Mapping[str, np.ndarray], grid: sitk.Image) -> None:
    """The contrasts, by keys of :data:`SUFFIXES`, and their sidecars."""
    for contrast, voxels in images.items():
        path = out_dir / f"sub-{label}" / "anat" / f"sub-{label}_{SUFFIXES[contrast]}.nii.gz"
        write_image(from_array(voxels, grid), path)
        sidecar: dict[str, Any] = {"Modality": "MR", "Manufacturer": "simulated", "SkullStripped": True}
        if contrast == "T1ce":
            sidecar["ContrastBolusIngredient"] = "GADOLINIUM"
        write_text(json_text(sidecar), _sidecar(path))


def write_truth(out_dir: Path, label: str, patient: synthesis.Patient, template: Template) -> None:
    """Labels, masks and transforms of one patient in ``derivatives/truth``."""
    prefix = record_path(out_dir, label).parent / f"sub-{label}_"
    native = _grid(patient.brain.shape, patient.native_to_world)
    sources = {"Sources": [f"bids:raw:sub-{label}/anat/sub-{label}_T1w.nii.gz"]}

    def write(voxels: np.ndarray, grid: sitk.Image, name: str, sidecar: dict[str, Any]) -> Path:
        path = write_image(from_array(voxels, grid), f"{prefix}{name}.nii.gz")
        write_text(json_text(sidecar), _sidecar(path))
        return path

    def write_labels(
        voxels: np.ndarray, grid: sitk.Image, name: str, sidecar: dict[str, Any], rows: tuple = BRATS_ROWS
    ) -> None:
        path = write(voxels, grid, name, sidecar)
        write_text(label_table(rows), _sidecar(path, ".tsv"))

    write(patient.brain, native, "desc-brain_mask", {"Type": "Brain", **sources})
    write_labels(patient.regions, native, "seg-brats_dseg", sources)
    write_labels(patient.tissues, native, "seg-tissue_dseg", sources, TISSUE_ROWS)
    space = {
        "SpatialReference": _spatial_reference(template),
        "Resolution": f"{template.resolution} mm, the template's grid",
        **sources,
    }
    name = f"space-{template.name}_seg-brats_res-{template.resolution}_dseg"
    write_labels(patient.template_regions, template.image, name, space)

    rigid = _affine(patient.native_from_patient)
    forward = compose(rigid, displacement_to_itk(patient.forward, template.image))
    inverse = compose(displacement_to_itk(patient.inverse, template.image), rigid.GetInverse())
    write_transform(forward, f"{prefix}from-native_to-{template.name}_mode-image_desc-truth_xfm.h5")
    write_transform(inverse, f"{prefix}from-{template.name}_to-native_mode-image_desc-truth_xfm.h5")


def write_descriptions(out_dir: Path, cohort: Cohort) -> None:
    """Dataset files of the cohort and of its truth, all but the participants."""
    settings = cohort.settings
    text = ", ".join(f"{key.lower()} {value}" for key, value in settings.items() if key != "Version")
    common = {
        "BIDSVersion": BIDS_VERSION,
        "License": "CC0-1.0",
        "GeneratedBy": [{"Name": PROGRAM, "Version": __version__, "Description": f"simulated: {text}"}],
    }
    raw = {"Name": "Simulated brain-tumour MRI", **common, "DatasetType": "raw", "Simulation": settings}
    truth = {
        "Name": "Truth of simulated brain-tumour MRI",
        **common,
        "DatasetType": "derivative",
        "DatasetLinks": {"raw": "../.."},
        "Simulation": settings,
    }
    hazards = ", ".join(f"{key} {value:g}" for key, value in synthesis.LOG_HAZARD.items())
    readme = README.format(
        program=PROGRAM,
        version=__version__,
        template=settings["Template"],
        resolution=settings["Resolution"],
        seed=cohort.seed,
        hazards=hazards,
    )
    derivative = out_dir / "derivatives" / "truth"
    write_text(json_text(raw), out_dir / "dataset_description.json")
    write_text(readme + ("" if cohort.visible else UNSEEN), out_dir / "README")
    write_text(json_text(truth), derivative / "dataset_description.json")
    write_text("Truth of the simulated cohort two folders above; see its README.\n", derivative / "README")
    write_text("*_xfm.*\n*_simulation.json\n", derivative / ".bidsignore")


def write_participants(out_dir: Path, records: list[Path]) -> None:
    """``participants.tsv`` from every patient's record, and its data dictionary."""
    rows = []
    for path in records:
        person = json.loads(path.read_text(encoding="utf-8"))["Participant"]
        rows.append((path.name.split("_")[0], *(person[column] for column in COLUMNS[1:])))
    write_text(table(COLUMNS, rows), out_dir / "participants.tsv")
    write_text(json_text(PARTICIPANTS), out_dir / "participants.json")


def _recorded_settings(path: Path) -> dict[str, Any] | None:
    """The settings a dataset was simulated with; None where it is no simulated one."""
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    makers = [maker.get("Name") for maker in description.get("GeneratedBy", [])]
    return description.get("Simulation", {}) if PROGRAM in makers else None


def _spatial_reference(template: Template) -> str:
    if template.name == "MNI152":
        return "https://nilearn.github.io/stable/modules/generated/nilearn.datasets.load_mni152_template.html"
    return f"urn:template:tpl-{template.name}"


def _frame(image: sitk.Image) -> np.ndarray:
    """Voxel indices to world (LPS, mm), shape (4, 4)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def _grid(shape: tuple[int, ...], voxel_to_world: np.ndarray) -> sitk.Image:
    """An empty image with this shape and frame (LPS, mm)."""
    spacing = np.linalg.norm(voxel_to_world[:3, :3], axis=0)
    grid = sitk.Image([int(size) for size in shape], sitk.sitkUInt8)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection((voxel_to_world[:3, :3] / spacing).ravel().tolist())
    grid.SetOrigin(voxel_to_world[:3, 3].tolist())
    return grid


def _affine(matrix: np.ndarray) -> sitk.AffineTransform:
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(matrix[:3, :3].ravel().tolist())
    affine.SetTranslation(matrix[:3, 3].tolist())
    return affine


def _sidecar(path: Path, suffix: str = ".json") -> Path:
    return path.with_name(path.name.removesuffix(".nii.gz") + suffix)
