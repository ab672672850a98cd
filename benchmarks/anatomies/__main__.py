"""Command line: ``python -m benchmarks.anatomies OUT --maps DIR``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..pipeline import add_arguments, find, perform
from . import __doc__ as description
from . import cohort, measures, pictures, report
from .options import Options


def main(arguments: Sequence[str] | None = None) -> None:
    """Paint, run, measure, write tables and pictures."""
    options = parse(arguments)
    cohort.paint_all(options)
    for run in options.runs:
        perform(run, options)
    found = find(options)
    people, pairs = measures.measure_all(found, options)
    print(report.write(people, pairs, options))
    report.draw_boxes(people, pairs, options)
    pictures.draw_all(found, options)


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
        prog="python -m benchmarks.anatomies",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser, template="SRI24", resolution=1)
    add = parser.add_argument
    add("--maps", type=Path, required=True, metavar="DIR", help="label maps of whole heads, *_dseg.nii.gz")
    add("--subjects", nargs="+", default=[], metavar="NAME",
        help="how the names of the maps end before _dseg, such as 07 (default: all)")  # fmt: skip
    add("--seed", type=int, default=5, help="of contrasts, grids and tumours (default: %(default)s)")
    return parser


if __name__ == "__main__":
    main()
