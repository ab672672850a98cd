"""The folder of a training: settings, log, checkpoint, weights with their card; all whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch

from ..interfaces.files.folders import files_in
from ..interfaces.files.images import remove_leftovers, replacing, write_text
from ..interfaces.networks.files import card_of, weights_sha256


class TrainingFolderError(ValueError):
    """A folder that holds another training, or something else."""


@attrs.frozen
class TrainingFolder:
    """Files of one training."""

    path: Path
    """New, empty, or begun with the same settings."""

    @property
    def settings(self) -> Path:
        """All options, as JSON."""
        return self.path / "settings.json"

    @property
    def log(self) -> Path:
        """A row an epoch, from 1, as CSV."""
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
        """Subjects by part, each with its prepared scans, as JSON."""
        return self.path / "split.json"

    def open(self, options: Mapping[str, Any]) -> bool:
        """Make the folder, or make sure that it was begun with the same options.

        As long as no epoch is finished, other options simply take the place of the first ones.

        Returns
        -------
        finished : bool
            Whether this training was carried through and its checkpoint removed: nothing is left to do.

        Raises
        ------
        TrainingFolderError
            Other options, or files of something else, or a training that lost its checkpoint before its end.
        """
        for folder in (self.path, self.prepared, self.path / "figures"):
            remove_leftovers(folder)
        wanted = json.loads(json.dumps(options))
        if self.settings.is_file():
            known = self._known()
            if self._nothing_done():
                self.checkpoint.unlink(missing_ok=True)
            else:
                self._require_same(known, wanted)
                if not self.checkpoint.is_file():
                    self._require_card()
                    return True
        elif self.path.exists() and not self.path.is_dir():
            raise TrainingFolderError(f"{self.path} is a file: a folder is required")
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise TrainingFolderError(
                f"{self.path} is not empty and holds no training: choose another folder"
            )
        write_text(json.dumps(wanted, indent=1) + "\n", self.settings)
        return False

    def _nothing_done(self) -> bool:
        """Whether no epoch has left anything yet; a checkpoint alone may be of the start, before the first one."""
        if any(self._weights()) or self._rows():
            return False
        state = self.load(torch.device("cpu"))
        return state is None or not state["epoch"]

    def _weights(self) -> list[Path]:
        return files_in(self.path, "*.safetensors")

    def _require_card(self) -> None:
        """Raise unless weights have their model card, with which a training ends."""
        if not any(card_of(weights) for weights in self._weights()):
            raise TrainingFolderError(
                f"{self.path} holds weights or a log, no model card of theirs, and no {self.checkpoint.name} from "
                "which to go on: choose another folder, so that they are not lost"
            )

    def _known(self) -> dict[str, Any]:
        """The settings that lie there; a file of that name may be anybody's."""
        try:
            known = json.loads(self.settings.read_text(encoding="utf-8"))
        except ValueError:
            known = None
        if not isinstance(known, dict) or "optimisation" not in known:
            raise TrainingFolderError(
                f"{self.settings} does not hold the settings of a training: choose another folder"
            )
        return known

    def _require_same(self, known: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        known, wanted = _comparable(known), _comparable(wanted)
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

    def keep_split(self, parts: Mapping[str, Mapping[str, Sequence[Path]]]) -> None:
        """Write down who is trained on; once an epoch is finished, make sure that nobody and nothing has changed.

        Parameters
        ----------
        parts : mapping of str to mapping of str to sequence of Path
            The prepared scans of each subject by part.

        Raises
        ------
        TrainingFolderError
            Subjects came or went: some that the network has learnt from would now test it. Or scans are others.
        """
        wanted = {
            part: {subject: [path.name for path in paths] for subject, paths in subjects.items()}
            for part, subjects in parts.items()
        }
        if self.checkpoint.is_file() and self.split.is_file():
            self._require_same_scans(json.loads(self.split.read_text(encoding="utf-8")), wanted)
        write_text(json.dumps(wanted, indent=1) + "\n", self.split)

    def _require_same_scans(self, known: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        before, now = (
            {
                subject: (part, scans)
                for part, subjects in parts.items()
                for subject, scans in subjects.items()
            }
            for parts in (known, wanted)
        )
        both = sorted(now.keys() & before.keys())
        lists = {
            "new": sorted(now.keys() - before.keys()),
            "gone": sorted(before.keys() - now.keys()),
            "now in another part": [s for s in both if before[s][0] != now[s][0]],
            "with other images": [s for s in both if self._differ(before[s][1], now[s][1])],
        }
        if any(lists.values()):
            told = "; ".join(f"{name}: {', '.join(subjects)}" for name, subjects in lists.items() if subjects)
            raise TrainingFolderError(
                f"{self.path}: the subjects are no longer those that this training was begun with ({told}): choose "
                "another folder, or bring them back"
            )

    def _differ(self, before: Sequence[str], now: Sequence[str]) -> bool:
        """Whether prepared scans hold something else; names change with a file's date alone."""
        if len(before) != len(now):
            return True
        pairs = [(self.prepared / one, self.prepared / other) for one, other in zip(before, now, strict=True)]
        return any(
            one != other and not (one.is_file() and weights_sha256(one) == weights_sha256(other))
            for one, other in pairs
        )

    def save(self, state: Mapping[str, Any], row: Mapping[str, float]) -> None:
        """Add an epoch's row to the log and keep the state after it."""
        rows = [*self._rows(int(row["epoch"]) - 1), row]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row), lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)
        write_text(text.getvalue(), self.log)
        self.keep(state)

    def keep(self, state: Mapping[str, Any]) -> None:
        """Keep a state to go on from."""
        with replacing(self.checkpoint) as temporary:
            torch.save(dict(state), temporary)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The state that was kept last, if there is one; tensors and plain values only.

        Raises
        ------
        TrainingFolderError
            A damaged file.
        """
        if not self.checkpoint.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(self.checkpoint, map_location=device, weights_only=True)
        except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
            raise TrainingFolderError(
                f"{self.checkpoint} cannot be read ({type(error).__name__}): choose another folder, or empty "
                "this one to begin anew"
            ) from error
        return state

    def latest(self, epochs: int) -> dict[str, float]:
        """The log's last row of the first ``epochs`` ones; empty if there is none."""
        rows = self._rows(epochs)
        return {name: float(value) for name, value in rows[-1].items()} if rows else {}

    def _rows(self, epochs: float = math.inf) -> list[dict[str, str]]:
        """The log's rows of the first ``epochs`` ones: one that was not kept in a checkpoint is done again."""
        if not self.log.is_file():
            return []
        with self.log.open(newline="", encoding="utf-8") as lines:
            return [row for row in csv.DictReader(lines) if float(row["epoch"]) <= epochs]


def _comparable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted names, without the paths of weights: these are the same wherever their sha256 is."""
    flat = _flat(options)
    return {name: value for name, value in flat.items() if f"{name}_sha256" not in flat}


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    flat: dict[str, Any] = {}
    for name, value in options.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
