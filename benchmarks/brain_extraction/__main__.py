"""Command line: ``python -m benchmarks.brain_extraction OUT``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gliomorph.interfaces.scan.records import EXTRACTIONS

from . import __doc__ as description
from . import cases, measure, report


def main(arguments: Sequence[str] | None = None) -> None:
    """Extract, measure, write tables and pictures."""
    given = _parser().parse_args(arguments)
    found = [*cases.real_cases(given.data), *cases.painted_cases(given.data, given.out)]
    chosen = [case for case in found if not given.heads or any(name in case.head for name in given.heads)]
    rows, agreement = [], []
    for tool in given.tools:
        for case in chosen:
            rows.append(measure.extract(tool, case, given.out))
            print(" ".join(f"{key}={value}" for key, value in rows[-1].items() if value != ""), flush=True)
        agreement += measure.agreements(tool, chosen, given.out)
    columns = ["tool", "head", "first", "second", "dice"]
    tables = pd.DataFrame(rows), pd.DataFrame(agreement, columns=columns)
    print(report.write(*tables, given.out))
    report.draw_worst(*tables, chosen, given.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.brain_extraction",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    shared = Path(os.environ.get("GLIOMORPH_SHARED_DATA", ".")) / "real"
    add("out", metavar="OUT", type=Path)
    add("--data", type=Path, default=shared, metavar="DIR", help="default: %(default)s")
    add("--tools", nargs="+", choices=EXTRACTIONS[1:], default=["shipped"], help="default: shipped")
    add("--heads", nargs="+", default=[], metavar="NAME", help="parts of their names (default: all)")
    return parser


if __name__ == "__main__":
    main()
