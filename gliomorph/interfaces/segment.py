"""Tumour segmentation from one modality by a student U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from fileformats.generic import File

from .device import choose_device
from .images import ImageError, from_array, read_image, to_array, voxel_volume_ml, write_image
from .memory import free_gb
from .network_grid import from_network_grid, network_grid, on_network_grid
from .segmentation_weights import load_student
from .stored_network import weights_sha256
from .task import task
from .transforms import read_transform
from .tumor import LABELS

PROBABILITY_REGIONS = ("WT", "TC", "ET")
"""Whose probabilities are handed on, in this order."""
BYTES_PER_CHANNEL = 26
"""Peak of a pass over the whole head, for each voxel and each channel of the first level (measured)."""
WINDOW = (96, 96, 96)
"""Voxels, where a whole head does not fit into memory."""


def segment(
    image: Path, native: Path, brain_mask: Path, affine: Path, weights: Path, modality: str, gpu: str
) -> tuple[Path, list[Path], dict[str, Any]]:
    """BraTS labels and region probabilities on the native grid.

    The native image is brought to the network's grid, in the template's frame, in one interpolation; the
    network's probabilities come back in one more.

    Parameters
    ----------
    image : Path
        On the working grid, 0 outside the brain: where in the template's frame the brain lies.
    native : Path
        What is segmented; bias field removed.
    brain_mask : Path
        On the native grid.
    affine : Path
        ITK transform, template points to native points.
    weights : Path
        safetensors of a student.
    modality : str
        What the image is; must be the one that the weights were trained on.
    gpu : str
        ``auto``, ``all`` or ``none``.

    Returns
    -------
    labels : Path
        uint8, native grid: 0, 1 (NCR), 2 (ED), 4 (ET).
    probabilities : list of Path
        float32, native grid, of :data:`PROBABILITY_REGIONS`.
    info : dict
        As for a given tumour, with ``device``, ``weights`` and ``weights_sha256``.

    Raises
    ------
    WeightsError
        Another architecture or modality.
    ImageError
        If no tumour is found.
    """
    from ..models.segmentation import decide, probabilities, region_probabilities

    device = choose_device(gpu)
    network, settings = load_student(Path(weights), modality)
    aligned = read_image(image)
    head = sitk.Cast(aligned != 0, sitk.sitkUInt8)
    grid = network_grid(head, settings.voxel_mm * _scale(head, settings.brain_ml))
    target, brain, to_native = (
        read_image(native),
        read_image(brain_mask, sitk.sitkUInt8),
        read_transform(affine),
    )
    voxels = on_network_grid(target, brain, grid, to_native)
    found = probabilities(
        network.to(device), _tensor(voxels), _window(voxels, settings.width, device), mirrored=True
    )
    shares = from_network_grid(found.cpu().numpy(), grid, target, to_native.GetInverse())
    shares[1:] *= to_array(brain) > 0
    shares[0] = 1 - shares[1:].sum(axis=0)
    classes = decide(shares, 1000 * voxel_volume_ml(target))
    if not classes.any():
        raise ImageError("the segmentation network found no tumour; give a mask with -d NAME=PATH")
    values = np.array([0, LABELS["NCR"], LABELS["ED"], LABELS["ET"]], np.uint8)
    labels = write_image(from_array(values[classes], target), Path.cwd() / "student.nii.gz")
    regions = region_probabilities(shares)
    parts = [
        write_image(
            from_array(np.round(regions[region], 3).clip(0, 1), target),
            Path.cwd() / f"{region}_probability.nii.gz",
        )
        for region in PROBABILITY_REGIONS
    ]
    inside = classes > 0
    return (
        labels,
        parts,
        {
            "kind": "dseg",
            "frame": "network",
            "volume_ml": round(float(inside.sum()) * voxel_volume_ml(target), 3),
            "share_of_brain": round(float(inside.sum() / max(1, (to_array(brain) > 0).sum())), 5),
            "labels": np.unique(values[classes]).tolist(),
            "device": device,
            "weights": Path(weights).name,
            "weights_sha256": weights_sha256(Path(weights)),
            "notices": [
                f"no tumour mask was given: it was segmented from {modality} by {Path(weights).name}; look at it"
            ],
        },
    )


def _scale(head: sitk.Image, brain_ml: float) -> float:
    """Side of a brain over that of the brains that a network knows: templates differ by a fifth in volume.

    Bounded, for an incomplete head is no small one.
    """
    if not brain_ml:
        return 1.0
    volume_ml = float((to_array(head) > 0).sum()) * voxel_volume_ml(head)
    return min(1.1, max(0.88, (volume_ml / brain_ml) ** (1 / 3)))


def by_region(probabilities: Sequence[Path]) -> dict[str, Path]:
    """The probabilities of :func:`segment` by region; none where the tumour was given.

    Raises
    ------
    ValueError
        Some, but not one of each region.
    """
    if probabilities and len(probabilities) != len(PROBABILITY_REGIONS):
        raise ValueError(
            f"probabilities of {', '.join(PROBABILITY_REGIONS)} are required, or none at all, got "
            f"{len(probabilities)} files"
        )
    return dict(zip(PROBABILITY_REGIONS, map(Path, probabilities), strict=False))  # or none at all


def _tensor(voxels: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(voxels)[None]


def _window(voxels: np.ndarray, width: int, device: str) -> tuple[int, ...] | None:
    """None where the whole head fits into half of the memory that is free."""
    needed_gb = voxels.size * width * BYTES_PER_CHANNEL / 1e9
    return None if needed_gb < 0.5 * free_gb(device) else WINDOW


Segment = task(segment, labels=File, probabilities=list[File], info=dict)
