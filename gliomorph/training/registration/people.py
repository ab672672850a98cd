"""Pairs of painted people with a template: label maps of whole heads, aligned once, painted anew in every epoch.

In contrast to the data engine's patients, who are a template bent, these are brains of people's own shape. Half of
them are T1-weighted; the others have contrasts of no modality, so that a network does not rely on any.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import chdir
from functools import lru_cache
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk
import torch
from safetensors import safe_open
from torch import Tensor

from ...interfaces.files.checksums import content_hash
from ...interfaces.files.images import from_array, read_image, to_array, write_image
from ...interfaces.files.labels import whole_labels
from ...interfaces.files.transforms import read_transform
from ...interfaces.scan.align import align
from ...models import geometry
from ...models.registration.pair import Pair
from ...models.synthesis import palette, people
from ...models.synthesis.chance import Chance
from ..scans import PARTS, TrainingDataError, example_seed, stored
from .data import Target

PATTERN = "*_dseg.nii.gz"
T1_WEIGHTED = 0.5
"""Share of the people who are painted T1-weighted."""
WITHOUT_TUMOR = 0.2
BENT_MM = (1.0, 5.0)
"""Standard deviation of the displacement by which a person is bent, of one draw."""
SMOOTH_MM = (12.0, 30.0)
"""Width over which that displacement is smooth."""
HELD_IN_MEMORY = 32


def prepare_people(
    folder: Path, target: Target, prepared: Path, report: Callable[[str], None]
) -> dict[str, Path]:
    """Label maps of a folder, affinely aligned with a template, by the files' names.

    Parameters
    ----------
    folder : Path
        Holds ``*_dseg.nii.gz`` with FreeSurfer's numbers, whole heads or brains.
    target : Target
    prepared : Path
        Where they are kept, as safetensors with ``labels`` on the target's grid; those that still fit are not made
        again.
    report : callable
        Gets a line for every map.

    Raises
    ------
    TrainingDataError
        No label map in the folder.
    """
    paths = sorted(folder.glob(PATTERN))
    if not paths:
        raise TrainingDataError(f"{folder}: label maps of heads ({PATTERN}) are required, there are none")
    files = {}
    for number, path in enumerate(paths, start=1):
        name = path.name.removesuffix("_dseg.nii.gz")
        files[name] = stored(
            f"{name}-{target.template.name}",
            [path],
            [target.sha256, content_hash(path)],
            prepared,
            lambda path=path: {"labels": aligned(path, target)},  # type: ignore[misc]
        )
        report(f"{name} ({number} of {len(paths)}) is aligned with {target.template.name}")
    return files


def aligned(path: Path, target: Target) -> np.ndarray:
    """A label map on the target's grid, affinely aligned: the alignment is that of the person's painted scan."""
    given = sitk.DICOMOrient(read_image(path), "LPS")
    voxel_mm = float(np.mean(given.GetSpacing()))
    labels = whole_labels(to_array(given), path.name).astype(np.int64)
    person = people.individual_of(labels, voxel_mm)
    source = Chance(0)
    shape = tuple(person.labels.shape)
    positions = geometry.identity_grid(torch.zeros(1, 3, *shape))
    portrait = people.paint(person, palette.sample_t1w(source), positions, voxel_mm, source)
    box = tuple(slice(a, a + n) for a, n in zip(person.first, shape, strict=True))
    whole = np.zeros(labels.shape, np.float32)
    whole[box] = portrait.image.numpy()
    with tempfile.TemporaryDirectory() as scratch, chdir(scratch):
        here = Path(scratch)
        names = {"image": from_array(whole, given), "brain": from_array((whole > 0).astype(np.uint8), given)}
        names |= {"template": target.image, "fixed": target.image, "inside": target.brain}
        files = {name: write_image(image, here / f"{name}.nii.gz") for name, image in names.items()}
        _, affine, _ = align(
            files["image"], files["brain"], None, files["template"], files["fixed"], files["inside"], 1
        )
        transform = read_transform(affine)
    numbers = from_array(labels.astype(np.int16), given)
    return to_array(sitk.Resample(numbers, target.image, transform, sitk.sitkNearestNeighbor))


@attrs.frozen(kw_only=True)
class PeoplePairs:
    """People by number, in turn; bent, painted and given a tumour at random."""

    files: tuple[Path, ...]
    """As :func:`prepare_people` leaves them."""
    target: Target
    count: int
    seed: int
    part: int
    """One of :data:`~gliomorph.training.scans.PARTS`."""

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, epoch: int) -> Pair:
        """Training people are painted anew in every epoch; those of validation and test stay."""
        round_ = epoch if PARTS[self.part] == "train" else 0
        chance = Chance(example_seed(self.seed, self.part, round_, index, 1))
        target = self.target
        voxel_mm = float(np.mean(target.image.GetSpacing()))
        person = _person(self.files[chance.integer(len(self.files))], voxel_mm)
        corner = geometry.columns(person.first, target.fixed)
        bend = _bend(target.fixed, voxel_mm, chance)
        positions = geometry.identity_grid(bend) + bend - corner
        growth = None
        if not chance.happens(WITHOUT_TUMOR):
            growth = people.sample_growth(person, positions, voxel_mm, chance)
            positions = people.pushed(positions, growth, voxel_mm)
        usual = chance.happens(T1_WEIGHTED)
        colours = palette.sample_t1w(chance) if usual else palette.sample_any(chance)
        portrait = people.paint(person, colours, positions, voxel_mm, chance, growth)
        return target.matched_pair(portrait.image, portrait.tumor > 0)


def _bend(like: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """A smooth random displacement (1, 3, X, Y, Z) in voxels; small beside its width, so that it does not fold."""
    width = chance.log_uniform(*SMOOTH_MM)
    size = chance.uniform(BENT_MM[0], min(BENT_MM[1], 0.25 * width))
    return chance.field(like.shape[2:], width / voxel_mm, 3)[None] * (size / voxel_mm)


@lru_cache(HELD_IN_MEMORY)
def _person(path: Path, voxel_mm: float) -> people.Individual:
    with safe_open(path, framework="pt") as file:
        return people.individual_of(file.get_tensor("labels").numpy().astype(np.int64), voxel_mm)
