"""What determines the training of a registration network, as it is recorded in its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import validators as valid

from ...interfaces.methods import NEEDED
from ...interfaces.networks.files import WeightsError, weights_sha256
from ...interfaces.networks.registration import read_settings
from ...models.registration.metamorphosis import SIMILARITIES, MetamorphosisSettings
from ...models.registration.networks import DEFAULTS, NetworkSettings
from ...models.registration.training import EpochSettings
from ..options import record_of

PUBLISHED_LAM = 2.0
"""λ of VoxelMorph beside a correlation. The published loss is 1 − ρ² and once the mean squared derivative, of which
the energy of its path holds the half."""


@attrs.frozen(kw_only=True)
class RegistrationOptions:
    """What determines a training; recorded with it.

    Raises
    ------
    ValueError
        Options that contradict each other: what is required, what was given.
    """

    network: NetworkSettings
    """3-D, one modality."""
    optimisation: EpochSettings
    lam: float = attrs.field(validator=valid.ge(0))
    """λ of the objective, weight of the path's energy."""
    similarity: str = attrs.field(default="lncc", validator=valid.in_(SIMILARITIES))
    """One of :data:`~gliomorph.models.registration.metamorphosis.SIMILARITIES`."""
    margin_mm: float = attrs.field(
        default=MetamorphosisSettings().margin_mm, converter=float, validator=valid.ge(0)
    )
    inverse_consistency: float = attrs.field(default=0.0, converter=float, validator=valid.ge(0))
    """``margin_mm``, ``inverse_consistency``: As in
    :class:`~gliomorph.models.registration.metamorphosis.MetamorphosisSettings`."""
    start: Path | None = None
    """Weights of a network of the same settings to begin with."""
    derivatives_dir: Path | None = attrs.field(default=None)
    """What ``gliomorph`` has written of the cohort; None for simulated patients."""
    simulated: int = attrs.field(default=0, validator=valid.ge(0))
    """Simulated patients an epoch; 0 for a cohort."""
    anatomies: Path | None = attrs.field(default=None)
    """Label maps of heads: half of the simulated patients are people painted from them."""
    held_out: int = attrs.field(default=12, validator=valid.ge(1))
    """Simulated patients for validation, and as many for the test."""
    templates: tuple[str, ...] = attrs.field(default=("MNI152",), converter=tuple)
    """To which is registered: for a cohort the one of its run, for simulated patients one or several, in turn."""
    voxel_mm: int = attrs.field(default=1, validator=valid.ge(1))
    batch_size: int = attrs.field(default=1)
    """1 with several templates, whose grids differ."""
    seed: int = attrs.field(default=0, validator=valid.ge(0))

    @derivatives_dir.validator
    def _check_source(self, _: object, derivatives_dir: Path | None) -> None:
        if (derivatives_dir is not None) == bool(self.simulated):
            raise ValueError(
                "either a folder that gliomorph has written or simulated patients are required: "
                "--derivatives-dir DIR or --simulated N"
            )

    @anatomies.validator
    def _check_anatomies(self, _: object, anatomies: Path | None) -> None:
        if anatomies is not None and not self.simulated:
            raise ValueError(
                "--anatomies: people are painted in place of simulated patients, give --simulated N"
            )

    @templates.validator
    def _check_templates(self, _: object, templates: tuple[str, ...]) -> None:
        if not templates or len(set(templates)) != len(templates):
            raise ValueError(f"--template: one name or several different ones are required, got {templates}")
        if self.derivatives_dir is not None and len(templates) > 1:
            raise ValueError(
                f"--template {' '.join(templates)}: the scans of --derivatives-dir are aligned with one template"
            )

    @batch_size.validator
    def _check_batch(self, _: object, batch_size: int) -> None:
        if batch_size < 1:
            raise ValueError(f"--batch-size: at least 1 is required, got {batch_size}")
        if batch_size > 1 and len(self.templates) > 1:
            raise ValueError(
                f"--batch-size {batch_size}: with several templates, whose grids differ, pairs come one by one: "
                "leave it out, or train for one template"
            )

    @property
    def method(self) -> str:
        """The registration method that the network serves, and its file's name."""
        return registration_method(self.network.method, self.network.masking)

    @property
    def metamorphosis(self) -> MetamorphosisSettings:
        """The settings of the metamorphosis that minimises the same energy."""
        return MetamorphosisSettings(
            lam=self.lam,
            similarity=self.similarity,
            masking=self.network.masking,
            margin_mm=self.margin_mm,
            inverse_consistency=self.inverse_consistency,
        )

    def record(self) -> dict[str, Any]:
        """All options, ready for JSON, with the version and the sha256 of the weights that are read."""
        return self._record(str)

    def public_record(self) -> dict[str, Any]:
        """:meth:`record` with the bare names of files and folders."""
        return self._record(lambda path: path.name)

    def _record(self, words: Callable[[Path], str]) -> dict[str, Any]:
        hashes = {"start_sha256": weights_sha256(self.start)} if self.start else {}
        return record_of(self, words, hashes)


def registration_method(network: str, masking: str) -> str:
    """The registration method that takes such a network; where none does, the network's own method."""
    served = {(header.method, header.masking): name for name, header in NEEDED.items()}
    return served.get((network, masking), network)


def default_lam(method: str, similarity: str) -> float:
    """λ where none is asked for.

    That of the metamorphosis, so that network and refinement minimise one energy; of VoxelMorph, whose path costs
    something else, the published one.

    Raises
    ------
    ValueError
        For the squared difference, whose λ is of another order and depends on the images.
    """
    if similarity == "ssd":
        raise ValueError(
            "--measure ssd: its λ is of another order than that of the other measures (1e-6 to 1e-4 for a metamorph, "
            "0.01 to 0.1 for a voxelmorph), give --lambda"
        )
    return PUBLISHED_LAM if method == "voxelmorph" else MetamorphosisSettings().lam


def network_settings(method: str, start: Path | None, asked: Mapping[str, Any]) -> NetworkSettings:
    """The settings of the network that is trained.

    Parameters
    ----------
    method : str
        Of the network.
    start : Path or None
        Weights to begin with: their settings are taken.
    asked : mapping of str to object
        Settings that somebody asked for, by name.

    Raises
    ------
    ValueError
        Settings that contradict each other.
    WeightsError
        Weights of another method or with other settings than those that were asked for.
    """
    if start is None:
        masking = asked.get("masking", DEFAULTS[method].masking)
        known = DEFAULTS[registration_method(method, masking)]
        implied: dict[str, Any] = {"sees_mask": masking != "none"}
        if masking == "cfm":  # the tumour is left out, and its appearance with it
            implied["mu"] = 0.0
        return attrs.evolve(known, **{**implied, **asked})
    settings = read_settings(start)
    if settings.method != method:
        raise WeightsError(
            f"--start {start.name}: the weights of a {method} network are required, they are of a {settings.method}"
        )
    if (settings.dimension, settings.modalities) != (3, 1):
        raise WeightsError(
            f"--start {start.name}: a network for 3-D images of one modality is required, it takes "
            f"{settings.dimension}-D images of {settings.modalities}"
        )
    differing = [
        f"{name} {value} asked for, {getattr(settings, name)} there"
        for name, value in asked.items()
        if getattr(settings, name) != value
    ]
    if differing:
        raise WeightsError(
            f"--start {start.name}: a further training keeps the network's settings ({'; '.join(differing)}): leave "
            "these options out, or begin without --start"
        )
    return settings
