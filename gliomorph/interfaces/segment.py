"""Tumour segmentation from one modality by the student U-Net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from fileformats.generic import File

from .device import choose_device
from .images import ImageError, from_array, read_image, to_array, voxel_volume_ml, write_image
from .task import task
from .transforms import read_transform
from .tumor import resample_labels
from .weights import WeightsError, opened, weights_sha256

SMALL_ET_VOXELS = 20
"""Fewer enhancing voxels than this are read as necrosis (thesis, post-processing)."""

LABELS = np.array([0, 1, 2, 4], np.uint8)


def segment(
    image: Path, native: Path, affine: Path, weights: Path, modality: str, gpu: str
) -> tuple[Path, dict[str, Any]]:
    """BraTS labels on the native grid.

    Parameters
    ----------
    image : Path
        Working grid, matched, 0 outside the brain; sides divisible by 8.
    native : Path
        Carries the native grid.
    affine : Path
        ITK transform, template points to native points.
    weights : Path
        safetensors with the U-Net's settings in its metadata.
    modality : str
        What the image is; must be the one that the weights were trained on.
    gpu : str
        ``auto``, ``all`` or ``none``.

    Returns
    -------
    labels : Path
        uint8, native grid: 0, 1 (NCR), 2 (ED), 4 (ET).
    info : dict
        As for a given tumour, with ``device`` and ``weights_sha256``.

    Raises
    ------
    WeightsError
        Another architecture or modality.
    ImageError
        If no tumour is found.
    """
    import torch

    from ..models.unet import standardize

    device = choose_device(gpu)
    network = load_unet(Path(weights), modality).to(device).eval()
    picture = read_image(image)
    voxels = standardize(torch.from_numpy(to_array(picture).copy())).to(device)
    with torch.inference_mode():
        labels = LABELS[network(voxels[None, None])[0].argmax(0).cpu().numpy()]
    if 0 < (labels == 4).sum() < SMALL_ET_VOXELS:
        labels[labels == 4] = 1
    if not labels.any():
        raise ImageError("the segmentation network found no tumour; give a mask with -d NAME=PATH")
    grid = read_image(native)
    moved = resample_labels(from_array(labels, picture), grid, read_transform(affine).GetInverse())
    out = write_image(moved, Path.cwd() / "student.nii.gz")
    volume = float((to_array(moved) > 0).sum()) * voxel_volume_ml(grid)
    return out, {
        "kind": "dseg",
        "frame": "network",
        "volume_ml": round(volume, 3),
        "labels": np.unique(to_array(moved)).tolist(),
        "device": device,
        "weights_sha256": weights_sha256(Path(weights)),
        "notices": [],
    }


def load_unet(path: Path, modality: str) -> Any:
    """The network stored in a safetensors file; its metadata names ``modality`` and ``width``."""
    from ..models.unet import UNet

    with opened(path, "pt") as file:
        metadata = file.metadata() or {}
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    if metadata.get("architecture") != "unet" or metadata.get("modality") != modality:
        raise WeightsError(
            f"{path.name}: weights of a U-Net for {modality} are required; this file says "
            f"architecture={metadata.get('architecture')!r}, modality={metadata.get('modality')!r}"
        )
    network = UNet(modalities=1, width=int(metadata.get("width", 30)))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        expected, found = len(network.state_dict()), len(state)
        raise WeightsError(
            f"{path.name}: not the U-Net it says (width {metadata.get('width')}): {expected} tensors expected, "
            f"{found} found, or other shapes"
        ) from error
    return network


Segment = task(segment, labels=File, info=dict)
