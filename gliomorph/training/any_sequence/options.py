"""What determines the training of a network for any subset of the sequences, as it is recorded in its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import validators as valid

from ...interfaces.networks.files import weights_sha256
from ...models.regions import MODALITIES
from ...models.segmentation.training import Optimisation
from ...models.unet import DIVISOR, SegmentationSettings
from ..options import record_of

BOX_MM = (144, 192, 144)
"""Size of a training example: a brain of some 1500 ml fits."""


@attrs.frozen(kw_only=True)
class SubsetOptions:
    """What determines a training; recorded with it.

    Raises
    ------
    ValueError
        Options that contradict each other: what is required, what was given.
    """

    network: SegmentationSettings = attrs.field()
    """It reads all of :data:`~gliomorph.models.regions.MODALITIES`."""
    optimisation: Optimisation
    dice_weight: float = attrs.field(default=1.0, validator=valid.ge(0))
    """Weight of (1 − Dice) beside the cross-entropy."""
    start: Path | None = None
    """Weights to begin with: of a like network, or of one that reads a single sequence; None for random ones."""
    bids_dirs: tuple[Path, ...] = attrs.field(default=(), validator=valid.min_len(1))
    """Datasets of patients."""
    derivatives: Mapping[str, Path] = attrs.field(factory=dict)
    """Folders with their label maps and masks."""
    healthy_dirs: tuple[Path, ...] = ()
    """Datasets of people without a tumour."""
    persons: Path | None = None
    """Table (TSV) of ``participant_id`` and ``person_id``: who is one person under several names."""
    folds: int = attrs.field(default=5, validator=valid.ge(2))
    """Into which the persons are dealt."""
    fold: int | None = attrs.field(default=0)
    """The one that is held out, from 0; None trains on all persons."""
    box: tuple[int, ...] = attrs.field(default=(48, 64, 48))
    """Voxels of a training example along each axis, multiples of 8: as large as a brain."""
    passes: int = attrs.field(default=4, validator=valid.ge(1))
    """How often an epoch reads every scan, each time otherwise."""
    batch_size: int = attrs.field(default=2, validator=valid.ge(1))
    seed: int = attrs.field(default=0, validator=valid.ge(0))

    @network.validator
    def _check_network(self, _: object, network: SegmentationSettings) -> None:
        if network.modalities != MODALITIES or not network.subsets:
            raise ValueError(f"a network that reads any subset of {', '.join(MODALITIES)} is required")

    @fold.validator
    def _check_fold(self, _: object, fold: int | None) -> None:
        if fold is not None and not 0 <= fold < self.folds:
            raise ValueError(
                f"--fold: one of 0 to {self.folds - 1} is required (--folds {self.folds}), got {fold}"
            )

    @box.validator
    def _check_box(self, _: object, box: tuple[int, ...]) -> None:
        if len(box) != 3 or any(side % DIVISOR or side < 2 * DIVISOR for side in box):
            raise ValueError(
                f"--box: three sides of at least {2 * DIVISOR} voxels, divisible by {DIVISOR}, are required, got "
                f"{' '.join(map(str, box))}"
            )

    def record(self) -> dict[str, Any]:
        """All options, ready for JSON, with the version and the sha256 of the weights that are read."""
        return self._record(str)

    def public_record(self) -> dict[str, Any]:
        """:meth:`record` with the bare names of files and folders: where they lie is nobody's business."""
        return self._record(lambda path: path.name)

    def _record(self, words: Callable[[Path], str]) -> dict[str, Any]:
        hashes = {"start_sha256": weights_sha256(self.start)} if self.start else {}
        return record_of(self, words, hashes)
