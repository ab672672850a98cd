"""What determines a training, as it is recorded in its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import validators as valid

from ...interfaces.networks.files import weights_sha256
from ...models.regions import MODALITIES
from ...models.segmentation.distillation.methods import METHODS, SHARED_DECODER, settings_of
from ...models.segmentation.training import Optimisation
from ...models.unet import DIVISOR, SegmentationSettings
from ..options import record_of

FRACTIONS = (0.25, 0.5, 1.0)
"""Of the training subjects."""
LEAST_SIDE = 2 * DIVISOR
"""Voxels of a training example's side: two are left at the bottom, where they are normalised."""


@attrs.frozen(kw_only=True)
class TrainingOptions:
    """What determines a training; recorded with it.

    Raises
    ------
    ValueError
        Options that contradict each other: what is required, what was given.
    """

    role: str = attrs.field(validator=valid.in_(("teacher", "student")))
    """One of ``"teacher"``, ``"student"``."""
    network: SegmentationSettings = attrs.field()
    """A teacher reads all modalities, a student one. Of a student by a method of
    :data:`~gliomorph.models.segmentation.distillation.methods.SHARED_DECODER`: with the skip-connections that the
    method says."""
    optimisation: Optimisation
    method: str = attrs.field(default="baseline", validator=valid.in_(tuple(METHODS)))
    """Method of distillation, a key of :data:`~gliomorph.models.segmentation.distillation.methods.METHODS`;
    ``baseline`` for a teacher."""
    dice_weight: float = attrs.field(default=1.0, validator=valid.ge(0))
    """Weight of (1 − Dice) beside the cross-entropy."""
    teacher: Path | None = attrs.field(default=None)
    """Weights of the teacher, for all methods but ``baseline``."""
    start: tuple[Path, ...] = ()
    """Weights to begin with: of several their mean, of none random ones."""
    bids_dir: Path | None = attrs.field(default=None)
    """Dataset; None for simulated patients."""
    derivatives: Mapping[str, Path] = attrs.field(factory=dict)
    """Folders with its label maps."""
    simulated: int = attrs.field(default=0, validator=valid.ge(0))
    """Simulated patients an epoch; 0 for a dataset."""
    held_out: int = attrs.field(default=12, validator=valid.ge(1))
    """Simulated patients for validation, and as many for the test."""
    template: str = "MNI152"
    """Template of the simulated patients."""
    anatomies: Path | None = None
    """Folder of label maps of heads that simulated patients are made from, instead of the template's."""
    shapes: Path | None = attrs.field(default=None)
    """Folder of label maps of tumours that some of these patients get, with ``anatomies``."""
    box: tuple[int, ...] | None = attrs.field(default=None)
    """Voxels of a training example along each axis, multiples of 8; for simulated patients None is the whole head."""
    batch_size: int = attrs.field(default=4, validator=valid.ge(1))
    """Images of a step; at least 2 with a contrastive term."""
    fraction: float = attrs.field(default=1.0, validator=valid.in_(FRACTIONS))
    """Part of the training subjects, one of :data:`FRACTIONS`."""
    seed: int = attrs.field(default=0, validator=valid.ge(0))

    @network.validator
    def _check_network(self, _: object, network: SegmentationSettings) -> None:
        required = len(MODALITIES) if self.role == "teacher" else 1
        if len(network.modalities) != required:
            raise ValueError(
                f"a {self.role} that reads {required} of {', '.join(MODALITIES)} is required, got "
                f"{', '.join(network.modalities)}"
            )
        if network.skips != SHARED_DECODER.get(self.method, network.skips):
            word = "with" if SHARED_DECODER[self.method] else "without"
            raise ValueError(f"method {self.method}: a network {word} skip-connections is required")

    @teacher.validator
    def _check_teacher(self, _: object, teacher: Path | None) -> None:
        if self.role == "teacher" and (teacher or self.method != "baseline"):
            raise ValueError("a teacher is trained without --method and --teacher: they are for students")
        if self.method != "baseline" and teacher is None:
            raise ValueError(f"--method {self.method}: its teacher is required, give --teacher FILE")
        if self.method == "baseline" and teacher is not None:
            raise ValueError(f"--teacher {teacher.name}: a --method of distillation is required with it")

    @bids_dir.validator
    def _check_source(self, _: object, bids_dir: Path | None) -> None:
        if (bids_dir is not None) == bool(self.simulated):
            raise ValueError(
                "either a dataset or simulated patients are required: --bids DIR or --simulated N"
            )

    @shapes.validator
    def _check_shapes(self, _: object, shapes: Path | None) -> None:
        if shapes is not None and self.anatomies is None:
            raise ValueError(f"--shapes {shapes}: for patients with people's anatomies, give --anatomies DIR")

    @box.validator
    def _check_box(self, _: object, box: tuple[int, ...] | None) -> None:
        if box is None:
            if self.bids_dir is not None:
                raise ValueError("the sides of a training example are required for a dataset (--box X Y Z)")
        elif len(box) != 3 or any(side % DIVISOR or side < LEAST_SIDE for side in box):
            raise ValueError(
                f"--box: three sides of at least {LEAST_SIDE} voxels, divisible by {DIVISOR}, are required, got "
                f"{' '.join(map(str, box))}"
            )

    @batch_size.validator
    def _check_batch(self, _: object, batch_size: int) -> None:
        if batch_size < 2 and settings_of(self.method).contrastive:
            raise ValueError(
                f"--method {self.method} tells the subjects of a step apart: a --batch-size of at least 2 is "
                f"required, got {batch_size}"
            )

    @property
    def channels(self) -> tuple[str, ...]:
        """Modalities that are read: the teacher's too where there is one."""
        return MODALITIES if self.teacher else self.network.modalities

    def record(self) -> dict[str, Any]:
        """All options, ready for JSON, with the version and the sha256 of the weights that are read."""
        return self._record(str)

    def public_record(self) -> dict[str, Any]:
        """:meth:`record` with the bare names of files and folders: where they lie is nobody's business."""
        return self._record(lambda path: path.name)

    def _record(self, words: Callable[[Path], str]) -> dict[str, Any]:
        hashes: dict[str, Any] = {}
        if self.teacher:
            hashes["teacher_sha256"] = weights_sha256(self.teacher)
        if self.start:
            hashes["start_sha256"] = [weights_sha256(path) for path in self.start]
        return record_of(self, words, hashes)
