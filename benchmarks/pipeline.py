"""What benchmarks that run ``gliomorph`` as a whole share: methods, their networks, settings to compare, the call."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import attrs

from gliomorph.cli.run import INTERRUPTED, parse
from gliomorph.cli.run import main as run_gliomorph
from gliomorph.config.processing import Processing
from gliomorph.environment import template_folders
from gliomorph.interfaces.derivatives.registrations import Registration, find_registrations
from gliomorph.interfaces.machine.limits import available_cpus
from gliomorph.interfaces.methods import METHODS, NEEDED
from gliomorph.interfaces.networks.registration import fitting, read_header, shipped_network
from gliomorph.workflows.summary import last_causes

ALONE = "network alone"
"""How tables call a learned method with ``--refine 0``."""
REFERENCES = ("metamorph-r", "metamorphosis")
"""What the others are tested against, unless ``--against`` says otherwise; the first that is run."""


def learned_weights(
    methods: Sequence[str], given: Sequence[Path], varied: Sequence[str] = ()
) -> dict[str, Path]:
    """The network of each learned method: a given one that fits, else the one that comes with gliomorph.

    Parameters
    ----------
    methods : sequence of str
        Those that were asked for; none: all that have a network.
    given : sequence of Path
        Files of ``--registration-weights``.
    varied : sequence of str
        Methods of variants: they take a given file; where none is for them, their own options or gliomorph say which.

    Returns
    -------
    weights : dict of str to Path

    Raises
    ------
    WeightsError
        A method that was asked for without a network, or with several.
    """
    held = [read_header(path) for path in given]
    there = [method for method, header in NEEDED.items() if header in held or shipped_network(method)]
    wanted = [*(methods or there), *(method for method in varied if NEEDED.get(method) in held)]
    return {method: fitting(method, given, shipped_network(method)) for method in wanted if method in NEEDED}


@attrs.frozen(kw_only=True)
class Variant:
    """A method with further options of ``gliomorph``, in a run of its own.

    Attributes
    ----------
    method : str
    name : str
        What tables add to the method's name.
    words : tuple of str
        The options, at the end of the command line.
    """

    method: str
    name: str
    words: tuple[str, ...]

    @classmethod
    def parsed(cls, text: str) -> Variant:
        """A variant from ``METHOD, NAME: OPTIONS``.

        Examples
        --------
        >>> Variant.parsed("syn, seed 1: --random-seed 1")
        Variant(method='syn', name='seed 1', words=('--random-seed', '1'))
        """
        label, _, words = text.partition(":")
        method, _, name = (part.strip() for part in label.partition(","))
        if method not in METHODS or not name or not words.strip():
            raise argparse.ArgumentTypeError(
                f"METHOD, NAME: OPTIONS OF GLIOMORPH is required, METHOD one of {', '.join(METHODS)}; got {text!r}"
            )
        return cls(method=method, name=name, words=tuple(shlex.split(words)))


@attrs.frozen(kw_only=True)
class Run:
    """One call of ``gliomorph``.

    Attributes
    ----------
    folder : Path
        Where its derivatives go.
    methods : tuple of str
    refine : int or None
        Iterations after the networks' answers; None: those of ``gliomorph``.
    weights : tuple of Path
        Of the learned methods.
    variant : Variant or None
    """

    folder: Path
    methods: tuple[str, ...]
    refine: int | None = None
    weights: tuple[Path, ...] = ()
    variant: Variant | None = None

    def label(self, method: str) -> str:
        """The method in tables: ``metamorph-r``, and with ``--refine`` ``metamorph-r, refined 15``."""
        if self.variant:
            return f"{method}, {self.variant.name}"
        if self.refine is None:
            return method
        return f"{method}, refined {self.refine}" if self.refine else f"{method}, {ALONE}"


@attrs.frozen(kw_only=True)
class Pipeline:
    """How methods are run on a dataset.

    Attributes
    ----------
    out : Path
        Where everything goes; the dataset is in ``bids``.
    template : str
    template_dir : tuple of Path
    resolution : int
    methods : tuple of str
        In the order of the tables.
    weights : mapping of str to Path
        Of the learned methods.
    refine : tuple of int
        The learned methods run once for each; none: once, as ``gliomorph`` refines them.
    against : str
        What the others are tested against, as tables name it.
    nprocs, omp_nthreads : int
    gpu : str
    variants : tuple of Variant
    """

    out: Path
    template: str
    template_dir: tuple[Path, ...]
    resolution: int
    methods: tuple[str, ...]
    weights: Mapping[str, Path]
    refine: tuple[int, ...]
    against: str
    nprocs: int
    omp_nthreads: int
    gpu: str
    variants: tuple[Variant, ...] = ()

    def checked(self, given: Sequence[Path]) -> Self:
        """Itself, with a reference to test against.

        Raises
        ------
        ValueError
            What cannot be run with the weights that were given.
        """
        unused = [path.name for path in map(Path.resolve, given) if path not in self.weights.values()]
        if unused:
            raise ValueError(
                f"--registration-weights: no method of {', '.join(self.methods)} takes {unused[0]}"
            )
        if min(self.refine, default=0) < 0:
            raise ValueError(f"--refine: 0 or more iterations are required, got {min(self.refine)}")
        chosen = attrs.evolve(self, against=self.against or self.reference)
        if chosen.against not in self.labels:
            raise ValueError(f"--against {self.against}: choose from {'; '.join(self.labels)}")
        return chosen

    @property
    def reference(self) -> str:
        """The first of :data:`REFERENCES` that is run, else the first method."""
        known = (label for method in REFERENCES for label in self.labels if label.split(",")[0] == method)
        return next(known, self.labels[0])

    @property
    def runs(self) -> tuple[Run, ...]:
        """All methods once; with ``refine``, the learned ones for each number of iterations; and the variants."""
        learned = tuple(method for method in self.methods if method in NEEDED)
        once = tuple(method for method in self.methods if not (self.refine and method in learned))
        runs = [self._run("derivatives", once)] if once else []
        for count in self.refine if learned else ():
            runs.append(attrs.evolve(self._run(f"derivatives-refine-{count}", learned), refine=count))
        return (*runs, *map(self._varied, self.variants))

    def _varied(self, variant: Variant) -> Run:
        words = "".join(letter if letter.isalnum() else "-" for letter in f"{variant.method}-{variant.name}")
        return attrs.evolve(self._run(f"derivatives-{words}", (variant.method,)), variant=variant)

    def _run(self, name: str, methods: tuple[str, ...]) -> Run:
        weights = tuple(self.weights[method] for method in methods if method in self.weights)
        return Run(folder=self.out / name, methods=methods, weights=weights)

    @property
    def labels(self) -> tuple[str, ...]:
        """All methods as tables name them, in their order."""
        return tuple(run.label(method) for run in self.runs for method in run.methods)

    @property
    def bids(self) -> Path:
        """The patients."""
        return self.out / "bids"

    @property
    def template_folders(self) -> tuple[Path, ...]:
        """Where ``tpl-*`` folders are looked for."""
        return (*self.template_dir, *template_folders())


def decided(
    *,
    out: Path,
    template_dir: Sequence[Path],
    methods: Sequence[str],
    registration_weights: Sequence[Path],
    refine: Sequence[int],
    variants: Sequence[Variant],
    **others: Any,
) -> dict[str, Any]:
    """The fields of a :class:`Pipeline` from the command line of :func:`add_arguments`, what was left open decided."""
    given = tuple(path.resolve() for path in registration_weights)
    weights = learned_weights(methods, given, [variant.method for variant in variants])
    asked = methods or [method for method in METHODS if method not in NEEDED or method in weights]
    return {
        "out": out.resolve(),
        "template_dir": tuple(path.resolve() for path in template_dir),
        "methods": tuple(method for method in METHODS if method in asked),
        "weights": weights,
        "refine": tuple(dict.fromkeys(refine)),
        "variants": tuple(variants),
        **others,
    }


def add_arguments(parser: argparse.ArgumentParser, template: str, resolution: int) -> None:
    """What every benchmark of whole runs asks; ``template`` and ``resolution`` are the defaults."""
    add = parser.add_argument
    add("out", type=Path)
    add("--template", default=template, help="default: %(default)s")
    add("--template-dir", nargs="+", type=Path, default=[])
    add("--resolution", type=int, default=resolution, choices=(1, 2, 3, 4), help="default: %(default)s")
    add("--methods", nargs="+", default=[], choices=METHODS, metavar="METHOD",
        help="default: all, the learned ones where there are weights")  # fmt: skip
    add("--registration-weights", nargs="+", type=Path, default=[], metavar="FILE")
    add("--refine", nargs="+", type=int, default=[], metavar="N",
        help="learned methods run once for each, 0: the network alone (default: once, as gliomorph does)")  # fmt: skip
    add("--variant", nargs="+", type=Variant.parsed, default=[], metavar="TEXT", dest="variants",
        help="METHOD, NAME: OPTIONS runs a method once more, with these options of gliomorph")  # fmt: skip
    add("--against", default="", metavar="METHOD",
        help="which the others are tested against, as tables name it "
        "(default: metamorph-r, else metamorphosis)")  # fmt: skip
    add("--nprocs", type=int, default=available_cpus(), help="as for gliomorph (default: %(default)s)")
    add("--omp-nthreads", type=int, default=1, help="as for gliomorph (default: %(default)s)")
    add("--gpu", default="auto", choices=("auto", "all", "none"), help="as for gliomorph")


def perform(run: Run, options: Pipeline) -> None:
    """``gliomorph`` with a run's methods; a run in which some scans failed is one, they are named in the table.

    Raises
    ------
    SystemExit
        It could not start, or did not come to its end.
    """
    code = run_gliomorph(command(run, options))
    if code not in (0, 1):
        known = {2: "could not start, for the reason above", INTERRUPTED: "was interrupted"}
        raise SystemExit(f"gliomorph {known.get(code, f'ended with code {code}')}: nothing is measured")


def command(run: Run, options: Pipeline) -> list[str]:
    """What follows ``gliomorph`` on the command line; stages that runs share are computed once."""
    words = [str(options.bids), str(run.folder), "participant", "-w", str(options.out / "work")]
    words += ["-d", f"truth={options.bids / 'derivatives' / 'truth'}", "--skip-bids-validation"]
    words += ["--template", options.template, "--resolution", str(options.resolution)]
    words += ["--template-dir", *map(str, options.template_dir)] if options.template_dir else []
    words += ["--registration", *run.methods, "--gpu", options.gpu]
    words += ["--registration-weights", *map(str, run.weights)] if run.weights else []
    words += [] if run.refine is None else ["--refine", str(run.refine)]
    words += ["--nprocs", str(options.nprocs), "--omp-nthreads", str(options.omp_nthreads)]
    return [*words, *(run.variant.words if run.variant else ())]


def processing_of(run: Run, options: Pipeline) -> Processing:
    """What a run's command line makes ``gliomorph`` do with each scan: speed, iterations, networks."""
    return parse(command(run, options)).processing


def find(options: Pipeline) -> dict[str, dict[str, Registration]]:
    """The registrations of all runs, by method and scan, in the order of the tables.

    A scan that failed keeps the files of an earlier run: it is passed over.
    """
    found: dict[str, dict[str, Registration]] = {label: {} for label in options.labels}
    for run in options.runs:
        known = find_registrations(
            run.folder, template=options.template, resolution=options.resolution, order=METHODS
        )
        failed = last_causes(run.folder / "logs")
        for scan, methods in known.by_scan.items():
            for method in run.methods:
                if method in methods and scan not in failed:
                    found[run.label(method)][scan] = methods[method]
    return found
