"""Command line: ``python -m benchmarks.faults OUT``."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gliomorph.interfaces.files.images import write_text

from ..tables import markdown
from . import __doc__ as description
from .campaign import Record, campaign, planned, version
from .fault import Kind
from .kinds import KINDS


def main(arguments: list[str] | None = None) -> int:
    """Play what is missing, print and write the table; 1 if something did not hold."""
    args = parser().parse_args(arguments)
    wanted = [kind for kind in KINDS if not args.kinds or any(word in kind.name for word in args.kinds)]
    missing = {kind.name: why for kind in wanted if (why := kind.missing())}
    possible = [kind for kind in wanted if kind.name not in missing]
    if not possible:
        print(f"no kind of fault is called {' or '.join(args.kinds)}", file=sys.stderr)
        return 2
    # what a shell's background or nohup lets this process ignore, its runs would ignore, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    rounds = planned(possible, args.faults, args.seed)
    records = campaign(rounds, args.out.resolve(), args.jobs, args.minutes)
    left = (
        f"{len(rounds) - len(records)} of {len(rounds)} rounds are left.\n"
        if len(records) < len(rounds)
        else ""
    )
    text = report(possible, records, missing, args.seed) + left
    write_text(text, args.out / "faults.md")
    print(text)
    return int(any(record.violations for record in records))


def report(kinds: Sequence[Kind], records: Sequence[Record], missing: dict[str, str], seed: int) -> str:
    """Faults and violations by group of kinds, and what did not hold, as Markdown."""
    injected: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    for record in records:
        for name, count in zip(record.kinds, record.counts, strict=True):
            injected[name] += count
        for group in {_group(name) for name in record.kinds}:
            broken[group] += len(record.violations)
    rows = []
    for group in dict.fromkeys(_group(kind.name) for kind in kinds):
        names = [kind.name for kind in kinds if _group(kind.name) == group and injected[kind.name]]
        if not names:
            continue
        count = sum(injected[name] for name in names)
        rows.append(
            [group, ", ".join(name.partition(": ")[2] for name in names), str(count), str(broken[group])]
        )
    violations = sum(len(record.violations) for record in records)
    known = [name for name in injected if injected[name]]
    minutes = sum(record.seconds for record in records) / 60
    codes = Counter(record.code for record in records)
    older = len(records) - codes[version()]
    lines = [
        f"{injected.total()} faults of {len(known)} kinds in {len(records)} rounds, seed {seed}, "
        f"{minutes:.0f} min of runs: {violations} violations.",
        *([f"{older} of the rounds were played with other code than today's."] if older else []),
        "",
        markdown(["what", "faults", "injected", "violations"], rows),
        *(f"Not injected: {name}: {why}." for name, why in missing.items()),
        *(f"- round {r.number}, {'; '.join(r.details)}: {text}" for r in records for text in r.violations),
    ]
    return "\n".join(lines) + "\n"


def _group(name: str) -> str:
    return name.partition(": ")[0]


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("out", type=Path, help="records, table, and the folders that are spoilt")
    options.add_argument(
        "--faults",
        type=int,
        default=294,
        help="how many are drawn (default: %(default)s, each kind by its share)",
    )
    options.add_argument("--seed", type=int, default=1, help="of all that is drawn (default: %(default)s)")
    options.add_argument(
        "--kinds", nargs="+", default=(), metavar="WORD", help="only those whose names have one of these"
    )
    options.add_argument(
        "--minutes", type=float, default=math.inf, help="begin no round after that; the same command goes on"
    )
    options.add_argument("--jobs", type=int, default=1, help="rounds at a time (default: %(default)s)")
    return options


if __name__ == "__main__":
    sys.exit(main())
