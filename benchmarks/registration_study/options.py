"""What a study was asked to do: folders, runs, and how the tables name each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from gliomorph.environment import template_folders
from gliomorph.interfaces.methods import METHODS, NEEDED
from gliomorph.interfaces.networks.registration import fitting, read_header, shipped_network

from .twins import DEFAULT as TWINS

REFERENCES = ("metamorph-r", "metamorphosis")
"""What the others are tested against, unless ``--against`` says otherwise; the first that is run."""


def learned_weights(methods: Sequence[str], given: Sequence[Path]) -> dict[str, Path]:
    """The network of each learned method: a given one that fits, else the one that comes with gliomorph.

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
        A method that was asked for without a network, or with several.
    """
    held = [read_header(path) for path in given]
    wanted = methods or [
        method for method, header in NEEDED.items() if header in held or shipped_network(method)
    ]
    return {method: fitting(method, given, shipped_network(method)) for method in wanted if method in NEEDED}


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


@attrs.frozen(kw_only=True)
class Options:
    """What a study does; made by :meth:`parsed`.

    Attributes
    ----------
    out : Path
    subjects, seed, resolution : int
    template : str
    template_dir : tuple of Path
    methods : tuple of str
        In the order of the tables.
    weights : mapping of str to Path
        Of the learned methods.
    refine : tuple of int
        The learned methods run once for each.
    twins : tuple of str
        Methods that register the twins, too.
    against : str
        What the others are tested against, as tables name it.
    nprocs, omp_nthreads : int
    gpu : str
    """

    out: Path
    subjects: int
    seed: int
    template: str
    template_dir: tuple[Path, ...]
    resolution: int
    methods: tuple[str, ...]
    weights: Mapping[str, Path]
    refine: tuple[int, ...]
    twins: tuple[str, ...]
    against: str
    nprocs: int
    omp_nthreads: int
    gpu: str

    @classmethod
    def parsed(
        cls,
        *,
        out: Path,
        template_dir: Sequence[Path],
        methods: Sequence[str],
        registration_weights: Sequence[Path],
        refine: Sequence[int],
        twins: Sequence[str] | None,
        **others: Any,
    ) -> Options:
        """The options of the command line, with what was left open decided.

        Raises
        ------
        ValueError
            Methods without weights, weights without a method, or methods of ``twins`` or ``against`` that are not run.
        """
        given = tuple(path.resolve() for path in registration_weights)
        weights = learned_weights(methods, given)
        asked = methods or [method for method in METHODS if method not in NEEDED or method in weights]
        ordered = tuple(method for method in METHODS if method in asked)
        chosen = [method for method in TWINS if method in ordered] if twins is None else twins
        options = cls(
            out=out.resolve(),
            template_dir=tuple(path.resolve() for path in template_dir),
            methods=ordered,
            weights=weights,
            refine=tuple(dict.fromkeys(refine)),
            twins=tuple(dict.fromkeys(chosen)),
            **others,
        )
        options = attrs.evolve(options, against=options.against or options.reference)
        options.check(given)
        return options

    def check(self, given: Sequence[Path]) -> None:
        """Raise ``ValueError`` for what cannot be run with the weights that were given."""
        unused = [path.name for path in given if path not in self.weights.values()]
        if unused:
            raise ValueError(
                f"--registration-weights: no method of {', '.join(self.methods)} takes {unused[0]}"
            )
        if min(self.refine) < 0:
            raise ValueError(f"--refine: 0 or more iterations are required, got {min(self.refine)}")
        if missing := [method for method in self.twins if method not in self.methods]:
            raise ValueError(f"--twins {missing[0]}: choose from what is run: {', '.join(self.methods)}")
        if self.against not in self.labels:
            raise ValueError(f"--against {self.against}: choose from {'; '.join(self.labels)}")

    @property
    def reference(self) -> str:
        """The first of :data:`REFERENCES` that is run, else the first method."""
        known = (label for method in REFERENCES for label in self.labels if label.split(",")[0] == method)
        return next(known, self.labels[0])

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
