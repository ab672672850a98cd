"""The folder of a training: settings, log, checkpoint, pictures, weights with their card; all whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from .images import remove_leftovers, replacing, write_text

PANEL = 2.4
"""Inches."""
COLOURS = ("#00000000", "#3b6fd4", "#58c98b", "#f2c230")
"""Background, NCR, ED, ET."""


class TrainingFolderError(ValueError):
    """A folder that holds another training, or something else."""


@attrs.frozen
class TrainingFolder:
    """Files of one training.

    Attributes
    ----------
    path : Path
        New, empty, or begun with the same settings.
    """

    path: Path

    @property
    def settings(self) -> Path:
        """All options, as JSON."""
        return self.path / "settings.json"

    @property
    def log(self) -> Path:
        """A row an epoch, as CSV."""
        return self.path / "log.csv"

    @property
    def checkpoint(self) -> Path:
        """From which the training goes on."""
        return self.path / "checkpoint.pt"

    @property
    def prepared(self) -> Path:
        """Scans as tensors."""
        return self.path / "prepared"

    @property
    def split(self) -> Path:
        """Subjects by part, as JSON."""
        return self.path / "split.json"

    def open(self, options: Mapping[str, Any]) -> None:
        """Make the folder, or make sure that it was begun with the same options.

        As long as no epoch is finished, other options simply take the place of the first ones.

        Raises
        ------
        TrainingFolderError
            Other options, or files of something else.
        """
        for folder in (self.path, self.prepared, self.path / "figures"):
            remove_leftovers(folder)
        wanted = json.loads(json.dumps(options))
        if self.settings.is_file():
            if self.checkpoint.is_file():
                self._require_same(wanted)
        elif self.path.exists() and not self.path.is_dir():
            raise TrainingFolderError(f"{self.path} is a file: a folder is required")
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise TrainingFolderError(
                f"{self.path} is not empty and holds no training: choose another folder"
            )
        write_text(json.dumps(wanted, indent=1) + "\n", self.settings)

    def _require_same(self, options: Mapping[str, Any]) -> None:
        known, wanted = _flat(json.loads(self.settings.read_text(encoding="utf-8"))), _flat(options)
        changed = [
            f"{name} {json.dumps(known.get(name))} there, {json.dumps(wanted.get(name))} now"
            for name in sorted({*known, *wanted})
            if known.get(name) != wanted.get(name)
        ]
        if changed:
            raise TrainingFolderError(
                f"{self.path} holds a training with other settings ({'; '.join(changed)}): choose another folder, "
                "or the same settings to resume"
            )

    def keep_split(self, parts: Mapping[str, Sequence[str]]) -> None:
        """Write down who is trained on; once an epoch is finished, make sure that nobody changed sides.

        Raises
        ------
        TrainingFolderError
            Subjects came or went: some that the network has learnt from would now test it.
        """
        wanted = {name: list(subjects) for name, subjects in parts.items()}
        if self.checkpoint.is_file() and self.split.is_file():
            known = json.loads(self.split.read_text(encoding="utf-8"))
            before, now = ({s for subjects in p.values() for s in subjects} for p in (known, wanted))
            if known != wanted:
                raise TrainingFolderError(
                    f"{self.path}: the subjects are no longer those that this training was begun with (new: "
                    f"{', '.join(sorted(now - before)) or 'none'}; gone: "
                    f"{', '.join(sorted(before - now)) or 'none'}): choose another folder, or bring them back"
                )
        write_text(json.dumps(wanted, indent=1) + "\n", self.split)

    def save(self, state: Mapping[str, Any], row: Mapping[str, float]) -> None:
        """Add an epoch's row to the log and keep the state after it."""
        rows = [*self._rows(int(row["epoch"])), row]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row), lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)
        write_text(text.getvalue(), self.log)
        with replacing(self.checkpoint) as temporary:
            torch.save(dict(state), temporary)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The state that was kept last, if there is one; tensors and plain values only."""
        if not self.checkpoint.is_file():
            return None
        state: dict[str, Any] = torch.load(self.checkpoint, map_location=device, weights_only=True)
        return state

    def latest(self, before: int) -> dict[str, float]:
        """The log's last row of an earlier epoch than ``before``; empty if there is none."""
        rows = self._rows(before)
        return {name: float(value) for name, value in rows[-1].items()} if rows else {}

    def _rows(self, before: int) -> list[dict[str, str]]:
        """The log's rows of earlier epochs than ``before``: one that was not kept in a checkpoint is done again."""
        if not self.log.is_file():
            return []
        with self.log.open(newline="", encoding="utf-8") as lines:
            return [row for row in csv.DictReader(lines) if float(row["epoch"]) < before]


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    flat: dict[str, Any] = {}
    for name, value in options.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


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
    figure = Figure(figsize=(3 * PANEL, PANEL * len(examples) + 0.4), layout="constrained")
    axes = figure.subplots(len(examples), 3, squeeze=False)
    colours = mpl.colors.ListedColormap(COLOURS)
    for row, (image, truth, predicted) in zip(axes, examples, strict=True):
        area = (truth > 0).sum(axis=(0, 1))
        level = int(area.argmax()) if area.any() else truth.shape[2] // 2
        for axis, labels, name in zip(
            row, (None, truth, predicted), ("image", "truth", "network"), strict=True
        ):
            axis.imshow(image[:, :, level].T, cmap="gray", origin="lower")
            if labels is not None:
                axis.imshow(labels[:, :, level].T, cmap=colours, vmin=0, vmax=3, alpha=0.6, origin="lower")
            axis.set_title(name, fontsize=8)
            axis.set_axis_off()
    figure.suptitle(title, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    return path
