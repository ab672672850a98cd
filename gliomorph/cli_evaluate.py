"""``gliomorph-evaluate``: how good registrations are, and which method is better than another."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__
from .cli_numbers import positive

PROGRAM = "gliomorph-evaluate"
COMPARE_EPILOG = """
Every scan takes part that has all methods; the others are named. Written are comparison.tsv (mean, standard deviation,
median, difference from the baseline, p of the paired t-test and of Wilcoxon's), comparison_scans.tsv (every scan) and
comparison.html (tables and box plots). Run 'labels' and 'landmarks' with the same OUT_DIR before, and overlaps and
landmark errors are compared, too.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    code : int
        0 when the tables are written, 1 when they cannot be (argparse itself exits with 2), 130 when interrupted.
    """
    options = _parser().parse_args(argv)
    try:
        for line in options.run(options):
            print(line, flush=True)
    except (ValueError, OSError) as error:
        if options.verbose:
            raise
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted; nothing is written by halves", file=sys.stderr)
        return 130
    return 0


def _compare(options: argparse.Namespace) -> list[str]:
    # only now: --help needs neither torch nor matplotlib
    from .interfaces.evaluate_compare import evaluate_compare
    from .settings import METHODS

    study, written = evaluate_compare(
        options.deriv_dir,
        options.out_dir,
        baseline=options.baseline,
        template=options.template,
        resolution=options.resolution,
        order=METHODS,
    )
    left_out = [f"{scan}: left out, lacks {', '.join(lacking)}" for scan, lacking in study.missing.items()]
    methods = ", ".join(study.registrations.methods)
    scans = f"{len(study.scans)} scan{'s' * (len(study.scans) != 1)}"
    return [
        *study.registrations.notices,
        *left_out,
        f"{methods} on {scans}, {study.baseline} is the baseline",
        *_written(written),
    ]


def _written(paths: Sequence[Path]) -> list[str]:
    return [f"written: {', '.join(map(str, paths))}"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Evaluate the registrations in a folder that gliomorph has written."
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="{compare}", required=True)
    _add_compare(commands)
    return parser


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compare = commands.add_parser(
        "compare",
        help="all methods beside each other, with paired tests",
        description="Compare registration methods over the scans that have all of them.",
        epilog=COMPARE_EPILOG,
    )
    _add_folders(compare)
    compare.add_argument(
        "--baseline",
        metavar="METHOD",
        default="",
        help="test the others against it (default: syn-cfm, else syn, else affine, else the first)",
    )
    _add_common(compare)
    compare.set_defaults(run=_compare)


def _add_folders(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("deriv_dir", metavar="DERIV_DIR", type=Path, help="what gliomorph has written")
    add("out_dir", metavar="OUT_DIR", type=Path, help="where tables go, not DERIV_DIR itself")


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--template",
        metavar="NAME",
        default="",
        help="of the registrations (default: the one in DERIV_DIR)",
    )
    add(
        "--resolution",
        metavar="MM",
        type=positive,
        default=0,
        help="of the registrations (default: the one in DERIV_DIR)",
    )
    add("-v", "--verbose", action="store_true", help="show where an error comes from")


if __name__ == "__main__":
    sys.exit(main())
