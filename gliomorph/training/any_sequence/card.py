"""What a user should know of a network for any subset, as JSON: task, data, quality on held-out people, limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...interfaces.networks.files import weights_sha256
from ..cards import LIMITS, summary
from ..segmentation.card import LABELS, MISSING
from .held_out import measured

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
    settings = options.network
    for file in parts["test"]:
        for one in measured([(network, settings)], file, settings, [settings.threshold]):
            figures.setdefault(one.subset, []).append(one.figures)
    return {
        "task": "brain tumour segmentation: NCR, ED, ET",
        "role": "any subset of the sequences",
        "architecture": "3-D U-Net, 3 down-samplings",
        "input": {
            "modalities": list(options.network.modalities),
            "missing": MISSING,
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
