"""Command line: ``python -m benchmarks.likeness OUT --bids BIDS -d NAME=DIR --anatomies HEADS``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from gliomorph.interfaces.datasets.anatomies import people_engine
from gliomorph.models.regions import MODALITIES
from gliomorph.models.unet import standardize
from gliomorph.training.segmentation.data import prepare

from . import __doc__ as description
from . import measures, report

HALVES = {"tune": 0, "report": 1}
"""Which of every two patients."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare, draw, measure, write."""
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    real = _real(options)
    engine = people_engine(options.anatomies, options.shapes, options.voxel_size, MODALITIES)
    simulated = []
    for seed in range(options.seed, options.seed + (options.count or len(real))):
        example = engine.draw(seed)
        images = torch.stack([standardize(image) for image in example.images])
        simulated.append((images.numpy(), example.labels.numpy()))
    figures = [
        [measures.measure(*patient, MODALITIES, options.voxel_size) for patient in group]
        for group in (real, simulated)
    ]
    print(report.write(*figures, options.out / "likeness.md"))
    for channel, modality in enumerate(MODALITIES):
        path = options.out / f"likeness-{modality}.png"
        report.draw(real, simulated, channel, options.voxel_size, path)


def _real(options: argparse.Namespace) -> list[report.Patient]:
    """Every second patient of the dataset."""
    name, _, folder = options.derivatives.partition("=")
    prepared = options.out / "prepared"
    prepared.mkdir(exist_ok=True)
    files = prepare(options.bids, {name: Path(folder)}, MODALITIES, options.voxel_size, prepared)
    patients = []
    for subject in sorted(files)[HALVES[options.half] :: 2]:
        tensors = load_file(files[subject][0])
        patients.append((tensors["images"].float().numpy(), tensors["labels"].numpy().astype(np.int64)))
    return patients


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.likeness",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="folder of table and pictures")
    add("--bids", type=Path, required=True, metavar="DIR", help="real patients with all four modalities")
    add("-d", "--derivatives", required=True, metavar="NAME=DIR", help="their label maps")
    add("--anatomies", type=Path, required=True, metavar="DIR", help="label maps of heads")
    add("--shapes", type=Path, metavar="DIR", help="label maps of tumours")
    add("--half", choices=tuple(HALVES), default="report", help="of the patients (default: %(default)s)")
    add("--count", type=int, metavar="N", help="simulated patients (default: as many as real ones)")
    add("--seed", type=int, default=0, metavar="N", help="first one's number (default: %(default)s)")
    add("--voxel-size", type=int, default=3, metavar="MM", help="default: %(default)s")
    return parser


if __name__ == "__main__":
    main()
