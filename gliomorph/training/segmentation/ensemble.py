"""Several trained segmentation networks as one: a file of weights whose mean probabilities count, and its card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ... import __version__
from ...interfaces.files.images import write_text
from ...interfaces.networks.files import WeightsError, card_of, weights_sha256
from ...interfaces.networks.segmentation import load_unet, write_ensemble
from ..cards import LIMITS
from .card import LABELS, MISSING

if TYPE_CHECKING:
    from ...interfaces.networks.segmentation import Member


def join(
    weights: Sequence[Path],
    out: Path,
    threshold: float | None = None,
    least_sure_ml: float | None = None,
) -> Path:
    """Put networks that read the same modalities into one file; their voxel sizes and widths may differ.

    Networks at two voxel sizes err in other places: one sees the outline, the other the surroundings.

    Parameters
    ----------
    weights : sequence of Path
        Files of single networks; of an ensemble its first network is taken.
    out : Path
        ``.safetensors``, for ``gliomorph --weights``; a file of that name is not overwritten.
    threshold : float, optional
        Probability from which a voxel counts as tumour, chosen on patients whom the networks have not learnt from; the
        mean of the networks' own if not given.
    least_sure_ml : float, optional
        Volume that has to be tumour beyond doubt, or a scan has none; chosen likewise.

    Returns
    -------
    out : Path
        As given, with its model card (JSON) beside it.

    Raises
    ------
    WeightsError
        A file that holds no segmentation network.
    ValueError
        Fewer than two networks, too many, or ones that read different modalities; a name that is taken.
    """
    if len(weights) < 2:
        raise ValueError(f"two networks or more are required, got {len(weights)}")
    if out.suffix != ".safetensors" or out.exists() or out.with_suffix(".json").exists():
        raise ValueError(f"{out}: a new name that ends in .safetensors is required")
    members = [load_unet(path) for path in weights]
    if threshold is not None:
        members = [(network, attrs.evolve(settings, threshold=threshold)) for network, settings in members]
    if least_sure_ml is not None:
        members = [
            (network, attrs.evolve(settings, least_sure_ml=least_sure_ml)) for network, settings in members
        ]
    try:
        write_ensemble(members, out)
    except ValueError as error:
        raise WeightsError(f"{', '.join(path.name for path in weights)}: {error}") from error
    card = _card(members, weights, out)
    write_text(json.dumps(card, indent=1) + "\n", out.with_suffix(".json"))
    return out


def _card(members: Sequence[Member], weights: Sequence[Path], out: Path) -> dict[str, Any]:
    """What a user should know of it: what it reads, and the cards of its networks where they have any."""
    networks, settings = zip(*members, strict=True)
    subsets = all(one.subsets for one in settings)
    role = "any subset of the sequences" if subsets else "teacher"
    return {
        "task": "brain tumour segmentation: NCR, ED, ET",
        "role": "student" if len(settings[0].modalities) == 1 else role,
        "architecture": f"{len(networks)} 3-D U-Nets, 3 down-samplings each; the mean of their probabilities",
        "input": {
            "modalities": list(settings[0].modalities),
            "voxel_mm": [one.voxel_mm for one in settings],
            **({"missing": MISSING} if subsets else {}),
            "preparation": "skull-stripped, RAS, brain's box, mean 0 and variance 1 over the brain",
        },
        "labels": LABELS,
        "threshold": sum(one.threshold for one in settings) / len(settings),
        "least_sure_ml": sum(one.least_sure_ml for one in settings) / len(settings),
        "parameters": sum(parameter.numel() for network in networks for parameter in network.parameters()),
        "members": [
            card_of(path) or {"weights": {"file": path.name, "sha256": weights_sha256(path)}}
            for path in weights
        ],
        "weights": {"file": out.name, "sha256": weights_sha256(out)},
        "limits": LIMITS,
        "generated_by": f"gliomorph {__version__}",
    }
