"""What determines a training, as it is recorded in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import validators as valid

from .. import __version__
from ..models.distillation_methods import METHODS, SHARED_DECODER
from ..models.segmentation_training import Optimisation
from ..models.unet import MODALITIES, SegmentationSettings
from .stored_network import weights_sha256


@attrs.frozen(kw_only=True)
class TrainingOptions:
    """What determines a training; recorded with it.

    Attributes
    ----------
    role : {"teacher", "student"}
    network : SegmentationSettings
        Of a student by a method of :data:`~gliomorph.models.distillation_methods.SHARED_DECODER`: with the
        skip-connections that the method says.
    optimisation : Optimisation
    method : str
        Of distillation, a key of :data:`~gliomorph.models.distillation_methods.METHODS`.
    teacher : Path or None
        Weights of the teacher, for methods that need one.
    start : Path or None
        Weights to begin with.
    bids_dir : Path or None
        Dataset; None for simulated patients.
    derivatives : mapping of str to Path
        Folders with its label maps.
    simulated : int
        Simulated patients an epoch.
    held_out : int
        Simulated patients for validation, and as many for the test.
    template : str
        Of the simulated patients.
    box : tuple of int or None
        Voxels of a training example along each axis; for simulated patients None is the whole head.
    batch_size : int
    fraction : float
        Of the training subjects.
    seed : int
    """

    role: str = attrs.field(validator=valid.in_(("teacher", "student")))
    network: SegmentationSettings = attrs.field()
    optimisation: Optimisation
    method: str = attrs.field(default="baseline", validator=valid.in_(tuple(METHODS)))
    teacher: Path | None = None
    start: Path | None = None
    bids_dir: Path | None = None
    derivatives: Mapping[str, Path] = attrs.field(factory=dict)
    simulated: int = attrs.field(default=0, validator=valid.ge(0))
    held_out: int = attrs.field(default=12, validator=valid.ge(1))
    template: str = "MNI152"
    box: tuple[int, ...] | None = None
    batch_size: int = attrs.field(default=4, validator=valid.ge(1))
    fraction: float = 1.0
    seed: int = attrs.field(default=0, validator=valid.ge(0))

    @network.validator
    def _check_skips(self, _: object, network: SegmentationSettings) -> None:
        if network.skips != SHARED_DECODER.get(self.method, network.skips):
            word = "with" if SHARED_DECODER[self.method] else "without"
            raise ValueError(f"method {self.method}: a network {word} skip-connections is required")

    @property
    def channels(self) -> tuple[str, ...]:
        """Modalities that are read: the teacher's too where there is one."""
        return MODALITIES if self.teacher else self.network.modalities

    def record(self) -> dict[str, Any]:
        """All options, ready for JSON, with the version and the sha256 of the weights that are read."""
        plain: dict[str, Any] = json.loads(json.dumps(attrs.asdict(self), default=str))
        read = {"teacher": self.teacher, "start": self.start}
        hashes = {f"{name}_sha256": weights_sha256(path) for name, path in read.items() if path}
        return plain | hashes | {"version": __version__}
