"""A BIDS cohort of simulated patients with the anatomies of people: images, labels and brain masks.

In contrast to :mod:`~.simulate`, whose patients are a template bent in a known way, there is no map to a template.
Patient k of a seed is the same whatever the cohort's size.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import SimpleITK as sitk

from ... import __version__
from ...models.regions import LABELS
from ...models.synthesis.engine import Example
from ...models.synthesis.population.engine import PopulationEngine
from ..files.checksums import content_hash
from ..files.images import from_array, write_image, write_text
from ..files.sidecars import BIDS_VERSION, beside, write_sidecar
from ..files.tables import BRATS_ROWS, json_text, label_table, table
from .anatomies import label_maps, people_engine
from .simulate import (
    PROGRAM,
    SUFFIXES,
    SimulationError,
    check_folder,
    record_path,
    subject_labels,
    write_images,
)

SCALE = 1000.0
"""Largest intensity of an image."""
README = """Simulated brain-tumour MRI with the anatomies of people

{program} {version} made these patients from {heads} label maps of heads with seed {seed}, at {resolution} mm:
skull-stripped, four contrasts with the artefacts of scanners. Labels and brain masks are in derivatives/truth.
"""


@attrs.frozen(kw_only=True)
class PeopleCohort:
    """What determines every file of such a cohort, but for its size."""

    anatomies: Path
    """Folder of label maps of heads."""
    shapes: Path | None = None
    """Folder of label maps of tumours."""
    resolution: int = 1
    """Voxel size in mm."""
    seed: int = attrs.field(default=0, validator=attrs.validators.ge(0))

    @property
    def settings(self) -> dict[str, Any]:
        """What is recorded in the dataset, so that a second run can tell whether it continues the first."""
        return {
            "Version": __version__,
            "Seed": self.seed,
            "Resolution": self.resolution,
            "Anatomies": [content_hash(path)[:12] for path in label_maps(self.anatomies, "--anatomies")],
            "Shapes": [content_hash(path)[:12] for path in label_maps(self.shapes, "--shapes")]
            if self.shapes
            else [],
        }


def simulate_people(
    out_dir: Path, subjects: int, cohort: PeopleCohort, report: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """Write a cohort; patients that are already complete are kept.

    Parameters
    ----------
    out_dir : Path
        New, empty, or begun by the same simulation.
    subjects : int
        At least 1.
    cohort : PeopleCohort
    report : callable
        Gets one line of progress for every patient.

    Returns
    -------
    records : list of Path
        The ``simulation.json`` of every patient.

    Raises
    ------
    SimulationError
        ``out_dir`` holds something else.
    ImageError
        A label map that cannot be used.
    """
    if subjects < 1:
        raise SimulationError(f"at least one subject is required, got {subjects}")
    labels = subject_labels(subjects)
    check_folder(out_dir, cohort, labels)
    missing = [label for label in labels if not record_path(out_dir, label).exists()]
    if missing:
        engine = people_engine(cohort.anatomies, cohort.shapes, cohort.resolution, tuple(SUFFIXES))
        report(f"{len(engine.people)} heads are ready")
        _write_descriptions(out_dir, cohort)
    for number, label in enumerate(labels, start=1):
        if label in missing:
            _simulate_subject(out_dir, label, number, cohort, engine)
        measured = json.loads(record_path(out_dir, label).read_text(encoding="utf-8"))["Measured"]
        kept = "" if label in missing else ", kept"
        report(f"sub-{label} ({number} of {subjects}): tumour {measured['regions_ml']['WT']:.1f} ml{kept}")
    write_text(
        table(["participant_id"], [(f"sub-{label}",) for label in labels]), out_dir / "participants.tsv"
    )
    return [record_path(out_dir, label) for label in labels]


def _simulate_subject(
    out_dir: Path, label: str, number: int, cohort: PeopleCohort, engine: PopulationEngine
) -> None:
    seed = int(np.random.SeedSequence([cohort.seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    example = engine.draw(seed)
    grid = _grid(tuple(example.labels.shape), cohort.resolution)
    brain = (example.images[0] > 0).numpy()
    images = {
        contrast: np.where(brain, np.clip(np.rint(SCALE * image.numpy()), 1, None), 0).astype(np.int16)
        for contrast, image in zip(engine.modalities, example.images, strict=True)
    }
    write_images(out_dir, label, images, grid)
    record = record_path(out_dir, label)
    sources = {"Sources": [f"bids:raw:sub-{label}/anat/sub-{label}_T1w.nii.gz"]}
    mask = write_image(
        from_array(brain.astype(np.uint8), grid), record.parent / f"sub-{label}_desc-brain_mask.nii.gz"
    )
    write_sidecar(mask, {"Type": "Brain", **sources})
    voxels = np.array([0, *LABELS.values()], np.uint8)[example.labels.numpy()]
    dseg = write_image(from_array(voxels, grid), record.parent / f"sub-{label}_seg-brats_dseg.nii.gz")
    write_sidecar(dseg, sources)
    write_text(label_table(BRATS_ROWS), beside(dseg, ".tsv"))
    facts = {
        "Program": PROGRAM,
        **cohort.settings,
        "SeedSequence": [cohort.seed, number],
        "Measured": {"regions_ml": _regions_ml(example, engine.voxel_mm)},
    }
    write_text(json_text(facts), record)


def _regions_ml(example: Example, voxel_mm: float) -> dict[str, float]:
    """Volumes of the nested regions."""
    regions = {"ET": example.labels == 3, "TC": (example.labels == 1) | (example.labels == 3)}
    regions["WT"] = example.labels > 0
    return {name: round(float(part.sum()) * voxel_mm**3 / 1000, 3) for name, part in regions.items()}


def _grid(shape: tuple[int, ...], voxel_mm: float) -> sitk.Image:
    """An empty image, axes to the right, front and top, around the origin."""
    grid = sitk.Image(list(shape), sitk.sitkUInt8)
    grid.SetSpacing([float(voxel_mm)] * 3)
    grid.SetDirection(sitk.DICOMOrientImageFilter.GetDirectionCosinesFromOrientation("RAS"))
    middle = np.array(grid.TransformContinuousIndexToPhysicalPoint([(side - 1) / 2 for side in shape]))
    grid.SetOrigin((-middle).tolist())
    return grid


def _write_descriptions(out_dir: Path, cohort: PeopleCohort) -> None:
    """Dataset files of the cohort and of its truth."""
    settings = cohort.settings
    common = {
        "BIDSVersion": BIDS_VERSION,
        "License": "CC0-1.0",
        "GeneratedBy": [
            {"Name": PROGRAM, "Version": __version__, "Description": "simulated on label maps of heads"}
        ],
        "Simulation": settings,
    }
    raw = {"Name": "Simulated brain-tumour MRI", **common, "DatasetType": "raw"}
    truth = {"Name": "Truth of simulated brain-tumour MRI", **common, "DatasetType": "derivative"}
    derivative = out_dir / "derivatives" / "truth"
    readme = README.format(
        program=PROGRAM, version=__version__, heads=len(settings["Anatomies"]), seed=cohort.seed,
        resolution=cohort.resolution,
    )  # fmt: skip
    write_text(json_text(raw), out_dir / "dataset_description.json")
    write_text(readme, out_dir / "README")
    write_text(json_text(truth | {"DatasetLinks": {"raw": "../.."}}), derivative / "dataset_description.json")
    write_text("Truth of the simulated cohort two folders above; see its README.\n", derivative / "README")
    write_text("*_simulation.json\n", derivative / ".bidsignore")
