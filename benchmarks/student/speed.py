"""Seconds and memory of the segmentation stage on a head of 192 × 192 × 144 voxels of 1 mm."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from gliomorph.interfaces.files.images import write_image
from gliomorph.interfaces.files.transforms import write_transform
from gliomorph.interfaces.networks.files import SHIPPED
from gliomorph.interfaces.networks.segmentation import ANY_SUBSET, write_unet

from ..tables import markdown

SHAPE = (192, 192, 144)
THESIS = "width 30, 1 mm"


def speed(out: Path, weights: list[Path], repeats: int) -> str:
    """Each network in a process of its own, all in turn, ``repeats`` times; the table as Markdown."""
    networks = {path.name: path for path in weights}
    networks |= {path.name: path for path in (ANY_SUBSET, *sorted(SHIPPED.glob("student-*.safetensors")))}
    out.mkdir(parents=True, exist_ok=True)
    networks[THESIS] = _thesis_network(out / "thesis.safetensors")
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in networks}
    for _ in range(repeats):
        for name, path in networks.items():
            command = [sys.executable, "-m", "benchmarks.student.speed", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs[name].append(json.loads(done.stdout.splitlines()[-1]))
    cells = [
        [name, *(f"{statistics.median(run[key] for run in found):.3g}" for key in ("seconds", "peak_gb"))]
        for name, found in runs.items()
    ]
    text = f"{os.cpu_count()} CPU cores, load {os.getloadavg()[0]:.1f}, medians of {repeats}\n\n"
    text += markdown(["network", "seconds", "peak memory of the process (GB)"], cells)
    (out / "speed.md").write_text(text)
    return text


def _thesis_network(path: Path) -> Path:
    """The U-Net of the thesis with random weights: its time does not depend on them."""
    import torch

    from gliomorph.models.unet import SegmentationSettings

    torch.manual_seed(0)
    settings = SegmentationSettings(modalities=("T1w",))
    return write_unet(settings.build(), settings, path)


def measure(weights: Path) -> dict[str, float]:
    """The whole stage, from files to files, after the imports."""
    import gliomorph.models.segmentation.inference  # noqa: F401  (the stage imports it late, and torch with it)
    from gliomorph.interfaces.machine.limits import peak_gb, reset_peak
    from gliomorph.interfaces.networks.segmentation import read_modalities
    from gliomorph.interfaces.scan.segment import segment

    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in SHAPE), indexing="ij")
    inside = sum(axis**2 for axis in axes) < 0.95
    voxels = np.random.default_rng(0).normal(1, 0.1, SHAPE) * inside
    image = sitk.GetImageFromArray(voxels.astype(np.float32).T)
    head = write_image(image, Path.cwd() / "head.nii.gz")
    brain = write_image(sitk.Cast(image != 0, sitk.sitkUInt8), Path.cwd() / "brain.nii.gz")
    affine = write_transform(sitk.AffineTransform(3), Path.cwd() / "affine.h5")
    modality = read_modalities(weights)[0]
    reset_peak()
    start = time.perf_counter()
    segment(head, head, brain, affine, weights, modality, "none")
    return {"seconds": time.perf_counter() - start, "peak_gb": peak_gb()}


if __name__ == "__main__":
    file = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print(json.dumps(measure(file)))
