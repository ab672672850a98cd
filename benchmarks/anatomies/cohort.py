"""The painted people as BIDS: image, tumour and brain mask, and the structures that methods are judged by."""

from __future__ import annotations

import inspect
import sys
import zlib
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import SimpleITK as sitk
import torch

from gliomorph import __version__
from gliomorph.interfaces.files.checksums import content_hash
from gliomorph.interfaces.files.frames import Frame, affine_of, grid_of
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image, write_text
from gliomorph.interfaces.files.labels import whole_labels
from gliomorph.interfaces.files.sidecars import BIDS_VERSION, beside, read_object, write_sidecar
from gliomorph.interfaces.files.tables import BRATS_ROWS, json_text, label_table
from gliomorph.models.regions import LABELS
from gliomorph.models.synthesis import artefacts, chance, lesions, palette, people, signals, structures
from gliomorph.models.synthesis.chance import Chance
from gliomorph.workflows.keys import key_of

from .options import Options

PAINTER = (artefacts, chance, lesions, palette, people, signals, structures, sys.modules[__name__])
"""Where these change, people are painted anew."""
NAMES = tuple(structures.COMPARED)
"""Label k + 1 of what is written is the k-th."""
STILL = 0.5
"""Share of the people whose tumour pushes nothing."""
SMALLEST_MM = 8.0
"""Radius that a tumour's core has at least, so that there is one to leave out."""
SCALE = 1000.0


def paint_all(options: Options) -> None:
    """Every person; those who are there are kept."""
    write_descriptions(options)
    for label, path in options.maps.items():
        record, key = record_path(options, label), key_of(**_inputs(label, path, options))
        if read_object(record).get("key") == key:
            print(f"sub-{label}: kept", flush=True)
            continue
        record.unlink(missing_ok=True)
        facts = paint_one(label, path, options)
        write_text(json_text({"key": key, **facts}), record)
        print(f"sub-{label}: tumour of {facts['tumor_ml']} ml, {facts['push_mm']} mm of push", flush=True)


def record_path(options: Options, label: str) -> Path:
    """What is written last of a person."""
    return options.anatomies / f"sub-{label}" / "anat" / f"sub-{label}_desc-painted.json"


def _inputs(label: str, path: Path, options: Options) -> dict[str, Any]:
    code = "".join(map(inspect.getsource, PAINTER))
    return {"map": content_hash(path), "label": label, "seed": options.seed, "code": code}


def paint_one(label: str, path: Path, options: Options) -> dict[str, float]:
    """All files of one person; what is worth knowing of them."""
    given = read_image(path)
    voxel_mm = float(np.mean(given.GetSpacing()))
    person = people.individual_of(whole_labels(to_array(given), path.name).astype(np.int64), voxel_mm)
    source = Chance(zlib.crc32(f"{options.seed} {label}".encode()))
    colours = palette.sample_t1w(source)
    positions, matrix = people.sample_positions(person, source, voxel_mm)
    growth = people.sample_growth(person, positions, voxel_mm, source)
    push = 0.0 if source.happens(STILL) else growth.push
    growth = attrs.evolve(growth, radius=max(growth.radius, SMALLEST_MM), push=push)
    portrait = people.paint(
        person, colours, people.pushed(positions, growth, voxel_mm), voxel_mm, source, growth
    )
    grid = grid_of(Frame(affine=affine_of(given) @ matrix, notices=()), tuple(portrait.image.shape))
    write_files(label, portrait, grid, options)
    return {
        "tumor_ml": round(float((portrait.tumor > 0).sum()) * voxel_mm**3 / 1000, 2),
        "push_mm": round(growth.push, 2),
        "radius_mm": round(growth.radius, 2),
    }


def write_files(label: str, portrait: people.Portrait, grid: sitk.Image, options: Options) -> None:
    """Image, masks and structures."""
    truth, scan = options.bids / "derivatives" / "truth", f"sub-{label}/anat/sub-{label}"
    image = np.where(portrait.brain, np.clip(np.rint(SCALE * portrait.image.numpy()), 1, None), 0)
    t1w = write_image(from_array(image.astype(np.int16), grid), options.bids / f"{scan}_T1w.nii.gz")
    write_sidecar(t1w, {"Modality": "MR", "Manufacturer": "simulated", "SkullStripped": True})
    write_image(
        from_array(portrait.brain.numpy().astype(np.uint8), grid), truth / f"{scan}_desc-brain_mask.nii.gz"
    )
    for voxels, path, rows in (
        (
            np.array([0, *LABELS.values()])[portrait.tumor],
            truth / f"{scan}_seg-brats_dseg.nii.gz",
            BRATS_ROWS,
        ),
        (
            compared(portrait.labels).numpy(),
            options.anatomies / f"{scan}_desc-structures_dseg.nii.gz",
            [(number, name, name) for number, name in enumerate(NAMES, start=1)],
        ),
    ):
        write_image(from_array(voxels.astype(np.uint8), grid), path)
        write_text(label_table(rows), beside(path, ".tsv"))


def compared(labels: torch.Tensor) -> torch.Tensor:
    """FreeSurfer's numbers as those of :data:`NAMES`, 0 for all others."""
    table = torch.zeros(int(labels.max()) + 1, dtype=torch.int64)
    for number, of_one in enumerate(structures.COMPARED.values(), start=1):
        table[[label for label in of_one if label < len(table)]] = number
    return table[labels]


def write_descriptions(options: Options) -> None:
    """What makes the folders BIDS datasets."""
    maker = [{"Name": "python -m benchmarks.anatomies", "Version": __version__}]
    for folder, kind in (
        (options.bids, "raw"),
        (options.bids / "derivatives" / "truth", "derivative"),
        (options.anatomies, "derivative"),
    ):
        text = {
            "Name": "Painted anatomies",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": kind,
            "GeneratedBy": maker,
        }
        write_text(json_text(text), folder / "dataset_description.json")
        write_text("People painted from label maps of their heads.\n", folder / "README")
    write_text("*_desc-painted.json\n", options.anatomies / ".bidsignore")
