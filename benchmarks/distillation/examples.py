"""Some test patients as teacher, baseline and KD-Net segment them (Fig. 3.12, 3.13)."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from matplotlib import pyplot as plt

from gliomorph.interfaces.networks.segmentation import load_unet
from gliomorph.models.regions import MODALITIES
from gliomorph.training.pictures import COLOURS

from .data import cohort
from .layers import STUDENT
from .study import BASELINE, TEACHER, Study
from .train import channels, weights_path

SHOWN = (TEACHER, BASELINE, STUDENT)


def draw_examples(study: Study, training: int, patients: pd.DataFrame, out: Path, path: Path) -> None:
    """The axial slice with most tumour of those whom KD-Net helps most, as most, and least, by Dice of WT.

    Parameters
    ----------
    study : Study
    training : int
        Size of the training set.
    patients : DataFrame
        Of :func:`.table.per_patient`.
    out : Path
        Of the study.
    path : Path
        PNG.
    """
    dice = patients[patients.training == training].pivot(index="patient", columns="model", values="WT_dice")
    order = (dice[STUDENT] - dice[BASELINE]).sort_values().index
    chosen = [order[-1], order[len(order) // 2], order[0]]
    networks = {model: load_unet(weights_path(out, training, model))[0] for model in SHOWN}
    figure, axes = plt.subplots(len(chosen), 3 + len(SHOWN), figsize=(11, 2.1 * len(chosen)))
    for row, patient in zip(axes, chosen, strict=True):
        images, labels = cohort(study, training, 0, out).test.read(int(patient), 0)
        level = int((labels > 0).sum((0, 1)).argmax())
        for axis, modality in zip(row, (study.student, "FLAIR"), strict=False):
            _show(axis, images[MODALITIES.index(modality), :, :, level].numpy(), modality)
        _show(
            row[2], images[MODALITIES.index(study.student), :, :, level].numpy(), "truth", labels[:, :, level]
        )
        for axis, (model, network) in zip(row[3:], networks.items(), strict=True):
            with torch.inference_mode():
                found = network(images[None, channels(study, model)])[0].argmax(0)[:, :, level]
            image = images[MODALITIES.index(study.student), :, :, level].numpy()
            _show(axis, image, f"{model}: {100 * dice[model][patient]:.0f}", found)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _show(axis: plt.Axes, image: np.ndarray, title: str, labels: torch.Tensor | None = None) -> None:
    axis.imshow(image.T, cmap="gray", origin="lower")
    if labels is not None:
        colours = mpl.colors.ListedColormap(COLOURS)
        axis.imshow(labels.numpy().T, cmap=colours, vmin=0, vmax=3, alpha=0.6, origin="lower")
    axis.set_title(title, fontsize=8)
    axis.set_axis_off()
