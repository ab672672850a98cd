"""BraTS folders: which cases there are and which file is what, by their names alone.

A case is recognised by its folder's name. Two layouts are known, and each has its own value for the enhancing tumour
(ET); the files' labels only confirm it (:mod:`~gliomorph.interfaces.datasets.brats.check`):

- 2017 to 2021: ``Brats18_CBICA_AAB_1/Brats18_CBICA_AAB_1_{t1,t1ce,t2,flair,seg}``, ET is 4
- since 2023: ``BraTS-GLI-00000-000/BraTS-GLI-00000-000-{t1n,t1c,t2w,t2f,seg}``, ET is 3; the last number is the
  time point

The paediatric cases (``BraTS-PED``) follow this in 2023 only: later editions name the same files alike but label
1 ET, 2 non-enhancing tumour, 3 cyst, 4 oedema.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from ....models.regions import CONVENTIONS

EXTENSIONS = (".nii.gz", ".nii")
GRADES = ("HGG", "LGG")


class BratsError(ValueError):
    """Folders that cannot be imported as asked: the message says what to change."""


@attrs.frozen(kw_only=True)
class Layout:
    """How cases of some editions are named and labelled."""

    pattern: re.Pattern[str]
    """Name of a case's folder; ``subject`` is the patient, ``group`` and ``timepoint`` are there since 2023."""
    separator: str
    """Between the case's name and the kind of file."""
    modalities: Mapping[str, str]
    """What BIDS and BraTS call them: ``{"T1w": "t1", …}``."""
    convention: Mapping[str, int]
    """Labels by region: NCR, ED and ET."""


LAYOUTS = (
    Layout(
        pattern=re.compile(r"(?P<subject>brats(17|18|19|20|2021)_\w+)", re.IGNORECASE | re.ASCII),
        separator="_",
        modalities={"T1w": "t1", "T1ce": "t1ce", "T2w": "t2", "FLAIR": "flair"},
        convention=CONVENTIONS[frozenset({1, 2, 4})],
    ),
    Layout(
        pattern=re.compile(
            r"(?P<subject>brats-(?P<group>gli|men|met|ped|ssa)-\d+)-(?P<timepoint>\d+)",
            re.IGNORECASE | re.ASCII,
        ),
        separator="-",
        modalities={"T1w": "t1n", "T1ce": "t1c", "T2w": "t2w", "FLAIR": "t2f"},
        convention=CONVENTIONS[frozenset({1, 2, 3})],
    ),
)


@attrs.frozen(kw_only=True)
class Case:
    """One patient at one time point."""

    name: str
    """The folder's."""
    folder: Path
    layout: Layout
    subject: str
    """The patient's part of the name."""
    session: str = ""
    """The time point; empty before 2023."""
    days: int | None = None
    """Days since the patient's first scan; None where the name does not tell."""
    grade: str = ""
    """``HGG`` or ``LGG`` where the folder lies in one of that name, else empty."""
    images: Mapping[str, Path] = attrs.field(factory=dict)
    """By modality: T1w, T1ce, T2w, FLAIR."""
    segmentation: Path | None = None
    landmarks: Path | None = None
    """BraTS-Reg's ``Landmark,X,Y,Z``."""
    notices: tuple[str, ...] = ()
    """What a reader of the summary should know."""
    problem: str = ""
    """Why the case cannot be imported; empty if nothing speaks against it so far."""

    @property
    def label(self) -> str:
        """The BIDS label of the patient: letters and digits of its name."""
        return re.sub(r"[^A-Za-z0-9]", "", self.subject)


def find_cases(src_dir: Path, *, pediatric_2023: bool = False) -> tuple[list[Case], list[Path]]:
    """The cases below a folder, by their names alone; no image is read.

    Links are followed. Hidden files are passed over.

    Parameters
    ----------
    src_dir : Path
        At any depth above the cases' folders, or one of these.
    pediatric_2023 : bool
        Whether ``BraTS-PED`` segmentations are of the 2023 edition; else they are a problem of their case.

    Returns
    -------
    cases : list of Case
        Sorted by name; also those that cannot be imported, with their ``problem``.
    others : list of Path
        Folders that hold images and are no case.

    Raises
    ------
    BratsError
        No such folder, or no case in it.
    """
    folders, others = case_folders(src_dir, LAYOUTS)
    cases = [_case(*one, pediatric_2023) for one in folders]
    if not cases:
        raise BratsError(
            f"{src_dir}: no BraTS case found. Folders such as Brats18_CBICA_AAB_1, BraTS20_Training_001, "
            "BraTS2021_00000 or BraTS-GLI-00000-000 are required"
        )
    return sorted(cases, key=lambda case: (case.name, case.folder)), others


def case_folders(
    src_dir: Path, layouts: Sequence[Layout]
) -> tuple[list[tuple[Path, Layout, dict[str, str]]], list[Path]]:
    """The folders of cases below a folder.

    Returns
    -------
    cases : list of tuple
        Folder, its layout, and the parts of its name.
    others : list of Path
        Folders that hold images and are no case.

    Raises
    ------
    BratsError
        No such folder.
    """
    if not src_dir.is_dir():
        raise BratsError(f"{src_dir}: no such folder")
    cases, others = [], []
    for folder in _folders(src_dir.absolute(), layouts):
        if recognised := _recognised(folder, layouts):
            cases.append((folder, *recognised))
        elif nifti(folder):
            others.append(folder)
    return cases, others


def mark_collisions(cases: list[Case], known: Mapping[str, str]) -> list[Case]:
    """The cases, with a ``problem`` where two would have the same BIDS name.

    Parameters
    ----------
    cases : list of Case
    known : mapping of str to str
        Patients of the dataset so far: their BraTS names by label.

    Returns
    -------
    cases : list of Case
        In the same order.
    """
    patients: dict[str, set[str]] = defaultdict(set)
    scans: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for label, subject in known.items():
        patients[label.casefold()].add(subject)
    for case in cases:
        patients[case.label.casefold()].add(case.subject)
        scans[case.label.casefold(), case.session].append(case.folder)

    def marked(case: Case) -> Case:
        subjects = patients[case.label.casefold()]
        folders = scans[case.label.casefold(), case.session]
        if len(subjects) > 1:
            problem = f"{' and '.join(sorted(subjects))} would both be sub-{case.label}: rename one"
        elif len(folders) > 1:
            problem = f"there are several folders of this case: {', '.join(map(str, folders))}"
        else:
            return case
        return attrs.evolve(case, problem=case.problem or problem)

    return [marked(case) for case in cases]


def _folders(src_dir: Path, layouts: Sequence[Layout]) -> Iterator[Path]:
    """The folder and all below it, sorted, but those inside cases; each once, whatever links lead to it."""

    def fail(error: OSError) -> None:
        raise error

    seen = set()
    for name, below, _ in os.walk(src_dir, onerror=fail, followlinks=True):
        folder = Path(name)
        here = folder.resolve()
        if here in seen:
            below.clear()
            continue
        seen.add(here)
        below[:] = sorted(entry for entry in below if not entry.startswith("."))
        if _recognised(folder, layouts):
            below.clear()
        yield folder


def _recognised(folder: Path, layouts: Sequence[Layout]) -> tuple[Layout, dict[str, str]] | None:
    """Layout and parts of a case's name; None for others, also for a folder around cases that is named alike."""
    matches = ((layout, layout.pattern.fullmatch(folder.name)) for layout in layouts)
    found = next(((layout, match.groupdict()) for layout, match in matches if match), None)
    return None if found and _is_around(folder) else found


def _is_around(folder: Path) -> bool:
    """Whether a folder holds the case's own, or others and no image, as BraTS2021_Training_Data does."""
    below = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return (folder / folder.name) in below or (bool(below) and not nifti(folder))


def _case(folder: Path, layout: Layout, names: Mapping[str, str], pediatric_2023: bool) -> Case:
    case = Case(
        name=folder.name,
        folder=folder,
        layout=layout,
        subject=names["subject"],
        session=names.get("timepoint", ""),
        grade=folder.parent.name if folder.parent.name in GRADES else "",
    )
    try:
        case = _with_files(case)
    except BratsError as error:
        return attrs.evolve(case, problem=str(error))
    if case.segmentation and names.get("group", "").upper() == "PED" and not pediatric_2023:
        problem = (
            "paediatric labels changed after 2023 (ET was 3 and became 1) and the names do not tell the edition: "
            "give --pediatric-2023 if this is the one; later ones cannot be imported"
        )
        return attrs.evolve(case, problem=problem)
    return case


def _with_files(case: Case) -> Case:
    """The case with its images and its segmentation; :class:`BratsError` where there are none or too many."""
    rest = nifti(case.folder)
    names = case.layout.modalities
    images, notices = {}, []
    for modality, name in names.items():
        if path := take(case, name, rest):
            images[modality] = path
    if not images:
        found = ", ".join(path.name for path in rest[:3]) or "no NIfTI file"
        raise BratsError(
            f"no image named {case.name}{case.layout.separator}{{{','.join(names.values())}}}.nii.gz or .nii; "
            f"found {found}"
        )
    if missing := [modality for modality in names if modality not in images]:
        notices.append(f"no {', '.join(missing)}")
    segmentation = take(case, "seg", rest)
    if not segmentation:
        # BraTS20_Training_355 was published with W39_1998.09.19_Segm.nii
        candidates = [path for path in rest if "seg" in path.name.removeprefix(case.name).lower()]
        if len(candidates) > 1:
            raise BratsError(
                f"several files may be the segmentation: {', '.join(p.name for p in candidates)}"
            )
        if candidates:
            segmentation = candidates[0]
            rest.remove(segmentation)
            notices.append(f"{segmentation.name} is taken for the segmentation")
    notices += [] if segmentation else ["no segmentation"]
    notices += [f"{path.name} is passed over" for path in rest]
    return attrs.evolve(case, images=images, segmentation=segmentation, notices=tuple(notices))


def take(case: Case, kind: str, files: list[Path]) -> Path | None:
    """Remove the case's file of this kind from the list, and return it."""
    names = [f"{case.name}{case.layout.separator}{kind}{extension}" for extension in EXTENSIONS]
    found = [path for path in files if path.name in names]
    if len(found) > 1:
        raise BratsError(f"{' and '.join(path.name for path in found)} are both there: remove one")
    for path in found:
        files.remove(path)
        return path
    return None


def nifti(folder: Path) -> list[Path]:
    """NIfTI files; also links that lead nowhere, so that they fail when read instead of being missed."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.endswith(EXTENSIONS) and not path.name.startswith(".") and not path.is_dir()
    )
