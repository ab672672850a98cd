"""The student that segments scans without a given mask, measured through the whole pipeline.

    python -m benchmarks.student quality OUT [--template SRI24 --template-dir DIR] [--modality T1w] [--weights FILE]
    python -m benchmarks.student quality OUT --bids BIDS -d masks=BIDS/derivatives/masks …
    python -m benchmarks.student speed OUT [--weights FILE …]
    python -m benchmarks.student held-out OUT --trainings FOLD0 FOLD1 … [--prepared DIR] [--weights FILE]

``quality`` runs ``gliomorph`` without any mask on a simulated cohort (or on a given dataset with label maps), compares
the labels that it writes with the true ones, and leaves ``quality.md``, ``quality.tsv`` and a picture; ``--record
NAME`` adds the figures to the network's card. Scans without a label map of the tumour's parts are listed, not
measured. ``speed`` runs each network on a head of 192 × 192 × 144 voxels of 1 mm, in a process of its own, and leaves
``speed.md``. ``held-out`` takes folders of ``gliomorph-train any`` and measures each one's network (or ``--weights``)
on the scans that it held out, from each sequence alone and from all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from .held_out import SUBSETS, held_out
from .quality import quality
from .speed import speed


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, run, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tasks = parser.add_subparsers(dest="task", required=True)
    first = tasks.add_parser("quality")
    first.add_argument("out", type=Path)
    first.add_argument("--modality", default="T1w", choices=("T1w", "T1ce", "T2w", "FLAIR"))
    first.add_argument("--weights", type=Path)
    first.add_argument("--template", default="MNI152")
    first.add_argument("--template-dir", nargs="+", default=[])
    first.add_argument("--resolution", type=int, default=1, choices=(1, 2))
    first.add_argument("--subjects", type=int, default=8)
    first.add_argument("--seed", type=int, default=31)
    first.add_argument("--bids", type=Path)
    first.add_argument("-d", "--derivatives", metavar="NAME=PATH")
    first.add_argument("--record", metavar="NAME", help="add the figures to the card beside --weights")
    second = tasks.add_parser("speed")
    second.add_argument("out", type=Path)
    second.add_argument("--weights", nargs="+", type=Path, default=[])
    second.add_argument("--repeats", type=int, default=3)
    third = tasks.add_parser("held-out")
    third.add_argument("out", type=Path)
    third.add_argument("--trainings", nargs="+", type=Path, required=True)
    third.add_argument("--prepared", type=Path)
    third.add_argument("--weights", type=Path)
    third.add_argument("--pictures", nargs="*", choices=SUBSETS, default=[])
    args = parser.parse_args(arguments)
    if args.task == "quality" and args.record and not args.weights:
        parser.error("--record NAME needs --weights FILE: the figures go to the card beside it")
    if args.task == "held-out":
        print(held_out(args))
    else:
        print(quality(args) if args.task == "quality" else speed(args.out, args.weights, args.repeats))


if __name__ == "__main__":
    main()
