"""What a user should know of a network for any subset, as JSON: task, data, quality on held-out people, limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import __version__
from ...interfaces.networks.files import weights_sha256
from ...models.segmentation.inference import decide, probabilities
from ...models.segmentation.metrics import REGIONS, measure_region
from ...models.segmentation.subsets import UNKNOWN_PART
from ..cards import LIMITS, summary
from ..segmentation.card import LABELS
from .examples import as_they_are, subsets_of, with_only

if TYPE_CHECKING:
    from ...models.unet import UNet
    from .options import SubsetOptions


def subset_card(
    network: UNet, options: SubsetOptions, parts: Mapping[str, tuple[Path, ...]], weights: Path
) -> dict[str, Any]:
    """The card of a network, with its figures on the held-out fold, for each sequence alone and for all.

    Parameters
    ----------
    network : UNet
        In evaluation mode.
    options : SubsetOptions
    parts : mapping of str to tuple of Path
        Prepared scans of ``train`` and ``test``.
    weights : Path
        Its file.

    Returns
    -------
    card : dict
        Ready for JSON; figures are means over the scans in which they are defined, with their number.
    """
    figures: dict[str, list[dict[str, float]]] = {}
    for file in parts["test"]:
        for subset, found in measured(network, file).items():
            figures.setdefault(subset, []).append(found)
    return {
        "task": "brain tumour segmentation: NCR, ED, ET",
        "role": "any subset of the sequences",
        "architecture": "3-D U-Net, 3 down-samplings",
        "input": {
            "modalities": list(options.network.modalities),
            "missing": "a sequence that a scan has not is 0 throughout",
            "voxel_mm": options.network.voxel_mm,
            "preparation": "skull-stripped, RAS, brain's box, mean 0 and variance 1 over the brain",
        },
        "labels": LABELS,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "training_data": {
            "source": [folder.name for folder in (*options.bids_dirs, *options.healthy_dirs)],
            "examples": {name: len(files) for name, files in parts.items()},
        },
        "measured_on": f"{len(parts['test'])} scans of people who were not used in this training",
        "metrics": {subset: summary(its) for subset, its in figures.items()},
        "settings": options.public_record(),
        "weights": {"file": weights.name, "sha256": weights_sha256(weights)},
        "limits": LIMITS,
        "generated_by": f"gliomorph {__version__}",
    }


def measured(network: UNet, file: Path) -> dict[str, dict[str, float]]:
    """Dice, precision and sensitivity of a scan by subset; regions of which its labels say nothing are NaN."""
    images, labels = as_they_are(file)
    truth, table = labels.numpy(), {}
    unknown = bool((truth == UNKNOWN_PART).any())
    device = next(network.parameters()).device
    for subset, channels in subsets_of(images).items():
        shares = probabilities(network, with_only(images, channels).to(device), mirrored=True)
        predicted = decide(shares.cpu().numpy())
        row: dict[str, float] = {}
        for region, classes in REGIONS.items():
            inside = np.isin(truth, (*classes, UNKNOWN_PART))
            found = measure_region(np.isin(predicted, classes), inside, [1.0] * 3)
            if unknown and region != "WT":
                found = dict.fromkeys(found, float("nan"))
            row |= {f"{region}_{name}": found[name] for name in ("dice", "precision", "sensitivity")}
        table[subset] = row
    return table
