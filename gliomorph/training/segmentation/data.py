"""What a segmentation network is trained on: a BIDS dataset with label maps, or simulated patients.

Every scan is read, checked and prepared (network grid, standardised) before any training starts, so that a
missing modality is found now and not in the night. Prepared scans are kept as safetensors.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import attrs
import numpy as np
import SimpleITK as sitk
import torch
from safetensors import safe_open
from torch import Tensor

from ...interfaces.datasets.masks import TumorMask
from ...interfaces.datasets.query import Scan, find_scans, some_of
from ...interfaces.datasets.simulate import anatomy_of
from ...interfaces.datasets.templates import Template
from ...interfaces.files.images import ImageError, read_image, to_array, voxel_volume_ml
from ...interfaces.files.labels import brats_labels, class_indices, resample_labels, tumor_only
from ...interfaces.files.masks import GIVE_ONE_FRAME, finite_image, in_one_frame, without_spikes
from ...interfaces.networks.grid import network_grid, on_network_grid
from ...interfaces.scan.brain import brain_of
from ...models.segmentation.augmentation import augment, crop
from ...models.segmentation.training import Batch
from ...models.synthesis.chance import Chance
from ...models.synthesis.engine import DataEngine, Engine
from ...models.unet import standardize
from ..scans import PARTS, example_seed, prepare_all, require_within, stored


class Examples(Protocol):
    """Examples by number; an epoch's number makes them vary."""

    def __len__(self) -> int: ...

    def read(self, index: int, epoch: int) -> tuple[Tensor, Tensor]:
        """Images (C, X, Y, Z), standardised, and class indices (X, Y, Z)."""
        ...


def one_by_one(examples: Examples) -> Iterator[Batch]:
    """Batches of one, as they are held out: heads may differ in size."""
    for index in range(len(examples)):
        images, labels = examples.read(index, 0)
        yield Batch(images=images[None], labels=labels[None])


@attrs.frozen(kw_only=True)
class SimulatedExamples:
    """Patients of a data engine."""

    engine: Engine
    count: int
    seed: int
    part: int
    """One of :data:`PARTS`: no patient is in two of them."""

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, epoch: int) -> tuple[Tensor, Tensor]:
        """Training patients are new in every epoch; validation and test patients stay."""
        round_ = epoch if PARTS[self.part] == "train" else 0
        example = self.engine.draw(example_seed(self.seed, self.part, round_, index))
        return torch.stack([standardize(image) for image in example.images]), example.labels


@attrs.frozen(kw_only=True)
class PreparedExamples:
    """Scans of a dataset."""

    files: tuple[Path, ...]
    """As :func:`prepare` leaves them."""
    seed: int = 0
    box: tuple[int, ...] | None = None
    """Random boxes of this many voxels for training, and augmentation; else whole heads as they are."""

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int, epoch: int) -> tuple[Tensor, Tensor]:
        """The scan, in training a random box of it, changed at random."""
        with safe_open(self.files[index], framework="pt") as file:
            images, labels = file.get_tensor("images").float(), file.get_tensor("labels").long()
        if self.box is None:
            return images, labels
        chance = Chance(example_seed(self.seed, epoch, index))
        return crop(*augment(images, labels, chance), self.box, chance)


def engine_of(
    template: Template, modalities: Sequence[str], shape: Sequence[int] | None, device: str
) -> DataEngine:
    """The data engine on a template, brought to the axes of a network's grid (RAS)."""
    oriented = attrs.evolve(
        template,
        image=sitk.DICOMOrient(template.image, "RAS"),
        brain_mask=sitk.DICOMOrient(template.brain_mask, "RAS"),
        tissues={name: sitk.DICOMOrient(tissue, "RAS") for name, tissue in template.tissues.items()},
    )
    return DataEngine(anatomy_of(oriented), modalities, shape, device)


def prepare(
    bids_dir: Path,
    derivatives: Mapping[str, Path],
    modalities: Sequence[str],
    voxel_mm: float,
    folder: Path,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, list[Path]]:
    """All scans of a dataset, checked and on disk as tensors.

    Parameters
    ----------
    bids_dir : Path
        Raw dataset.
    derivatives : mapping of str to Path
        Folders with label maps (``seg-brats_dseg``, perhaps with a table), perhaps brain masks.
    modalities : sequence of str
        Channels.
    voxel_mm : float
    folder : Path
        Where they are kept; what is there and still fits is not made again.
    report : callable
        Gets a line for every scan.

    Returns
    -------
    files : dict of str to list of Path
        By subject: ``images`` float16 (C, X, Y, Z) standardised, ``labels`` uint8 class indices.

    Raises
    ------
    TrainingDataError
        Naming every scan that cannot be used.
    """
    scans = find_scans(bids_dir, derivatives=derivatives, modality=modalities[0])

    def prepared(scan: Scan) -> tuple[Path, list[str]]:
        path, notices = _prepare_scan(scan, modalities, voxel_mm, folder)
        return path, [*scan.notices, *scan.flags, *notices]

    return prepare_all(scans, prepared, report)


def _prepare_scan(
    scan: Scan, modalities: Sequence[str], voxel_mm: float, folder: Path
) -> tuple[Path, list[str]]:
    """Its tensors on disk, and notices if it was made now."""
    sources = _sources(scan, modalities)
    tumor, brain_mask = scan.tumor, scan.brain_mask
    notices: list[str] = []
    assert tumor is not None
    files = [*sources.values(), tumor.path, *(path for path in (tumor.table, brain_mask) if path)]

    def read() -> dict[str, np.ndarray]:
        images, labels, found = _read_scan(sources, tumor, brain_mask, voxel_mm)
        notices.extend(found)
        return {"images": images.astype(np.float16), "labels": labels}

    return stored(scan.label, files, [list(modalities), voxel_mm], folder, read), notices


def _sources(scan: Scan, modalities: Sequence[str]) -> dict[str, Path]:
    """The image of each modality."""
    if scan.problem:
        raise ImageError(f"{scan.problem}; {', '.join(modalities)} are required")
    images = {scan.modality: scan.image, **scan.others} if scan.image else {}
    if missing := [modality for modality in modalities if modality not in images]:
        found = ", ".join(path.name for path in images.values()) or "none"
        raise ImageError(
            f"no {', '.join(missing)} image; {', '.join(modalities)} are required, found {found}"
        )
    if scan.tumor is None or scan.tumor.kind != "dseg":
        masks = [each for each in scan.passed_over if each.source]
        found = scan.tumor.path.name if scan.tumor else some_of(masks) or "none"
        raise ImageError(f"a label map (seg-brats_dseg) in a folder given with -d is required, found {found}")
    return {modality: images[modality] for modality in modalities}


def _read_scan(
    sources: Mapping[str, Path], tumor: TumorMask, brain_mask: Path | None, voxel_mm: float
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Standardised images (C, X, Y, Z) and class indices (X, Y, Z) on one network grid, and notices."""
    grid, brain, images, notices = None, None, [], []
    first = next(iter(sources.values()))
    for path in sources.values():
        picture, mask, notice = _brain_image(path, brain_mask)
        brain = brain or mask
        grid = grid or network_grid(brain, voxel_mm)
        notices += notice
        try:
            images.append(on_network_grid(picture, mask, grid))
        except ImageError as error:
            raise ImageError(f"{path.name}: {error}") from error
        share = float((images[-1] != 0)[images[0] != 0].mean())
        require_within(
            share, f"{path.name}: only {share:.0%} of the brain of {first.name} lies within its own"
        )
    assert grid is not None and brain is not None
    labels, notice = _read_labels(tumor, grid, brain, first.name)
    return np.stack(images), labels, notices + notice


def _brain_image(path: Path, brain_mask: Path | None) -> tuple[sitk.Image, sitk.Image, list[str]]:
    """An image, its brain mask and notices; the brain has to be finite."""
    picture, notices = finite_image(path)
    with tempfile.TemporaryDirectory() as scratch:
        mask, _, odd = brain_of(picture, path, brain_mask, Path(scratch))
    if notices:
        spoilt = int((~np.isfinite(to_array(read_image(path))) & (to_array(mask) > 0)).sum())
        if spoilt:
            raise ImageError(
                f"{path.name}: finite values are required, {spoilt} voxels of the brain are NaN or infinite"
            )
    picture, changes = without_spikes(picture, mask, path.name)
    return picture, mask, [*odd, *(f"{path.name}: {notice}" for notice in [*notices, *changes])]


def _read_labels(
    tumor: TumorMask, grid: sitk.Image, brain: sitk.Image, image: str
) -> tuple[np.ndarray, list[str]]:
    """Class indices (X, Y, Z), uint8, on the network's grid, and notices.

    The tumour has to lie in the ``brain`` of the image of that name. This is judged where the tumour was drawn: a
    lesion may be too small for the network's grid and be in its place all the same.
    """
    name = tumor.path.name
    given, _, flags = brats_labels(read_image(tumor.path, sitk.sitkFloat32), "dseg", name, tumor.table)
    given, differing = in_one_frame(given, brain, name, image)
    if differing:
        raise ImageError(f"{differing}: {GIVE_ONE_FRAME}")
    drawn = tumor_only(to_array(given)) > 0
    there = to_array(sitk.Resample(brain, given, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
    share = float(there[drawn].mean())
    require_within(share, f"{name}: only {share:.0%} of the tumour lies within the brain of {image}")
    labels = tumor_only(to_array(resample_labels(given, grid)))
    if labels.any():
        return class_indices(labels), [f"{name}: {flag}" for flag in flags]
    volume_mm3 = 1000 * float(drawn.sum()) * voxel_volume_ml(given)
    notice = (
        f"{name}: nothing of the tumour ({volume_mm3:.3g} mm³) is left at the network's voxel size of "
        f"{grid.GetSpacing()[0]:g} mm, the scan counts as one without tumour"
    )
    return class_indices(labels), [notice]
