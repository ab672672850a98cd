"""Table and pictures of real and simulated patients side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from ..tables import markdown
from .measures import EDGES_MM, profile, signed_distance

Patient = tuple[np.ndarray, np.ndarray]
"""Images (C, X, Y, Z) and labels (X, Y, Z)."""
SHOWN = 6
"""Patients of each kind in a picture."""


def write(real: Sequence[Mapping[str, float]], simulated: Sequence[Mapping[str, float]], path: Path) -> str:
    """Medians and quartiles of every figure, and how far the medians are apart in real quartile ranges."""
    rows = []
    for name in real[0]:
        first, second = (
            np.nanpercentile([figures[name] for figures in group], (25, 50, 75))
            for group in (real, simulated)
        )
        apart = (second[1] - first[1]) / max(first[2] - first[0], 1e-6)
        rows.append([name, _words(first), _words(second), f"{apart:+.1f}" if first[2] > first[0] else "–"])
    text = markdown(["figure", f"real ({len(real)})", f"simulated ({len(simulated)})", "apart"], rows)
    path.write_text(text + "\n", encoding="utf-8")
    return text


def _words(quartiles: np.ndarray) -> str:
    low, middle, high = quartiles
    return f"{middle:.2f} ({low:.2f} – {high:.2f})"


def draw(
    real: Sequence[Patient], simulated: Sequence[Patient], channel: int, voxel_mm: float, path: Path
) -> None:
    """Profiles across the border, means and standard deviations over patients, and slices with the tumour's outline."""
    figure, axes = plt.subplots(2, SHOWN + 1, figsize=(2.1 * (SHOWN + 1), 4.6), layout="constrained")
    middles = (EDGES_MM[1:] + EDGES_MM[:-1]) / 2
    for row, (name, patients) in enumerate((("real", real), ("simulated", simulated))):
        curves = [
            profile(images[channel], signed_distance(labels > 0, voxel_mm)) for images, labels in patients
        ]
        mean, spread = np.nanmean(curves, axis=0), np.nanstd(curves, axis=0)
        axes[row, 0].plot(middles, mean)
        axes[row, 0].fill_between(middles, mean - spread, mean + spread, alpha=0.3)
        axes[row, 0].set(title=f"{name}, mm from border", ylim=(-2.5, 5))
        for axis, patient in zip(axes[row, 1:], patients, strict=False):
            _draw_slice(axis, patient, channel)
        for axis in axes[row, 1:]:
            axis.axis("off")
    figure.savefig(path, dpi=70)
    plt.close(figure)


def _draw_slice(axis: Axes, patient: Patient, channel: int) -> None:
    """The axial slice with most of the tumour."""
    images, labels = patient
    index = int((labels > 0).sum(axis=(0, 1)).argmax()) if labels.any() else labels.shape[2] // 2
    axis.imshow(images[channel, :, :, index].T, cmap="gray", origin="lower", vmin=-2.5, vmax=3.0)
    if labels[..., index].any():
        axis.contour(labels[..., index].T > 0, levels=[0.5], colors="orange", linewidths=0.7)
