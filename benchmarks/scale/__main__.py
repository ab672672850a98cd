"""``python -m benchmarks.scale OUT``: what the engine costs a cohort of any size, the stages' work left out.

Subjects of a few random bytes go through the whole participant level: query, plan, sweep, the real graphs in the
real engine with its worker processes, records, summary. Only the stages are replaced, by functions that write small
files. Three runs of each cohort: the first one, one that finds everything done, and one that finds a single record
lost, which looks through the whole work directory. Each has a process of its own; its memory and CPU are those of
this driver alone.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import attrs

from gliomorph.config.settings import Settings
from gliomorph.workflows.scan.participants import PER_METHOD, PER_SCAN

from ..tables import markdown
from .cohort import write_cohort
from .driver import Spent, drive

NODES = PER_SCAN + PER_METHOD
"""Nodes of one scan with one registration method."""


@attrs.frozen(kw_only=True)
class Measured:
    """Three runs of one cohort."""

    subjects: int
    first: Spent
    done: Spent
    one_lost: Spent

    def row(self) -> list[str]:
        """Its row of the table."""
        nodes = self.subjects * NODES
        first = self.first
        return [
            str(self.subjects),
            str(nodes),
            f"{first.wall['plan']:.1f}",
            f"{1000 * first.wall['scans'] / nodes:.0f}",
            f"{1000 * first.cpu['scans'] / nodes:.1f}",
            f"{first.peak_gb:.2f}",
            f"{self.done.seconds:.1f}",
            f"{self.one_lost.seconds:.1f}",
            f"{self.one_lost.wall['sweep']:.1f}",
        ]


HEAD = [
    "subjects",
    "nodes",
    "plan (s)",
    "a node (ms)",
    "a node, driver's CPU (ms)",
    "driver's peak (GB)",
    "run of a finished cohort (s)",
    "run with one scan lost (s)",
    "of it the sweep (s)",
]


def settings_of(root: Path, subjects: int, image_bytes: int, nprocs: int) -> Settings:
    """A new cohort's run, whatever lay there before."""
    bids, masks = write_cohort(root, subjects, image_bytes)
    for name in ("derivatives", "work"):
        shutil.rmtree(root / name, ignore_errors=True)
    return Settings.of(
        bids_dir=bids,
        output_dir=root / "derivatives",
        work_dir=root / "work",
        derivatives={"masks": masks},
        resolution=4,
        registration=("affine",),
        nprocs=nprocs,
        gpu="none",
        skip_bids_validation=True,
    )


def measure(root: Path, subjects: int, image_bytes: int, nprocs: int, profile: bool) -> Measured:
    """All three runs; profiles of the driver are left in ``root`` if wanted."""
    settings = settings_of(root, subjects, image_bytes, nprocs)
    spent = {}
    for name in ("first", "done", "one_lost"):
        if name == "one_lost":
            next(settings.output_dir.glob("sub-*/anat/*_registration.json")).unlink()
        spent[name] = drive(settings, root / f"{name}.prof" if profile else None)
        if spent[name].code:
            raise RuntimeError(
                f"{subjects} subjects, run {name}: exit code {spent[name].code}; see {root}/derivatives/logs"
            )
    return Measured(subjects=subjects, **spent)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for cohorts, caches and derivatives")
    parser.add_argument("--subjects", type=int, nargs="+", default=[1000], metavar="N")
    parser.add_argument("--image-bytes", type=int, default=1000, metavar="N", help="of each image")
    parser.add_argument("--nprocs", type=int, default=2, metavar="N", help="worker processes")
    parser.add_argument(
        "--profile", action="store_true", help="leave profiles of the driver beside the cohorts"
    )
    args = parser.parse_args(argv)
    rows = []
    for subjects in args.subjects:
        root = args.out / str(subjects)
        measured = measure(root, subjects, args.image_bytes, args.nprocs, args.profile)
        rows.append(measured.row())
        print(rows[-1], flush=True)
    print(markdown(HEAD, rows))


if __name__ == "__main__":
    main()
