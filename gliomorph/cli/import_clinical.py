"""``gliomorph-import dicom`` and ``nifti``: images of a clinic become BIDS by a table."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from ..interfaces.datasets.brats.kinds import PROGRAM
from ..interfaces.datasets.clinical.dataset import check_target, write_dataset
from ..interfaces.datasets.clinical.dicom import find_series, require_tools
from ..interfaces.datasets.clinical.items import DERIVATIVE, MASKS, ClinicalError, Item
from ..interfaces.datasets.clinical.nifti_table import read_nifti_table
from ..interfaces.datasets.clinical.series_table import (
    check_mapping,
    converted_items,
    mapping_table,
    read_series_table,
    series_table,
    write_mapping,
)
from ..interfaces.files.images import write_text

DICOM_EPILOG = """
The first call writes a table, one row a series, that says what each would be and why, and stops. Look it over, mend
modality (T1w, T1ce, T2w, FLAIR, skip, unknown), participant_id, session_id and run, and give it back with --table.
Names, identifiers and dates stay out of the dataset: who is who stands in the file of --mapping alone. Faces stay in
the images.
"""
NIFTI_EPILOG = """
Columns of the table, tab-separated: file (.nii.gz or .nii, relative to the table's folder), participant_id, modality
(T1w, T1ce, T2w, FLAIR, mask of a tumour, brain mask), and perhaps session_id and run. Every row is checked before
anything is written. Voxels and headers are not changed.
"""


def import_dicom(options: argparse.Namespace) -> int:
    """Write the table of the series, or the dataset that a table describes.

    Parameters
    ----------
    options : Namespace
        ``src_dir``, ``bids_dir``, ``table``, ``mapping``, ``yes``.

    Returns
    -------
    code : int
        0 if the dataset is there, 1 after a table that is to be looked over.
    """
    bids_dir = options.bids_dir
    table = options.table or bids_dir.absolute().with_name(f"{bids_dir.absolute().name}_series.tsv")
    mapping = options.mapping or table.with_name(f"{bids_dir.absolute().name}_mapping.tsv")
    check_target(bids_dir)
    _require_outside((table, mapping), bids_dir)
    program, found = require_tools(), find_series(options.src_dir)
    if not options.table:
        if table.exists():
            raise ClinicalError(f"{table} is there: give it back with --table, or remove it to have it anew")
        write_text(series_table(found), table)
        print(f"{table}: what each of {len(found)} series would be, and why")
        if not options.yes:
            again = f"--table {table}" + (f" --mapping {mapping}" if options.mapping else "")
            print(
                "next: look the table over, mend what is wrong, and run: "
                f"{PROGRAM} dicom {options.src_dir} {bids_dir} {again}"
            )
            return 1
    wanted = read_series_table(table, found)
    check_mapping(mapping_table(wanted), mapping)
    write_dataset(converted_items(wanted, program, table), bids_dir, _report)
    write_mapping(mapping_table(wanted), mapping)
    print(f"{len(wanted)} of {len(found)} series are in {bids_dir}; the others are passed over")
    print(f"{mapping}: who is who; keep it apart from the dataset")
    print(_next(bids_dir, ()))
    return 0


def import_nifti(options: argparse.Namespace) -> int:
    """Write the dataset that a table of NIfTI files describes.

    Parameters
    ----------
    options : Namespace
        ``table``, ``bids_dir``.

    Returns
    -------
    code : int
        0; everything else is an error.
    """
    check_target(options.bids_dir)
    _require_outside((options.table,), options.bids_dir)
    items = read_nifti_table(options.table)
    write_dataset(items, options.bids_dir, _report)
    print(f"{len(items)} files are in {options.bids_dir}")
    print(_next(options.bids_dir, items))
    return 0


def add_dicom(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand ``dicom``."""
    parser = commands.add_parser(
        "dicom",
        help="DICOM series of a clinic, by dcm2niix",
        description="Make a BIDS dataset of DICOM series, without what tells who the patients are.",
        epilog=DICOM_EPILOG,
    )
    add = parser.add_argument
    add("src_dir", metavar="SRC_DIR", type=Path, help="holds the DICOM files, at any depth")
    _add_common(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--table", metavar="FILE", type=Path, help="the table of the first call, looked over")
    group.add_argument("--yes", action="store_true", help="take all proposals of the table as they are")
    add(
        "--mapping",
        metavar="FILE",
        type=Path,
        help="gets who is who: patient and date of each label; outside BIDS_DIR (default: beside the table)",
    )
    parser.set_defaults(run=import_dicom)


def add_nifti(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand ``nifti``."""
    parser = commands.add_parser(
        "nifti",
        help="NIfTI files, by a table that says what each is",
        description="Make a BIDS dataset of the NIfTI files that a table lists, with masks in derivatives/masks.",
        epilog=NIFTI_EPILOG,
    )
    parser.add_argument("table", metavar="TABLE", type=Path, help="what each file is")
    _add_common(parser)
    parser.set_defaults(run=import_nifti)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("bids_dir", metavar="BIDS_DIR", type=Path, help="new or empty folder")
    add("-v", "--verbose", action="store_true", help="show where an error comes from")


def _require_outside(files: Iterable[Path], bids_dir: Path) -> None:
    for file in files:
        if file.resolve().is_relative_to(bids_dir.resolve()):
            raise ClinicalError(f"{file} is inside {bids_dir}: name a place outside the dataset")


def _report(item: Item) -> None:
    print(f"line {item.line}: {item.path}", flush=True)


def _next(bids_dir: Path, items: Iterable[Item]) -> str:
    masks = f" -d masks={bids_dir / DERIVATIVE}" if any(item.modality in MASKS for item in items) else ""
    return f"next: gliomorph {bids_dir} OUT_DIR participant{masks}"
