"""Options of what is done with each scan: template, registration, segmentation."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import attrs

from ..interfaces.methods import DEFORMABLE, METHODS, NEEDED, PAIR_METHOD, REFINED, SEVERAL, SPEEDS
from ..interfaces.networks.files import WeightsError
from ..interfaces.networks.registration import fitting, read_header, shipped_network
from ..interfaces.networks.segmentation import read_modalities
from ..interfaces.scan.records import EXTRACTIONS
from ..models.regions import AUTO, MODALITIES
from .option import SettingsError, option, resolved, resolved_all, some_of


def default_method(modality: str) -> str:
    """The registration of a run that names none: MetaMorph-R, whose network reads T1w, else the metamorphosis."""
    return "metamorph-r" if modality == "T1w" else "metamorphosis"


@attrs.frozen(kw_only=True)
class Processing:
    """What is done with each scan."""

    template: str = option(metavar="NAME", default="MNI152", page="usage.md#templates",
        help="MNI152 (embedded), SRI24, or any tpl-NAME of --template-dir (default: %(default)s)")  # fmt: skip
    template_dirs: tuple[Path, ...] = option("--template-dir", nargs="+", type=Path, metavar="DIR", default=(),
        converter=resolved_all, page="usage.md#templates",
        help="folders that hold tpl-NAME folders; also GLIOMORPH_TEMPLATES")  # fmt: skip
    resolution: int = option(
        help="voxels in mm (default: %(default)s)", type=int, choices=(1, 2, 3, 4), default=1
    )
    brain_extraction: str = option(choices=EXTRACTIONS, default="auto", page="usage.md#skull-stripping",
        help="what makes the brain mask of a head: auto (a given mask, else the network that comes with gliomorph), "
        "or one of the others whether a mask is given or not; synthstrip and hd-bet have to be installed "
        "(default: %(default)s)")  # fmt: skip
    registration: tuple[str, ...] = option(nargs="+", choices=METHODS, metavar="METHOD",
        page="usage.md#registration-methods",
        help=f"one or several of {', '.join(m for m in METHODS if m not in NEEDED)}, and the learned ones "
        f"{', '.join(NEEDED)}; the first feeds the atlas (default: {default_method('T1w')} where the "
        f"primary image is T1w, which its network reads, else {default_method('T2w')})")  # fmt: skip
    registration_modalities: tuple[str, ...] | None = option(nargs="+", choices=MODALITIES, metavar="MODALITY",
        default=None, converter=attrs.converters.optional(tuple), validator=attrs.validators.optional(some_of()),
        page="usage.md#several-modalities",
        help="modalities of a session whose images move as one, the primary image among them: for "
        f"{', '.join(SEVERAL)}; the learned ones use them in --refine (default: the primary image alone)")  # fmt: skip
    sequences: str = option(choices=("all", "primary"), default="all", page="usage.md#all-sequences-of-a-session",
        help="all: the session's other images (T1w, T1ce, T2w, FLAIR) are carried along, co-registered to the primary "
        "image, corrected and brought to the template; primary: those alone that --registration-modalities names "
        "(default: %(default)s)")  # fmt: skip
    registration_weights: tuple[Path, ...] = option(nargs="+", type=Path, metavar="FILE", default=(),
        converter=resolved_all, page="usage.md#learned-registration",
        help="safetensors of registration networks, one for each learned method (default: those that come with "
        f"gliomorph: {', '.join(filter(shipped_network, NEEDED)) or 'none'}; trained on T1w for SRI24 "
        "and MNI152)")  # fmt: skip
    refine: int | None = option(type=int, metavar="N", default=None, page="usage.md#learned-registration",
        help="a learned method's answer is followed by at most N iterations at the images' voxels; 0: the network "
        "alone (default: those of --speed)")  # fmt: skip
    speed: str = option(choices=tuple(SPEEDS), default="default", page="usage.md#speed",
        help=f"how long {', '.join(REFINED)} go on to bring the images nearer: "
        f"{', '.join(f'{name} {counts[-1]}' for name, counts in SPEEDS.items())} iterations at the images' voxels "
        "(default: %(default)s)")  # fmt: skip
    weights: Path | None = option(type=Path, metavar="FILE", default=None,
        converter=attrs.converters.optional(resolved), page="usage.md#scans-without-a-mask",
        help="safetensors of a segmentation network, for scans without a given mask (default: the one that comes "
        "with gliomorph, which reads any subset of T1w, T1ce, T2w and FLAIR)")  # fmt: skip
    longitudinal: bool = option(default=False, page="usage.md#sessions-of-one-patient",
        help="a subject's sessions are registered to one of them, too, and what has changed is measured")  # fmt: skip
    longitudinal_method: str = option(choices=DEFORMABLE, metavar="METHOD", default=PAIR_METHOD,
        page="usage.md#sessions-of-one-patient",
        help="registration of --longitudinal, after a rigid one: "
        f"{', '.join(DEFORMABLE)} (default: %(default)s)")  # fmt: skip
    reference_session: str = option(metavar="LABEL", default="", converter=lambda text: text.removeprefix("ses-"),
        page="usage.md#sessions-of-one-patient",
        help="the session that --longitudinal registers the others to (default: each subject's first)")  # fmt: skip
    random_seed: int = option(help="of all random sampling (default: %(default)s)", type=int, default=0)

    def __attrs_post_init__(self) -> None:
        if self.refine is not None and self.refine < 0:
            raise SettingsError(f"--refine: 0 or more iterations are required, got {self.refine}")
        if not 0 <= self.random_seed < 2**31:
            raise SettingsError(f"--random-seed: 0 to 2147483647 is required, got {self.random_seed}")
        if self.reference_session and not self.longitudinal:
            raise SettingsError("--reference-session: goes with --longitudinal alone")
        if self.longitudinal_method != PAIR_METHOD and not self.longitudinal:
            raise SettingsError(
                f"--longitudinal-method {self.longitudinal_method}: goes with --longitudinal alone; the method to the "
                "template is that of --registration"
            )
        for path in self.template_dirs:
            if not path.is_dir():
                raise SettingsError(f"--template-dir {path}: not a folder")
        self._check_segmentation()
        self._check_networks()

    def _check_segmentation(self) -> None:
        if self.weights is None:
            return
        if not self.weights.is_file():
            raise SettingsError(f"--weights {self.weights}: no such file")
        try:
            read_modalities(self.weights)
        except WeightsError as error:
            raise SettingsError(f"--weights: {error}") from error

    def _check_networks(self) -> None:
        for path in self.registration_weights:
            if not path.is_file():
                raise SettingsError(f"--registration-weights {path}: no such file")
        try:
            used = self.networks.values()
            unused = [f"{p.name} ({read_header(p)})" for p in self.registration_weights if p not in used]
        except WeightsError as error:
            raise SettingsError(f"--registration-weights: {error}") from error
        if unused:
            raise SettingsError(
                f"--registration-weights: {', '.join(unused)}: no requested method takes it; --registration asks "
                f"for {', '.join(self.registration)}: add the method that it is for, or leave the file out"
            )
        if self.refine and not used:
            raise SettingsError(
                f"--refine {self.refine}: learned methods alone are refined, --registration asks for "
                f"{', '.join(self.registration)}: add one of {', '.join(NEEDED)}, or leave --refine out"
            )

    @property
    def methods(self) -> tuple[str, ...]:
        """All that run, for what they take: those of ``registration``, and the one between sessions."""
        return (*self.registration, *[self.longitudinal_method] * self.longitudinal)

    @cached_property
    def networks(self) -> dict[str, Path]:
        """The weights file of each learned method that was asked for: the given one, else the shipped one."""
        return {
            method: fitting(method, self.registration_weights, shipped_network(method))
            for method in self.registration
            if method in NEEDED
        }

    @property
    def further_count(self) -> int:
        """Number of modalities that are registered with the primary one, where a scan has them all."""
        return max(0, len(self.registration_modalities or ()) - 1)

    def further_modalities(self, primary: str) -> tuple[str, ...]:
        """Modalities that are registered with the primary one, in one order whatever that of the option.

        With ``auto`` these are all that are asked for: a scan's primary image may be of any.

        Raises
        ------
        SettingsError
            The primary modality is not among them, or a requested method compares it alone.
        """
        asked = self.registration_modalities or (primary,)
        words = f"--registration-modalities {' '.join(asked)}"
        if primary not in (*asked, AUTO):
            raise SettingsError(f"{words}: the primary image, {primary} (--modality), has to be among them")
        further = tuple(name for name in MODALITIES if name in asked and name != primary)
        alone = [method for method in self.registration if method not in SEVERAL]
        if further and alone:
            raise SettingsError(
                f"{words}: {', '.join(alone)} of --registration compare the primary image alone; those that compare "
                f"several are {', '.join(SEVERAL)}: leave the others or this option out"
            )
        unrefined = [method for method in self.networks if not self.refinement(method)]
        if further and unrefined:
            raise SettingsError(
                f"{words}: the networks of {', '.join(unrefined)} read the primary image alone, and --refine 0 asks "
                "for nothing behind them: leave --refine 0 or this option out"
            )
        return further

    def refinement(self, method: str) -> int:
        """Iterations at the images' voxels after a network's answer: 0 for those that are not learned."""
        wanted = SPEEDS[self.speed][-1] if self.refine is None else self.refine
        return wanted if method in NEEDED else 0

    def speed_of(self, method: str) -> str:
        """The speed of a method that a flow refines; the others, and a network alone, have but one."""
        refined = self.refinement(method) > 0 if method in NEEDED else method in REFINED
        return self.speed if refined else "default"
