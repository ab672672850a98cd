"""What a user should know of a trained network: task, data, measured quality, limits; JSON beside its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...interfaces.networks.files import weights_sha256
from ...models.segmentation.inference import decide, probabilities
from ...models.segmentation.metrics import measure
from ..cards import LIMITS, summary

if TYPE_CHECKING:
    from ...models.segmentation.training import Batch
    from ...models.unet import UNet
    from .options import TrainingOptions

LABELS = {
    "0": "background",
    "1": "NCR",
    "2": "ED",
    "3": "ET (written as 4, the convention of BraTS until 2022)",
}

MISSING = "a sequence that a scan has not is 0 throughout"


def model_card(
    network: UNet,
    options: TrainingOptions,
    counts: Mapping[str, int],
    test: Iterable[Batch],
    channels: Sequence[int],
    weights: Path,
) -> dict[str, Any]:
    """The card of a network, with its figures on the test examples.

    Parameters
    ----------
    network : UNet
        In evaluation mode.
    options : TrainingOptions
    counts : mapping of str to int
        Examples by part.
    test : iterable of Batch
        One example each.
    channels : sequence of int
        Those that the network reads.
    weights : Path
        Its file.

    Returns
    -------
    card : dict
        Ready for JSON; figures are means over the patients in which they are defined, with their number.
    """
    device = next(network.parameters()).device
    voxel_mm = options.network.voxel_mm
    figures = []
    for batch in test:
        found = probabilities(network, batch.images[0, list(channels)].to(device), mirrored=True)
        predicted = decide(found.cpu().numpy(), voxel_mm**3)
        brain = (batch.images[0, channels[0]] != 0).cpu().numpy()
        figures.append(measure(predicted, batch.labels[0].cpu().numpy(), [voxel_mm] * 3, brain))
    return {
        "task": "brain tumour segmentation: NCR, ED, ET",
        "role": options.role,
        "architecture": "3-D U-Net, 3 down-samplings"
        + ("" if options.network.skips else ", no skip-connections"),
        "input": {
            "modalities": list(options.network.modalities),
            "voxel_mm": voxel_mm,
            "preparation": "skull-stripped, RAS, brain's box, mean 0 and variance 1 over the brain",
        },
        "labels": LABELS,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "training_data": _training_data(options, counts),
        "measured_on": _measured_on(options, counts["test"]),
        "metrics": summary(figures),
        "settings": options.public_record(),
        "weights": {"file": weights.name, "sha256": weights_sha256(weights)},
        "limits": LIMITS,
        "generated_by": f"gliomorph {__version__}",
    }


def _measured_on(options: TrainingOptions, count: int) -> str:
    told = f"{count} test scans of the same source, of patients who were not used in this training"
    others = {"it began with": options.start, "taught it": options.teacher}
    if read := [words for words, path in others.items() if path]:
        told += f"; the weights that {' and those that '.join(read)} may have been trained on some of them"
    return told


def _training_data(options: TrainingOptions, counts: Mapping[str, int]) -> dict[str, Any]:
    if options.bids_dir is not None:
        kind = f"BIDS dataset {options.bids_dir.name}"
    elif options.anatomies is not None:
        kind = f"simulated patients with the anatomies of {options.anatomies.name}, new ones in every epoch"
        kind += f", some with tumours shaped as in {options.shapes.name}" if options.shapes else ""
    else:
        kind = f"simulated patients of the data engine on {options.template}, new ones in every epoch"
    return {"source": kind, "examples": dict(counts), "modalities": list(options.channels)}
