"""Command line: ``python -m benchmarks.registration_study OUT``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..pipeline import add_arguments, find, perform
from . import __doc__ as description
from . import measures, report, runs, twins
from .options import Options


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, run, measure, write tables and pictures."""
    options = parse(arguments)
    runs.simulate(options, options.bids)
    for run in options.runs:
        perform(run, options)
    found = find(options)
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
    add_arguments(parser, template="MNI152", resolution=2)
    add = parser.add_argument
    add("--subjects", type=int, default=6)
    add("--seed", type=int, default=11)
    add("--twins", nargs="*", choices=twins.METHODS, metavar="METHOD",
        help="that register the twins, too; nothing after it: none "
        f"(default: those of {', '.join(twins.DEFAULT)} that are run)")  # fmt: skip
    return parser


if __name__ == "__main__":
    main()
