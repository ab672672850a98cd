"""Real patients and healthy people as tensors: every scan with the sequences and the labels that it has.

They are kept on voxels finer than the network's, smoothed for the network's, at the size of the brains that it knows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...interfaces.datasets.masks import TumorMask
from ...interfaces.datasets.query import Scan, find_scans
from ...interfaces.files.images import ImageError, read_image, to_array
from ...interfaces.files.labels import brats_labels, class_indices, resample_labels, tumor_only
from ...interfaces.files.masks import GIVE_ONE_FRAME, finite_image, in_one_frame, without_spikes
from ...interfaces.networks.grid import brain_scale, network_grid, on_network_grid
from ...interfaces.scan.brain import brain_of
from ...models.regions import MODALITIES
from ...models.segmentation.subsets import UNKNOWN_PART
from ...models.unet import SegmentationSettings
from ..scans import prepare_all, require_within, stored
from .options import SubsetOptions

FINER = 2
"""Voxels of the network over those on which a scan is kept."""


def prepare_patients(
    options: SubsetOptions, folder: Path, report: Callable[[str], None] = lambda line: None
) -> tuple[dict[str, list[Path]], dict[str, str]]:
    """All scans of all datasets, checked and on disk as tensors.

    Parameters
    ----------
    options : SubsetOptions
    folder : Path
        Where they are kept; what is there and still fits is not made again.
    report : callable
        Gets a line for every scan.

    Returns
    -------
    files : dict of str to list of Path
        By subject: ``images`` float16 (4, X, Y, Z) in the order of :data:`~gliomorph.models.regions.MODALITIES`, a
        sequence that the scan has not is 0 throughout; ``labels`` uint8 class indices or
        :data:`~gliomorph.models.segmentation.subsets.UNKNOWN_PART`.
    sources : dict of str to str
        By subject: the name of the dataset's folder.

    Raises
    ------
    TrainingDataError
        Naming every scan that cannot be used.
    """
    sources: dict[str, str] = {}
    scans = []
    for bids_dir in (*options.bids_dirs, *options.healthy_dirs):
        healthy = bids_dir in options.healthy_dirs
        for scan in find_scans(bids_dir, derivatives={} if healthy else options.derivatives):
            sources.setdefault(scan.subject, bids_dir.name)
            scans.append((scan, healthy))
    well = {scan.label for scan, healthy in scans if healthy}

    def prepared(scan: Scan) -> tuple[Path, list[str]]:
        return _prepare_scan(scan, scan.label in well, options.network, folder)

    return prepare_all([scan for scan, _ in scans], prepared, report), sources


def _prepare_scan(
    scan: Scan, healthy: bool, network: SegmentationSettings, folder: Path
) -> tuple[Path, list[str]]:
    """Its tensors on disk, and notices if they were made now."""
    if scan.problem or scan.image is None:
        raise ImageError(scan.problem or "no image")
    if not healthy and scan.tumor is None:
        raise ImageError("a label map or a tumour mask in a folder given with -d is required, there is none")
    images = {scan.modality: scan.image, **scan.others}
    files = [*images.values(), *(path for path in (scan.tumor and scan.tumor.path, scan.brain_mask) if path)]
    notices: list[str] = []

    def read() -> dict[str, np.ndarray]:
        pictures, brains, brain, odd = _read_images(images, scan.brain_mask)
        notices.extend(odd)
        fine_mm = network.voxel_mm / FINER * brain_scale(brain, network.brain_ml)
        grid = network_grid(brain, fine_mm)
        voxels = np.zeros((len(MODALITIES), *grid.GetSize()), np.float16)
        for name, picture in pictures.items():
            voxels[MODALITIES.index(name)] = on_network_grid(
                picture, brains[name], grid, resolution_mm=fine_mm * FINER
            )
        if scan.tumor is None:
            return {"images": voxels, "labels": np.zeros(grid.GetSize(), np.uint8)}
        return {"images": voxels, "labels": _read_labels(scan.tumor, grid, brain)}

    settings = ["any", network.voxel_mm, network.brain_ml, healthy]
    return stored(scan.label, files, settings, folder, read), notices


def _read_images(
    images: Mapping[str, Path], given: Path | None
) -> tuple[dict[str, sitk.Image], dict[str, sitk.Image], sitk.Image, list[str]]:
    """Images and brain masks by sequence, the first one's mask, and notices.

    Heads that lie on one grid have one brain: it is extracted once, from the first.
    """
    pictures, brains, notices = {}, {}, []
    first: sitk.Image | None = None
    extracted = False
    for name, path in images.items():
        picture, odd = finite_image(path)
        if first is not None and extracted and picture.GetSize() == first.GetSize():
            mask = first
        else:
            with tempfile.TemporaryDirectory() as scratch:
                mask, method, doubts = brain_of(picture, path, given, Path(scratch))
            odd += doubts
            extracted = extracted or method != "skull-stripped input"
        first = first or mask
        picture, changes = without_spikes(picture, mask, path.name)
        pictures[name], brains[name] = picture, mask
        notices += [f"{path.name}: {text}" for text in (*odd, *changes)]
    assert first is not None
    return pictures, brains, first, notices


def _read_labels(tumor: TumorMask, grid: sitk.Image, brain: sitk.Image) -> np.ndarray:
    """Class indices (X, Y, Z), uint8, on a grid; of a mask :data:`UNKNOWN_PART`."""
    name = tumor.path.name
    given, _, _ = brats_labels(read_image(tumor.path, sitk.sitkFloat32), tumor.kind, name, tumor.table)
    given, differing = in_one_frame(given, brain, name, "the image")
    if differing:
        raise ImageError(f"{differing}: {GIVE_ONE_FRAME}")
    drawn = tumor_only(to_array(given)) > 0
    there = to_array(sitk.Resample(brain, given, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
    share = float(there[drawn].mean())
    require_within(share, f"{name}: only {share:.0%} of the tumour lies within the brain")
    labels = tumor_only(to_array(resample_labels(given, grid)))
    return (
        np.where(labels > 0, UNKNOWN_PART, 0).astype(np.uint8)
        if tumor.kind == "mask"
        else class_indices(labels)
    )
