"""What a study was asked to do: folders, runs, and how the tables name each method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from gliomorph.environment import template_folders
from gliomorph.interfaces.weights import NEEDED, fitting, read_header
from gliomorph.settings import METHODS

from . import twins

REFERENCES = ("metamorph-r", "metamorphosis")
"""What the others are tested against, unless ``--against`` says otherwise; the first that is run."""


def learned_weights(methods: Sequence[str], given: Sequence[Path]) -> dict[str, Path]:
    """The network of each learned method, by method: the only place that decides where it comes from.

    Parameters
    ----------
    methods : sequence of str
        Those that were asked for; none: all that have a network.
    given : sequence of Path
        Files of ``--registration-weights``.

    Returns
    -------
    weights : dict of str to Path

    Raises
    ------
    WeightsError
        A method that was asked for without a file that fits, or with several.
    """
    held = [read_header(path) for path in given]
    wanted = methods or [method for method, header in NEEDED.items() if header in held]
    return {method: fitting(method, given) for method in wanted if method in NEEDED}


@attrs.frozen(kw_only=True)
class Run:
    """One call of ``gliomorph``.

    Attributes
    ----------
    folder : Path
        Where its derivatives go.
    methods : tuple of str
    refine : int
        Iterations after the networks' answers.
    weights : tuple of Path
        Of the learned methods.
    """

    folder: Path
    methods: tuple[str, ...]
    refine: int = 0
    weights: tuple[Path, ...] = ()

    def label(self, method: str) -> str:
        """The method in tables: ``metamorph-r, refined 15``."""
        return f"{method}, refined {self.refine}" if self.refine else method


def _resolved(paths: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(Path(path).resolve() for path in paths)


@attrs.frozen(kw_only=True)
class Options:
    """The options of the command line, with what follows from them.

    Raises
    ------
    ValueError
        Methods without weights, weights without a method, or methods of ``twins`` or ``against`` that are not run.
    """

    out: Path = attrs.field(converter=lambda path: Path(path).resolve())
    subjects: int = attrs.field(default=6, validator=attrs.validators.ge(1))
    seed: int = 11
    template: str = "MNI152"
    template_dir: tuple[Path, ...] = attrs.field(default=(), converter=_resolved)
    resolution: int = 2
    methods: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    registration_weights: tuple[Path, ...] = attrs.field(default=(), converter=_resolved)
    refine: tuple[int, ...] = attrs.field(default=(0,), converter=lambda values: tuple(dict.fromkeys(values)))
    twins: tuple[str, ...] | None = attrs.field(default=None, converter=attrs.converters.optional(tuple))
    against: str = ""
    nprocs: int = 1
    omp_nthreads: int = 1
    gpu: str = "auto"
    weights: dict[str, Path] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        weights = learned_weights(self.methods, self.registration_weights)
        asked = self.methods or [method for method in METHODS if method not in NEEDED or method in weights]
        methods = tuple(method for method in METHODS if method in asked)
        chosen = (
            [method for method in twins.DEFAULT if method in methods] if self.twins is None else self.twins
        )
        found: dict[str, Any] = {
            "weights": weights,
            "methods": methods,
            "twins": tuple(dict.fromkeys(chosen)),
        }
        for name, value in found.items():  # frozen: what was left open is decided once, here
            object.__setattr__(self, name, value)
        object.__setattr__(self, "against", self.against or self._reference())
        self._check()

    def _reference(self) -> str:
        known = (label for method in REFERENCES for label in self.labels if label.split(",")[0] == method)
        return next(known, self.labels[0])

    def _check(self) -> None:
        unused = [path.name for path in self.registration_weights if path not in self.weights.values()]
        if unused:
            raise ValueError(
                f"--registration-weights: no method of {', '.join(self.methods)} takes {unused[0]}"
            )
        if min(self.refine) < 0:
            raise ValueError(f"--refine: 0 or more iterations are required, got {min(self.refine)}")
        if missing := [method for method in self.twins or () if method not in self.methods]:
            raise ValueError(f"--twins {missing[0]}: choose from what is run: {', '.join(self.methods)}")
        if self.against not in self.labels:
            raise ValueError(f"--against {self.against}: choose from {'; '.join(self.labels)}")

    @property
    def runs(self) -> tuple[Run, ...]:
        """The unlearned methods once, the learned ones for each number of iterations."""
        unlearned = tuple(method for method in self.methods if method not in NEEDED)
        learned = tuple(method for method in self.methods if method in NEEDED)
        runs = [Run(folder=self.out / "derivatives", methods=unlearned)] if unlearned else []
        for count in self.refine if learned else ():
            folder, weights = (
                self.out / f"derivatives-refine-{count}",
                tuple(self.weights[m] for m in learned),
            )
            runs.append(Run(folder=folder, methods=learned, refine=count, weights=weights))
        return tuple(runs)

    @property
    def labels(self) -> tuple[str, ...]:
        """All methods as tables name them, in their order."""
        return tuple(run.label(method) for run in self.runs for method in run.methods)

    @property
    def bids(self) -> Path:
        """The patients."""
        return self.out / "bids"

    @property
    def twin_bids(self) -> Path:
        """Their twins."""
        return self.out / "twins"

    @property
    def template_folders(self) -> tuple[Path, ...]:
        """Where ``tpl-*`` folders are looked for."""
        return (*self.template_dir, *template_folders())
