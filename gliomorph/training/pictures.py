"""Pictures of validation examples in the course of a training (PNG)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ..interfaces.files.images import replacing

PANEL = 2.4
"""Inches."""
COLOURS = ("#00000000", "#3b6fd4", "#58c98b", "#f2c230")
"""Background, NCR, ED, ET."""
GREY: dict[str, Any] = {"cmap": "gray"}
DIFFERENCE: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -0.5, "vmax": 0.5}


@attrs.frozen
class Panel:
    """One picture of a row."""

    title: str
    layers: Sequence[tuple[np.ndarray, Mapping[str, Any]]]
    """(X, Y) each, one over the other, and how matplotlib shows it."""
    outline: np.ndarray | None = None
    """(X, Y), drawn as a contour at one half."""


def draw_examples(
    examples: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], title: str, path: Path
) -> Path:
    """A picture of some heads: image, truth, prediction, in the axial slice with most tumour.

    Parameters
    ----------
    examples : sequence of (image, truth, prediction)
        (X, Y, Z) each; class indices.
    title : str
    path : Path
        PNG.

    Returns
    -------
    path : Path
    """
    shown: dict[str, Any] = {"cmap": mpl.colors.ListedColormap(COLOURS), "vmin": 0, "vmax": 3, "alpha": 0.6}
    rows = []
    for image, truth, predicted in examples:
        level = _level(truth)
        grey = (image[:, :, level], GREY)
        over = [[grey, (labels[:, :, level], shown)] for labels in (truth, predicted)]
        rows.append([Panel("image", [grey]), Panel("truth", over[0]), Panel("network", over[1])])
    return _draw(rows, title, path)


def draw_pairs(pairs: Sequence[Mapping[str, np.ndarray]], title: str, path: Path) -> Path:
    """A picture of some registrations, in the axial slice with most tumour.

    Parameters
    ----------
    pairs : sequence of mapping of str to ndarray
        (X, Y, Z) each: ``moving``, ``warped``, ``fixed``; ``mask`` and ``warped_mask``, the tumour in the first two.
    title : str
    path : Path
        PNG.

    Returns
    -------
    path : Path
    """
    rows = []
    for pair in pairs:
        level = _level(pair["warped_mask"] > 0.5)
        cut = {name: voxels[:, :, level] for name, voxels in pair.items()}
        rows.append(
            [
                Panel("moving", [(cut["moving"], GREY)], cut["mask"]),
                Panel("warped", [(cut["warped"], GREY)], cut["warped_mask"]),
                Panel("fixed", [(cut["fixed"], GREY)]),
                Panel("moving - fixed", [(cut["moving"] - cut["fixed"], DIFFERENCE)], cut["mask"]),
                Panel("warped - fixed", [(cut["warped"] - cut["fixed"], DIFFERENCE)], cut["warped_mask"]),
            ]
        )
    return _draw(rows, title, path)


def _level(tumor: np.ndarray) -> int:
    area = (tumor > 0).sum(axis=(0, 1))
    return int(area.argmax()) if area.any() else tumor.shape[2] // 2


def _draw(rows: Sequence[Sequence[Panel]], title: str, path: Path) -> Path:
    columns = len(rows[0])
    figure = Figure(figsize=(columns * PANEL, PANEL * len(rows) + 0.4), layout="constrained")
    for axes, row in zip(figure.subplots(len(rows), columns, squeeze=False), rows, strict=True):
        for axis, panel in zip(axes, row, strict=True):
            for voxels, how in panel.layers:
                axis.imshow(voxels.T, origin="lower", **how)
            if panel.outline is not None and panel.outline.min() < 0.5 < panel.outline.max():
                axis.contour(panel.outline.T, [0.5], colors="#ffe600", linewidths=0.8)
            axis.set_title(panel.title, fontsize=8)
            axis.set_axis_off()
    figure.suptitle(title, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    return path
