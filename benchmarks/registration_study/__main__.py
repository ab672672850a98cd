"""Command line: ``python -m benchmarks.registration_study OUT``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from gliomorph.interfaces.machine.limits import available_cpus
from gliomorph.interfaces.methods import METHODS

from . import __doc__ as description
from . import measures, report, runs, twins
from .options import Options


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, run, measure, write tables and pictures."""
    options = parse(arguments)
    runs.simulate(options, options.bids)
    for run in options.runs:
        runs.perform(run, options)
    found = measures.find(options)
    if options.twins:
        runs.simulate(options, options.twin_bids, visible=False)
        twins.register_all(found, options)
    target = measures.Target.of(options)
    rows, frequencies = measures.measure_all(found, target, options)
    print(report.write(rows, frequencies, target.source, options))


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options, checked."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    try:
        return Options.parsed(**given)
    except ValueError as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.registration_study",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("out", type=Path)
    add("--subjects", type=int, default=6)
    add("--seed", type=int, default=11)
    add("--template", default="MNI152")
    add("--template-dir", nargs="+", type=Path, default=[])
    add("--resolution", type=int, default=2, choices=(1, 2, 3, 4))
    add("--methods", nargs="+", default=[], choices=METHODS, metavar="METHOD",
        help="default: all, the learned ones where there are weights")  # fmt: skip
    add("--registration-weights", nargs="+", type=Path, default=[], metavar="FILE")
    add("--refine", nargs="+", type=int, default=[0], metavar="N", help="learned methods run once for each")
    add("--twins", nargs="*", choices=twins.METHODS, metavar="METHOD",
        help="that register the twins, too; nothing after it: none "
        f"(default: those of {', '.join(twins.DEFAULT)} that are run)")  # fmt: skip
    add("--against", default="", metavar="METHOD",
        help="which the others are tested against, as tables name it "
        "(default: metamorph-r, else metamorphosis)")  # fmt: skip
    add("--nprocs", type=int, default=available_cpus(), help="as for gliomorph (default: %(default)s)")
    add("--omp-nthreads", type=int, default=1, help="as for gliomorph (default: %(default)s)")
    add("--gpu", default="auto", choices=("auto", "all", "none"), help="as for gliomorph")
    return parser


if __name__ == "__main__":
    main()
