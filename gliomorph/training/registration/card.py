"""What a user should know of a trained registration network; JSON beside its weights."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch

from ... import __version__
from ...interfaces.networks.files import weights_sha256
from ...models.registration.networks import RegistrationNetwork
from ...models.registration.objective import Objective
from ...models.registration.pair import Pair
from ...models.registration.training import measured
from ..cards import LIMITS, summary
from .data import MODALITY, Target
from .options import RegistrationOptions


def registration_card(
    network: RegistrationNetwork,
    options: RegistrationOptions,
    objective: Objective,
    targets: Sequence[Target],
    counts: Mapping[str, int],
    test: Iterable[Pair],
    weights: Path,
) -> dict[str, Any]:
    """The card of a network, with its figures on the test pairs.

    Parameters
    ----------
    network : RegistrationNetwork
        In evaluation mode.
    options : RegistrationOptions
    objective : Objective
        That was minimised.
    targets : sequence of Target
    counts : mapping of str to int
        Pairs by part.
    test : iterable of Pair
        One each.
    weights : Path
        Its file.

    Returns
    -------
    card : dict
        Ready for JSON; figures are means over the pairs (:func:`~gliomorph.models.registration.training.measured`).
    """
    device = next(network.parameters()).device
    rows = [_row(network, pair.to(device), objective) for pair in test]
    return {
        "task": f"registration of {MODALITY} images of brains with tumours to a template",
        "method": options.method,
        "templates": [
            {"name": target.template.name, "shape": list(target.image.GetSize()), "sha256": target.sha256}
            for target in targets
        ],
        "input": {
            "modalities": [MODALITY],
            "voxel_mm": options.voxel_mm,
            "preparation": "skull-stripped, affinely aligned, matched to the template, on its working grid",
            "tumor_mask": network.settings.masking != "none",
        },
        "network": attrs.asdict(network.settings),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "training_data": {"source": _source(options), "pairs": dict(counts)},
        "measured_on": _measured_on(options, counts["test"]),
        "device": device.type,
        "metrics": summary(rows),
        "settings": options.public_record(),
        "weights": {"file": weights.name, "sha256": weights_sha256(weights)},
        "limits": LIMITS,
        "generated_by": f"gliomorph {__version__}",
    }


def _row(network: RegistrationNetwork, pair: Pair, objective: Objective) -> dict[str, float]:
    start = time.perf_counter()
    with torch.inference_mode():
        path = network(pair)
        cost = float(path.energy.mean())  # waits for the GPU
    seconds = time.perf_counter() - start
    return {**measured(path, pair, objective), "path_energy": cost, "seconds": seconds}


def _source(options: RegistrationOptions) -> str:
    if options.derivatives_dir is not None:
        return f"scans of the derivatives in {options.derivatives_dir.name}"
    return (
        f"simulated patients of the data engine on {' and '.join(options.templates)}, new ones in every epoch"
    )


def _measured_on(options: RegistrationOptions, count: int) -> str:
    told = f"{count} test pairs of the same source, of patients who were not used in this training"
    if options.start:
        told += "; the weights that it began with may have been trained on some of them"
    return told
