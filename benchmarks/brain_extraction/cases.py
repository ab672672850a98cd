"""The images whose brains are extracted, and what is known of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import torch

from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.labels import whole_labels
from gliomorph.models.synthesis import artefacts, palette, people
from gliomorph.models.synthesis.chance import Chance

SEQUENCES = {"T1w": "T1w", "T1ce": "ce-gadolinium_T1w", "FLAIR": "FLAIR"}
"""Ends of the files' names."""


@attrs.frozen(kw_only=True)
class Case:
    """One image of a head."""

    head: str
    sequence: str
    image: Path
    tumor: Path | None = None
    """An expert's outline."""
    brain: Path | None = None
    """The labels' brain."""
    labels: Path | None = None
    """The label map of a head that is painted."""

    @property
    def name(self) -> str:
        """For files."""
        return f"{self.head}_{self.sequence}"


def real_cases(data: Path) -> Iterator[Case]:
    """Heads with tumours, then healthy ones."""
    for folder in sorted((data / "heads-native").glob("sub-*")):
        head, masks = folder.name, data / "heads-native" / "derivatives" / "masks"
        tumor = masks / head / "anat" / f"{head}_label-tumor_mask.nii.gz"
        for sequence, end in SEQUENCES.items():
            image = folder / "anat" / f"{head}_{end}.nii.gz"
            if image.is_file():
                yield Case(head=head, sequence=sequence, image=image, tumor=tumor)
    for image in sorted((data / "healthy").glob("sub-head*/anat/*_T1w.nii.gz")):
        yield Case(head=image.name.split("_")[0], sequence="T1w", image=image)


def painted_cases(data: Path, out: Path) -> Iterator[Case]:
    """Painted heads; :func:`paint` makes them, in ``out``."""
    for labels in sorted((data / "anatomies").glob("*_dseg.nii.gz")):
        head = labels.name.removesuffix("_dseg.nii.gz")
        image, brain = out / "painted" / f"{head}_T1w.nii.gz", out / "painted" / f"{head}_mask.nii.gz"
        yield Case(head=head, sequence="painted", image=image, brain=brain, labels=labels)


def paint(path: Path, image: Path, brain: Path) -> None:
    """A whole head as T1w, and its brain's mask, from its label map; what is there is kept."""
    if image.exists():
        return
    given = read_image(path)
    voxel_mm = float(np.mean(given.GetSpacing()))
    labels = whole_labels(to_array(given), path.name).astype(np.int64)
    chance = Chance(zlib.crc32(path.name.encode()))
    person = people.individual_of(labels, voxel_mm)
    mask = np.zeros(labels.shape, np.uint8)
    inside = person.maps[people.CHANNELS.index("mask")].numpy() > 0.5
    mask[tuple(slice(a, a + n) for a, n in zip(person.first, inside.shape, strict=True))] = inside
    whole = attrs.evolve(person, labels=torch.from_numpy(labels), first=(0, 0, 0))
    signal = people.tissue_signal(whole, palette.sample_t1w(chance), chance)
    head = artefacts.corrupt(
        signal, torch.ones_like(signal, dtype=torch.bool), voxel_mm, chance, good_scan=True
    )
    write_image(from_array(mask, given), brain)
    write_image(from_array(np.rint(1000 * head.numpy()).astype(np.int16), given), image)
