"""Tumour segmentation by networks that read one modality, or any subset of a session's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import SimpleITK as sitk

from ...models.regions import LABELS, MODALITIES, NESTED
from ..files.checksums import sha256_of
from ..files.images import from_array, read_image, to_array, voxel_volume_ml, write_image
from ..files.transforms import read_transform
from ..machine.device import Rung, first_that_fits
from ..machine.limits import free_gb
from ..networks.grid import brain_scale, from_network_grid, network_grid, on_network_grid
from ..networks.loaded import loaded_student
from ..task import task
from .records import FurtherImage, TumorInfo

if TYPE_CHECKING:
    from ...models.unet import SegmentationSettings, UNet

BYTES_PER_CHANNEL = 26
"""Peak of a pass over the whole head, for each voxel and each channel of the first level (measured)."""
HALF = "the GPU's memory did not suffice: the tumour was segmented on voxels of twice the size"
CPU = "the GPU's memory did not suffice: the tumour was segmented on the CPU"
BATCH = 4
"""Heads (a head and its mirror image) or windows at a time on a GPU."""
WINDOW = (96, 96, 96)
"""Voxels, where a whole head does not fit into memory."""
VALUES = np.array([0, *LABELS.values()], np.uint8)
"""Label of every class of a network."""


def segment(
    image: Path,
    native: Path,
    brain_mask: Path,
    affine: Path,
    weights: Path,
    modality: str,
    gpu: str,
    further: list[FurtherImage] | None = None,
) -> tuple[Path, list[Path], TumorInfo]:
    """BraTS labels and region probabilities on the native grid.

    The native images are brought to a network's grid, in the template's frame, in one interpolation; the network's
    probabilities come back in one more. Of several networks the mean probabilities count.

    Parameters
    ----------
    image : Path
        On the working grid, 0 outside the brain: where in the template's frame the brain lies.
    native : Path
        The primary image; bias field removed.
    brain_mask : Path
        On the native grid.
    affine : Path
        ITK transform, template points to native points.
    weights : Path
        safetensors, one network or several.
    modality : str
        What the image is; the networks have to read it, alone or with others that they can do without.
    gpu : str
        ``auto``, ``all`` or ``none``.
    further : list of FurtherImage, optional
        The session's further images on the native grid, for networks that read any subset: those that they know and
        that are not left out are read too.

    Returns
    -------
    labels : Path
        uint8, native grid: 0, 1 (NCR), 2 (ED), 4 (ET); 0 throughout where no tumour is found, as a flag says.
    probabilities : list of Path
        float32, native grid, of :data:`~gliomorph.models.regions.NESTED`.
    info : TumorInfo
        With ``device``, ``weights`` and ``weights_sha256``.

    Raises
    ------
    WeightsError
        Another architecture or modality.
    """
    from ...models.segmentation.inference import decide, sure_ml

    members = loaded_student(weights, modality)
    aligned, target, brain = read_image(image), read_image(native), read_image(brain_mask, sitk.sitkUInt8)
    to_native, inside = read_transform(affine), to_array(brain) > 0
    read = {modality: (target, brain)} | _further(further or [], brain, members[0][1])

    def found(pass_: Pass) -> np.ndarray:
        total = np.zeros((len(VALUES), *target.GetSize()), np.float32)
        for network, settings in members:
            grid = _grid(aligned, settings, pass_.coarser)
            seen = {name: on_network_grid(*pair, grid, to_native) for name, pair in read.items()}
            there = _probabilities(network, settings, _in_channels(seen, settings), pass_)
            total += from_network_grid(there, grid, target, to_native.GetInverse()) / len(members)
        return total

    on_cpu = Rung(compute=lambda: found(Pass(device="cpu")), device="cpu", notice=CPU)
    total, rung = first_that_fits(gpu, partial(_rungs, found), on_cpu)
    shares = _within(inside, total)
    threshold = sum(settings.threshold for _, settings in members) / len(members)
    least_ml = sum(settings.least_sure_ml for _, settings in members) / len(members)
    voxel_mm3 = 1000 * voxel_volume_ml(target)
    classes = decide(shares, voxel_mm3, threshold)
    if sure_ml(shares, voxel_mm3) < least_ml:
        classes[:] = 0
    values = VALUES[classes]
    labels = write_image(from_array(values, target), Path.cwd() / "student.nii.gz")
    count = float((values > 0).sum())
    images = ", ".join(name for name in MODALITIES if name in read)
    flag = f"no tumour mask was given: it was segmented from {images} by {weights.name}; look at it"
    if not count:
        flag = (
            f"no tumour mask was given, and {weights.name} found no tumour in {images}: kept out of the atlas; if "
            "there is one, give its mask with -d NAME=PATH"
        )
    info = TumorInfo(
        kind="dseg",
        frame="network",
        volume_ml=round(count * voxel_volume_ml(target), 3),
        share_of_brain=round(count / max(1.0, float(inside.sum())), 5),
        labels=np.unique(values).tolist(),
        device=rung.device.split(":")[0],
        weights=weights.name,
        weights_sha256=sha256_of(weights),
        flags=[flag, *([rung.notice] if rung.notice else [])],
    )
    return labels, _write_regions(shares, target), info


@attrs.frozen(kw_only=True)
class Pass:
    """How the networks read a head."""

    device: str
    batch: int = 1
    """Heads or windows at a time."""
    window: tuple[int, ...] | None = None
    """Voxels; None decides by the memory that is free."""
    coarser: float = 1.0
    """Voxels are this much larger than the network's."""


def _rungs(found: Callable[[Pass], np.ndarray], device: str) -> list[Rung[np.ndarray]]:
    """Ways on a GPU: ever smaller batches, then voxels of twice the size."""
    passes = [
        (Pass(device=device, batch=BATCH), ""),
        (Pass(device=device), ""),
        (Pass(device=device, window=WINDOW), ""),
        (Pass(device=device, window=WINDOW, coarser=2.0), HALF),
    ]
    return [Rung(compute=partial(found, p), device=p.device, notice=notice) for p, notice in passes]


def _grid(aligned: sitk.Image, settings: SegmentationSettings, coarser: float) -> sitk.Image:
    """The network's grid around the head that an image shows in the template's frame."""
    head = sitk.Cast(aligned != 0, sitk.sitkUInt8)
    return network_grid(head, coarser * settings.voxel_mm * brain_scale(head, settings.brain_ml))


def _further(
    further: Sequence[FurtherImage], brain: sitk.Image, settings: SegmentationSettings
) -> dict[str, tuple[sitk.Image, sitk.Image]]:
    """Further images that networks read, by modality, each with the part of the brain that it shows."""
    shown = {}
    for each in further:
        if settings.subsets and each.name in settings.modalities and each.image is not None:
            picture = read_image(each.image)
            shown[each.name] = (
                picture,
                sitk.Cast(brain > 0, sitk.sitkUInt8) * sitk.Cast(picture != 0, sitk.sitkUInt8),
            )
    return shown


def _in_channels(images: Mapping[str, np.ndarray], settings: SegmentationSettings) -> np.ndarray:
    """The channels that a network reads, (C, X, Y, Z); what there is no image of is 0."""
    none = np.zeros_like(next(iter(images.values())))
    return np.stack([images.get(modality, none) for modality in settings.modalities])


def _probabilities(
    network: UNet, settings: SegmentationSettings, voxels: np.ndarray, pass_: Pass
) -> np.ndarray:
    """Of the classes on the network's grid, (4, X, Y, Z)."""
    import torch

    from ...models.segmentation.inference import probabilities

    window = pass_.window or _window(voxels, settings.width * min(2, pass_.batch), pass_.device)
    try:
        found = probabilities(
            network.to(pass_.device), torch.from_numpy(voxels), window, mirrored=True, batch=pass_.batch
        )
        array: np.ndarray = found.cpu().numpy()
    finally:
        network.cpu()
    return array


def _window(voxels: np.ndarray, width: int, device: str) -> tuple[int, ...] | None:
    """None where the whole head fits into half of the memory that is free."""
    needed_gb = voxels[0].size * width * BYTES_PER_CHANNEL / 1e9
    return None if needed_gb < 0.5 * free_gb(device) else WINDOW


def _within(brain: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Probabilities (4, X, Y, Z) of the classes with background alone outside the brain (X, Y, Z)."""
    tumor = shares[1:] * brain
    return np.concatenate([1 - tumor.sum(axis=0, keepdims=True), tumor])


def _write_regions(shares: np.ndarray, target: sitk.Image) -> list[Path]:
    """Files of :data:`~gliomorph.models.regions.NESTED` in the current folder, with three decimals."""
    from ...models.segmentation.inference import region_probabilities

    regions = region_probabilities(shares)
    return [
        write_image(
            from_array(np.round(regions[region], 3).clip(0, 1), target),
            Path.cwd() / f"{region}_probability.nii.gz",
        )
        for region in NESTED
    ]


Segment = task(segment, "labels", "probabilities", "info")
