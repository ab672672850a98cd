"""How well networks segment scans that were held out: each sequence alone and all, for several thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import torch

from ...interfaces.networks.grid import LEAST, MULTIPLE
from ...models.segmentation.inference import decide, probabilities
from ...models.segmentation.metrics import REGIONS
from ...models.segmentation.subsets import UNKNOWN_PART
from ...models.segmentation.variation import placed, restored
from .examples import read_scan, subsets_of, with_only
from .patients import FINER

if TYPE_CHECKING:
    from ...interfaces.networks.segmentation import Member
    from ...models.unet import SegmentationSettings

THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@attrs.frozen(kw_only=True)
class HeldOut:
    """Figures of one scan, read from one subset of its sequences, at one threshold."""

    subset: str
    """A modality, or ``all``."""
    threshold: float
    figures: dict[str, float]
    """Dice, precision and sensitivity by region; NaN for regions of which the labels say nothing."""
    volume_ml: float
    """Whole tumour, by the labels."""
    found_ml: float
    """Whole tumour, by the networks."""


def measured(
    members: Sequence[Member],
    file: Path,
    kept: SegmentationSettings,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[HeldOut]:
    """Figures of a scan on the voxels on which it is kept, which are finer than the networks'.

    Parameters
    ----------
    members : sequence of (UNet, SegmentationSettings)
        In evaluation mode; of several the mean probabilities count. A student is given its sequence alone.
    file : Path
        As :func:`~.patients.prepare_patients` leaves it.
    kept : SegmentationSettings
        The network for which it was prepared.
    thresholds : sequence of float

    Returns
    -------
    table : list of HeldOut
    """
    images, labels = read_scan(file)
    fine_mm, rows = kept.voxel_mm / FINER, []
    for subset, channels in subsets_of(images).items():
        read = members[0][1].modalities
        if len(read) == 1 and subset != read[0]:
            continue
        shares = found_in(members, with_only(images, channels), kept)
        for threshold in thresholds:
            predicted = decide(shares, fine_mm**3, threshold)
            rows.append(
                HeldOut(
                    subset=subset,
                    threshold=threshold,
                    figures=_figures(predicted, labels.numpy()),
                    volume_ml=float((labels > 0).sum()) * fine_mm**3 / 1000,
                    found_ml=float((predicted > 0).sum()) * fine_mm**3 / 1000,
                )
            )
    return rows


def found_in(members: Sequence[Member], images: torch.Tensor, kept: SegmentationSettings) -> np.ndarray:
    """Mean probabilities (4, X, Y, Z) inside the brain, on the voxels of images that were prepared for ``kept``."""
    inside, total = (images != 0).any(0), torch.zeros(4, *images.shape[1:])
    for network, settings in members:
        larger = kept.brain_ml / settings.brain_ml if kept.brain_ml and settings.brain_ml else 1.0
        ratio = FINER * settings.voxel_mm / kept.voxel_mm * larger ** (1 / 3)
        shape = [max(LEAST, MULTIPLE * -(-round(side / ratio) // MULTIPLE)) for side in images.shape[1:]]
        there, _ = placed(images, torch.zeros(images.shape[1:]), shape, ratio)
        if len(settings.modalities) == 1:
            there = there[there.flatten(1).any(1)][:1]
        found = probabilities(network, there.to(next(network.parameters()).device), mirrored=True)
        total += restored(found.cpu(), images.shape[1:], ratio) / len(members)
    tumor = total[1:] * inside
    return torch.cat([1 - tumor.sum(0, keepdim=True), tumor]).numpy()


def _figures(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    unknown = bool((truth == UNKNOWN_PART).any())
    row: dict[str, float] = {}
    for region, classes in REGIONS.items():
        there = np.isin(truth, (*classes, UNKNOWN_PART))
        found = np.isin(predicted, classes)
        both, seen, true = (int(np.count_nonzero(mask)) for mask in (found & there, found, there))
        said = region == "WT" or not unknown
        ratios = {
            "dice": _ratio(2 * both, seen + true, 1.0),
            "precision": _ratio(both, seen, float("nan")),
            "sensitivity": _ratio(both, true, float("nan")),
        }
        row |= {f"{region}_{name}": value if said else float("nan") for name, value in ratios.items()}
    return row


def _ratio(part: int, whole: int, empty: float) -> float:
    return part / whole if whole else empty


def as_row(scan: str, one: HeldOut) -> dict[str, Any]:
    """A row of a table."""
    volumes = {"volume_ml": round(one.volume_ml, 1), "found_ml": round(one.found_ml, 1)}
    rounded = {name: round(value, 4) for name, value in one.figures.items()}
    return {"scan": scan, "subset": one.subset, "threshold": one.threshold, **volumes, **rounded}
