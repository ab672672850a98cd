"""BraTS-Reg folders: a patient before the operation and at a follow-up, with landmarks, by the files' names alone.

The layout of the challenge of 2022 is ``BraTSReg_001/BraTSReg_001_00_0000_{t1,t1ce,t2,flair}.nii.gz`` and
``…_landmarks.csv`` before the operation (time point 00), ``BraTSReg_001_01_0106_…`` at the follow-up (01); the last
number counts days from the former to the latter [1]_. The organisers keep the landmarks of the first scan of
validation cases to themselves.

References
----------
.. [1] Baheti et al., "The Brain Tumor Sequence Registration Challenge", arXiv:2112.06979; the organisers' tree of
   files is in github.com/satrajitgithub/BraTS_Reg_submission_instructions.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from .cases import LAYOUTS, BratsError, Case, Layout, case_folders, nifti, take

SESSIONS = {"00": "pre", "01": "post"}
"""Session by time point."""
LAYOUT = Layout(
    pattern=re.compile(r"(?P<subject>bratsreg_\d+)", re.IGNORECASE | re.ASCII),
    separator="_",
    modalities=LAYOUTS[0].modalities,
    convention={},
)
SCAN = re.compile(r"_(?P<timepoint>\d+)_(?P<days>\d+)_[a-z0-9]+\.(nii|nii\.gz|csv)", re.ASCII)
"""What follows the folder's name in that of a file."""


def find_pairs(src_dir: Path) -> tuple[list[Case], list[Path]]:
    """The cases below a folder, two a patient, by their names alone; nothing is read.

    Parameters
    ----------
    src_dir : Path
        At any depth above the patients' folders, or one of these.

    Returns
    -------
    cases : list of Case
        Sorted by name, ``pre`` before ``post``; also those that cannot be imported: what one of a pair lacks is a
        ``problem`` of both.
    others : list of Path
        Folders that hold images and are no patient of BraTS-Reg.

    Raises
    ------
    BratsError
        No such folder, or no patient in it.
    """
    folders, others = case_folders(src_dir, (LAYOUT,))
    if not folders:
        raise BratsError(
            f"{src_dir}: no BraTS-Reg case found. Folders such as BraTSReg_001 are required, with "
            "BraTSReg_001_00_0000_t1.nii.gz and so on inside"
        )
    found = [case for folder, _, names in folders for case in _pair(folder, names["subject"])]
    return sorted(found, key=lambda case: (case.subject, case.folder, case.name)), others


def _pair(folder: Path, subject: str) -> Iterator[Case]:
    """Both time points of a patient; where one of them is not whole, both with the reason."""
    try:
        days = _days(folder)
        cases = [_scan(folder, subject, timepoint, days[timepoint]) for timepoint in SESSIONS]
        if not cases[1].landmarks:
            raise BratsError(f"{cases[1].name}_landmarks.csv is required, the folder has none")
    except BratsError as error:
        for timepoint, session in SESSIONS.items():
            yield Case(
                name=f"{folder.name}_{timepoint}",
                folder=folder,
                layout=LAYOUT,
                subject=subject,
                session=session,
                problem=str(error),
            )
        return
    yield from cases


def _days(folder: Path) -> Mapping[str, str]:
    """The days of each of :data:`SESSIONS`, as the names have them."""
    known: dict[str, set[str]] = defaultdict(set)
    for path in sorted(folder.iterdir()):
        if match := SCAN.fullmatch(path.name.removeprefix(folder.name)):
            known[match["timepoint"]].add(match["days"])
    if unknown := sorted(set(known) - set(SESSIONS)):
        raise BratsError(f"time points 00 and 01 are required, {folder.name}_{unknown[0]}_… is neither")
    for timepoint in SESSIONS:
        if not known[timepoint]:
            raise BratsError(
                f"no file named {folder.name}_{timepoint}_DAYS_{{{','.join(LAYOUT.modalities.values())}}}.nii.gz"
            )
        if len(known[timepoint]) > 1:
            names = " and ".join(f"{folder.name}_{timepoint}_{days}" for days in sorted(known[timepoint]))
            raise BratsError(f"{names} are both there: one scan a time point is required")
    return {timepoint: days for timepoint, (days,) in known.items()}


def _scan(folder: Path, subject: str, timepoint: str, days: str) -> Case:
    """One time point with all its files."""
    case = Case(
        name=f"{folder.name}_{timepoint}_{days}",
        folder=folder,
        layout=LAYOUT,
        subject=subject,
        session=SESSIONS[timepoint],
        days=int(days),
    )
    rest = [path for path in nifti(folder) if path.name.startswith(f"{case.name}_")]
    images = {modality: take(case, name, rest) for modality, name in LAYOUT.modalities.items()}
    if missing := [LAYOUT.modalities[modality] for modality, path in images.items() if path is None]:
        raise BratsError(
            f"{', '.join(f'{case.name}_{name}.nii.gz' for name in missing)}: required, not in the folder"
        )
    landmarks = folder / f"{case.name}_landmarks.csv"
    known = landmarks.exists()
    notices = [*([] if known else ["no landmarks"]), *(f"{path.name} is passed over" for path in rest)]
    return attrs.evolve(
        case,
        images={modality: path for modality, path in images.items() if path},
        landmarks=landmarks if known else None,
        notices=tuple(notices),
    )
