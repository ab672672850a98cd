"""``gliomorph-import``: datasets in other layouts become BIDS."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..interfaces.datasets.brats.cases import BratsError, Case, find_cases, mark_collisions
from ..interfaces.datasets.brats.dataset import (
    Outcome,
    check_folders,
    check_sessions,
    import_cases,
    is_complete,
    read_participants,
)
from ..interfaces.datasets.brats.kinds import BRATS, BRATS_REG, PROGRAM, Kind
from ..interfaces.datasets.brats.pairs import SESSIONS, find_pairs
from ..interfaces.datasets.clinical.items import ClinicalError
from .import_clinical import add_dicom, add_nifti

BRATS_EPILOG = """
Recognised are folders of the editions 2017 to 2021 (Brats18_CBICA_AAB_1, BraTS20_Training_001, BraTS2021_00000) and
since 2023 (BraTS-GLI-00000-000, also MEN, MET, PED, SSA) at any depth. Voxels are not changed. A case with a faulty
file or with labels that its edition does not have is listed at the end and keeps none of the others from being
imported; run the same command again when it is mended: what is there is kept.
"""

PAIRS_EPILOG = """
Recognised are folders of the edition 2022 (BraTSReg_001) at any depth: before the operation (ses-pre)
BraTSReg_001_00_0000_{t1,t1ce,t2,flair}.nii.gz and BraTSReg_001_00_0000_landmarks.csv, at the follow-up (ses-post)
BraTSReg_001_01_0106_...; the 106 days between go to sub-*_sessions.tsv. All four images of both and the landmarks of
the follow-up are required; those of the first scan, which are not published of validation cases, are said to be
missing. Voxels and landmarks are not changed.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    code : int
        0 when every case is in the dataset (or could be tried, for a dry run), 1 when one is not or nothing can be
        done as asked (argparse itself exits with 2), 130 when interrupted.
    """
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except (BratsError, ClinicalError, OSError) as error:
        if options.verbose:
            raise
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted; the same command continues", file=sys.stderr)
        return 130


def import_brats(options: argparse.Namespace) -> int:
    """Find, import and account for the cases.

    Parameters
    ----------
    options : Namespace
        ``src_dir``, ``bids_dir``, ``dry_run``, ``verbose``, ``kind``, and ``find``, which gives the cases.

    Returns
    -------
    code : int
        0 if all are in the dataset, else 1.
    """
    check_folders(options.src_dir, options.bids_dir)
    cases, others = options.find(options)
    known = {label: row["brats_id"] for label, row in read_participants(options.bids_dir).items()}
    cases = mark_collisions(cases, known)
    check_sessions(options.bids_dir, cases)
    for folder in others:
        print(f"{folder} holds images, but its name is not that of a {options.kind.name} case: passed over")
    if options.dry_run:
        for case in cases:
            print(_plan(case, options.bids_dir))
        return int(any(case.problem for case in cases))
    start, done = time.monotonic(), 0

    def report(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        print(f"[{time.monotonic() - start:6.1f} s] {done} of {len(cases)}: {_line(outcome)}", flush=True)
        if outcome.error and options.verbose:
            traceback.print_exception(outcome.error)

    outcomes = import_cases(cases, options.bids_dir, report, options.kind)
    return _summary(outcomes, options)


def _plan(case: Case, bids_dir: Path) -> str:
    if case.problem:
        return f"{case.name}: would be refused: {case.problem}"
    done = "is there and would be kept" if is_complete(case, bids_dir) else "would be imported"
    return f"{_target(case)} {done}{_notes(case.notices)}"


def _line(outcome: Outcome) -> str:
    if outcome.error:
        return f"{outcome.case.name}: failed: {outcome.error}"
    return f"{_target(outcome.case)} {outcome.state}{_notes(outcome.notices)}"


def _target(case: Case) -> str:
    return f"{case.name} as sub-{case.label}{f' ses-{case.session}' if case.session else ''}"


def _notes(notices: Sequence[str]) -> str:
    return f" ({'; '.join(notices)})" if notices else ""


def _summary(outcomes: Sequence[Outcome], options: argparse.Namespace) -> int:
    """Print what became of all; the exit code."""
    bids_dir, kind = options.bids_dir, options.kind
    there = [outcome for outcome in outcomes if outcome.state != "failed"]
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    kept = sum(outcome.state == "kept" for outcome in there)
    without = sum(not (outcome.has_tumor if kind is BRATS else outcome.case.landmarks) for outcome in there)
    print(
        f"{len(there)} of {len(outcomes)} cases are in {bids_dir}: {len(there) - kept} imported, {kept} kept; "
        f"{without} without {'a segmentation' if kind is BRATS else 'landmarks'}"
    )
    if there:
        print(_next(bids_dir, kind))
    if failed:
        print(f"{PROGRAM}: {len(failed)} not imported:", file=sys.stderr)
        for outcome in failed:
            print(f"  {outcome.case.name}: {outcome.error}", file=sys.stderr)
    return int(bool(failed))


def _next(bids_dir: Path, kind: Kind) -> str:
    derivative = bids_dir / kind.derivative
    if kind is BRATS:
        return f"next: gliomorph {bids_dir} OUT_DIR participant -d brats={derivative}"
    return (
        f"next: gliomorph {bids_dir} OUT_DIR participant; gliomorph-evaluate landmarks OUT_DIR EVALUATION "
        f"{derivative}/sub-*/ses-*/anat/*_landmarks.csv --coordinates LPS --onto {SESSIONS['00']} --before native"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Make BIDS datasets of others.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="{dicom,nifti,brats,brats-reg}", required=True)
    add_dicom(commands)
    add_nifti(commands)
    brats = commands.add_parser(
        "brats",
        help="folders of the BraTS challenges",
        description="Make a BIDS dataset of BraTS folders, with their segmentations in derivatives/brats.",
        epilog=BRATS_EPILOG,
    )
    _add_folders(brats)
    brats.add_argument(
        "--pediatric-2023",
        action="store_true",
        help="BraTS-PED segmentations are of the 2023 edition (ET is 3), not of a later one (ET is 1)",
    )
    _add_common(brats)
    brats.set_defaults(
        run=import_brats,
        kind=BRATS,
        find=lambda options: find_cases(options.src_dir, pediatric_2023=options.pediatric_2023),
    )
    pairs = commands.add_parser(
        "brats-reg",
        help="folders of the BraTS-Reg challenge: pairs of scans with landmarks",
        description="Make a BIDS dataset of BraTS-Reg folders, with their landmarks in derivatives/landmarks.",
        epilog=PAIRS_EPILOG,
    )
    _add_folders(pairs)
    _add_common(pairs)
    pairs.set_defaults(run=import_brats, kind=BRATS_REG, find=lambda options: find_pairs(options.src_dir))
    return parser


def _add_folders(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("src_dir", metavar="SRC_DIR", type=Path, help="holds the cases' folders, at any depth")
    add("bids_dir", metavar="BIDS_DIR", type=Path, help="new or empty folder, or a dataset to continue")


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--dry-run", action="store_true", help="say what would be done, from the files' names alone")
    add("-v", "--verbose", action="store_true", help="show where an error comes from")


if __name__ == "__main__":
    sys.exit(main())
