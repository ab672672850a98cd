"""Pictures of the study, like the thesis' Fig. 3.9, 3.11 and 3.14."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt

from gliomorph.models.segmentation.metrics import REGIONS

from .layers import STUDENT
from .study import AGAIN, BASELINE, TAUGHT, TEACHER, TEACHER_NO_SKIPS

LARGEST = 50.0
"""Gain in Dice (%) that is drawn; beyond, it counts here."""


def draw_improvement(table: pd.DataFrame, path: Path) -> None:
    """Difference of every student's mean Dice to the baseline's, against the size of the training set (Fig. 3.11).

    Parameters
    ----------
    table : DataFrame
        Of :func:`.table.compared`.
    path : Path
        PNG.
    """
    dice = table[(table.figure == "dice") & ~table.model.isin((TEACHER, TEACHER_NO_SKIPS, BASELINE))]
    figure, axes = plt.subplots(1, len(REGIONS), figsize=(11, 3.6), sharex=True)
    for axis, region in zip(axes, REGIONS, strict=True):
        for model, group in dice[dice.region == region].groupby("model", sort=False):
            style = (
                {"color": "black", "linestyle": ":"}
                if model == AGAIN
                else {"color": f"C{TAUGHT.index(model)}"}
            )
            axis.plot(group.training, 100 * group.difference, marker="o", markersize=4, label=model, **style)
        axis.axhline(0, color="0.2", linewidth=0.8)
        axis.set_xscale("log")
        axis.set_xticks(sorted(set(dice.training)), [str(n) for n in sorted(set(dice.training))])
        axis.minorticks_off()
        axis.set_title(region, fontsize=9)
        axis.set_xlabel("training patients")
    axes[0].set_ylabel("Dice minus the baseline's (%)")
    axes[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(figure, path)


def draw_distribution(patients: pd.DataFrame, path: Path) -> None:
    """Each test patient's gain in Dice from KD-Net, by region and training set (Fig. 3.14)."""
    sizes = sorted(set(patients[patients.model == STUDENT].training))
    figure, axes = plt.subplots(
        len(sizes), len(REGIONS), figsize=(9, 2.4 * len(sizes)), squeeze=False, sharey=True
    )
    for row, training in zip(axes, sizes, strict=True):
        found = {
            model: patients[(patients.training == training) & (patients.model == model)]
            .set_index("patient")
            .drop(columns=["training", "model"])
            for model in (STUDENT, BASELINE)
        }
        for axis, region in zip(row, REGIONS, strict=True):
            gain = 100 * (found[STUDENT] - found[BASELINE])[f"{region}_dice"]
            axis.hist(gain.clip(-LARGEST, LARGEST), bins=40, range=(-LARGEST, LARGEST), color="C0")
            axis.axvline(0, color="0.2", linewidth=0.8)
            axis.axvline(gain.mean(), color="C3", linewidth=1.2)
            axis.set_title(f"{region}, N = {training}", fontsize=9)
        row[0].set_ylabel("test patients")
    for axis in axes[-1]:
        axis.set_xlabel("gain in Dice (%)")
    _save(figure, path)


def draw_similarity(tables: Mapping[int, pd.DataFrame], path: Path) -> None:
    """Mean canonical correlation of pairs of networks, layer by layer (Fig. 3.9).

    Parameters
    ----------
    tables : mapping of int to DataFrame
        Of :func:`.layers.similarities`, by the size of the training set.
    path : Path
    """
    figure, axes = plt.subplots(len(tables), 1, figsize=(10, 2.8 * len(tables)), squeeze=False, sharex=True)
    for axis, (training, table) in zip(axes[:, 0], sorted(tables.items()), strict=True):
        table.plot.bar(ax=axis, width=0.8, legend=False, rot=30)
        axis.set_title(f"N = {training}", fontsize=9)
        axis.set_ylabel("SVCCA")
        axis.set_xlabel("")
        axis.set_ylim(0, 1)
    axes[0, 0].legend(fontsize=7, ncols=2)
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout(pad=0.5)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
