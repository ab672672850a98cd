"""What a BIDS folder holds for us: one scan a subject and session, its masks, and why one was chosen.

Only ``anat`` folders are walked and only names are looked at; names are parsed by pybids, and files whose
names are not BIDS (``bids-validator``) are passed over with a notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import attrs

from ...models.regions import AUTO
from ..files.folders import files_in
from ..files.labels import tables_in
from ..files.text import listed, printable
from .bidsignore import ignored_paths
from .entities import Image, PassedOver, matches, stem_and_suffix
from .images import BESIDE, NO_BIDS, SessionImages, images_in
from .masks import RECOGNISED, SPARE, UNPRINTABLE, MaskFile, Masks, TumorMask, doubtful, masks_for, masks_of

FALLBACKS = {
    "T1w": ("T1w", "T1ce", "UNIT1"),
    "T1ce": ("T1ce", "T1w", "UNIT1"),
    "T2w": ("T2w",),
    "FLAIR": ("FLAIR",),
    AUTO: ("T1w", "T1ce", "UNIT1", "T2w", "FLAIR"),
}
"""What is taken for each modality, the best first; UNIT1, the T1-weighted image of MP2RAGE, counts as T1w."""
MOST_NAMES = 3
"""Files that a message names."""
MOST_WALKED = 1000
"""Files of a folder that are looked at only to say what it holds."""


class QueryError(ValueError):
    """A scan that cannot be run: what is missing, and where it was looked for."""


@attrs.frozen(kw_only=True)
class Scan:
    """One subject's session: what is read and what it is called."""

    label: str
    """``sub-X`` or ``sub-X_ses-Y``."""
    subject: str
    session: str = ""
    stem: str = ""
    """The primary image's name without its suffix, ``sub-X_acq-Z``: outputs begin with it."""
    image: Path | None = None
    """The primary image."""
    modality: str = ""
    """What the primary image is: T1w, T1ce, T2w or FLAIR."""
    others: Mapping[str, Path] = attrs.field(factory=dict)
    """Further modalities of the session."""
    tumor: TumorMask | None = None
    brain_mask: Path | None = None
    brain_source: str = ""
    """Name of the derivatives folder that the brain mask lies in."""
    passed_over: tuple[PassedOver, ...] = ()
    """Images of the session and masks of the subject that no scan uses."""
    notices: tuple[str, ...] = ()
    """Choices and fallbacks that a reader of the report should know."""
    flags: tuple[str, ...] = ()
    """Notices that can change the result: they are in the summary and in the quality table, too."""
    doubts: tuple[str, ...] = ()
    """Why the mask may not be the patient's: the scan is kept out of the atlas until a user confirms it."""
    problem: str = ""
    """Why the scan cannot be run; empty if it can."""


@attrs.frozen(kw_only=True)
class _Search:
    """What is asked of a dataset: the parameters of :func:`find_scans`."""

    bids_dir: Path
    derivatives: Mapping[str, Path]
    modality: str
    sessions: Sequence[str]
    filters: Mapping[str, Mapping[str, Any]]
    template: str
    empty: list[str] = attrs.field(factory=list)
    """Sessions without any anatomical image."""
    beside: list[str] = attrs.field(factory=list)
    """Subjects with images outside their sessions."""
    filtered: list[str] = attrs.field(factory=list)
    """Sessions that the filter of the modality leaves out."""


def find_scans(
    bids_dir: Path,
    *,
    derivatives: Mapping[str, Path] | None = None,
    modality: str = "T1w",
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    filters: Mapping[str, Mapping[str, Any]] | None = None,
    template: str = "",
    notices: list[str] | None = None,
) -> list[Scan]:
    """The scans of a BIDS folder, sorted by label.

    Parameters
    ----------
    bids_dir : Path
        Root of the raw dataset.
    derivatives : mapping of str to Path
        Folders with given masks, in order of preference.
    modality : str
        The wanted primary image, or :data:`~gliomorph.models.regions.AUTO`.
    participants, sessions : sequence of str
        Labels without ``sub-``/``ses-``; empty means all.
    filters : mapping
        As in fMRIPrep's filter file: ``{"t1w": {"acquisition": "MPRAGE"}, "mask": {…}}``, pybids' entity names.
    template : str
        The run's template, in whose space tumour masks may be.
    notices : list of str
        Gets what is to be said of the dataset as a whole.

    Returns
    -------
    scans : list of Scan
        Also those that cannot be run, with their ``problem``.

    Raises
    ------
    QueryError
        No subject at all, or a label that was asked for and does not exist.
    """
    subjects = [name.removeprefix("sub-") for name in folder_names(bids_dir)]
    if not subjects:
        raise QueryError(f"no sub-* folder in {bids_dir} (in a container: is the dataset mounted there?)")
    if missing := [label for label in participants if label not in subjects]:
        raise QueryError(
            f"--participant-label {' '.join(missing)}: no such subject in {bids_dir}, which has "
            f"{len(subjects)} ({printable(', '.join(subjects[:5]))}…); in a container, check what is mounted "
            "there"
        )
    search = _Search(
        bids_dir=bids_dir,
        derivatives=derivatives or {},
        modality=modality,
        sessions=sessions,
        filters=filters or {},
        template=template,
    )
    tables = cache(tables_in)  # the folder of a whole dataset is looked through once, not once a scan
    scans = [
        scan
        for subject in participants or subjects
        for scan in _scans_of(search, subject, masks_of(subject, search.derivatives, tables))
    ]
    if not scans:
        raise QueryError(f"--session-label {' '.join(sessions)}: no subject in {bids_dir} has such a session")
    if notices is not None:
        notices += _said_of_all(search, scans)
    return sorted(scans, key=lambda scan: scan.label)


def folder_names(root: Path, pattern: str = "sub-*") -> list[str]:
    """Folders of subjects in a dataset, or what else the pattern is of."""
    return [path.name for path in files_in(root, pattern) if path.is_dir()]


def _said_of_all(search: _Search, scans: Sequence[Scan]) -> list[str]:
    paths = [scan.image.relative_to(search.bids_dir) for scan in scans if scan.image]
    ignored = [path.as_posix() for path in ignored_paths(search.bids_dir, paths)]
    kinds = (
        (search.empty, "sessions without an anatomical image are passed over"),
        (search.filtered, "sessions are passed over by --bids-filter-file"),
        (search.beside, "subjects have images in sub-X/anat beside their sessions: these are a scan without session"),
        (ignored, "images that .bidsignore names are read all the same, as by other BIDS Apps; leave subjects out with "
                  "--participant-label"),
    )  # fmt: skip
    return [f"{len(names)} {text}: {listed(names, MOST_NAMES)}" for names, text in kinds if names]


def _label(subject: str, session: str) -> str:
    return printable(f"sub-{subject}" + (f"_ses-{session}" if session else ""))


def _scans_of(search: _Search, subject: str, masks: Sequence[MaskFile]) -> list[Scan]:
    """All scans of a subject: its sessions, and what lies outside them."""
    home = search.bids_dir / f"sub-{subject}"
    names = [name.removeprefix("ses-") for name in folder_names(home, "ses-*")]
    sessions = {
        session: images_in(search.bids_dir, Path(home.name, *folders, "anat"), search.filters)
        for session, folders in {"": [], **{name: [f"ses-{name}"] for name in names}}.items()
    }
    with_anatomy = [session for session, found in sessions.items() if found.names]
    scans = [
        _scan(search, subject, session, sessions[session], masks, with_anatomy)
        for session in _asked(search, subject, names, sessions)
    ]
    used = {path for scan in scans for path in (scan.tumor and scan.tumor.path, scan.brain_mask) if path}
    return [_with_remarks(scan, search.derivatives, used) for scan in scans]


def _asked(
    search: _Search, subject: str, names: Sequence[str], sessions: Mapping[str, SessionImages]
) -> list[str]:
    """The sessions to run; those that nobody can have meant are noted in the search."""
    if search.sessions:
        return [name for name in names or [""] if name in search.sessions]
    if not names:
        return [""]
    asked = list(names)
    if any(found.names for found in sessions.values()):
        asked = [name for name in names if sessions[name].names]
        search.empty.extend(_label(subject, name) for name in names if not sessions[name].names)
    if _primary(sessions[""], search.modality):
        asked.append("")
        search.beside.append(_label(subject, ""))
    wanted = search.filters.get(search.modality.lower(), {})
    chosen = {key: value for key, value in wanted.items() if key == "session"}
    if kept := [name for name in asked if matches({"session": name or None}, chosen)]:
        search.filtered.extend(_label(subject, name) for name in asked if name not in kept)
        return kept
    return asked


def _primary(found: SessionImages, modality: str) -> str:
    """What is taken for a modality; empty where there is nothing."""
    return next((each for each in FALLBACKS[modality] if found.images.get(each)), "")


def _scan(
    search: _Search,
    subject: str,
    session: str,
    found: SessionImages,
    masks: Sequence[MaskFile],
    sessions: Sequence[str],
) -> Scan:
    """One scan; ``sessions`` are those of the subject that hold anatomical images."""
    scan = Scan(label=_label(subject, session), subject=subject, session=session)
    primary = _primary(found, search.modality)
    if not primary:
        return attrs.evolve(scan, problem=_no_image(search, found), passed_over=tuple(found.passed_over))
    wanted = search.filters.get("mask", {})
    candidates = found.images[primary]
    fitting = [masks_for(each, masks, wanted, search.template, sessions) for each in candidates]
    close = [each.closeness() for each in fitting]
    index = close.index(max(close))
    image, mine = candidates[index], fitting[index]
    notices, flags = _remarks(search, found, image, mine, decided=close.count(close[index]) == 1)
    others = {name: images[0] for name, images in found.images.items() if name != primary}
    chosen = (image, *others.values())
    spare = [(each.path, "") for images in found.images.values() for each in images if each not in chosen]
    spare += [(fit.file.path, fit.file.source) for fit in (*mine.tumors[1:], *mine.brains[1:])]
    rest = (PassedOver(path=path, source=source, reason=SPARE) for path, source in spare)
    return attrs.evolve(
        scan,
        stem=stem_and_suffix(image.path)[0],
        image=image.path,
        modality="T1w" if primary == "UNIT1" else primary,
        others={name: each.path for name, each in others.items()},
        tumor=mine.tumors[0].tumor() if mine.tumors else None,
        brain_mask=mine.brains[0].file.path if mine.brains else None,
        brain_source=mine.brains[0].file.source if mine.brains else "",
        passed_over=(*found.passed_over, *mine.passed_over, *rest),
        notices=tuple(notices),
        flags=tuple(flags),
    )


def _no_image(search: _Search, found: SessionImages) -> str:
    """Why a session cannot be run: what was looked for, and what is there instead."""
    first = [each for each in FALLBACKS[search.modality] if each != "UNIT1"]
    wanted = " or ".join(filter(None, (", ".join(first[:-1]), first[-1])))
    if not found.names:
        return f"no {wanted} image in {printable(str(found.where))}/"
    reasons = {each.path.name: f" ({each.reason})" for each in found.passed_over}
    there = [
        name + reasons.get(name, "") for name in sorted(found.names, key=lambda name: name not in reasons)
    ]
    more = f" and {len(there) - MOST_NAMES} more" * (len(there) > MOST_NAMES)
    return printable(f"no {wanted} image in {found.where}/, which has {', '.join(there[:MOST_NAMES])}{more}")


def _remarks(
    search: _Search, found: SessionImages, image: Image, mine: Masks, *, decided: bool
) -> tuple[list[str], list[str]]:
    """Notices and flags; ``decided`` says that one image alone has a mask as close as this."""
    notices = [
        printable(f"{each.path.name}: {each.reason}, passed over")
        for each in (*found.passed_over, *mine.passed_over)
        if each.reason in (NO_BIDS, UNPRINTABLE)
    ]
    flags: list[str] = []
    candidates = found.images[image.modality]
    if search.modality == AUTO:
        before = FALLBACKS[AUTO][: FALLBACKS[AUTO].index(image.modality)]
        lacking = [each for each in before if each != "UNIT1"]
        text = f"--modality auto: {image.modality} is the primary image" + (
            f", for no {' and no '.join(lacking)} is there" if lacking else ""
        )
        (flags if found.filtered & {*lacking} else notices).append(text)
    elif image.modality != search.modality:
        filtered = search.modality in found.filtered
        text = f"no {search.modality} image" + " passes --bids-filter-file" * filtered
        (flags if filtered else notices).append(f"{text}: {image.modality} is used instead")
    if len(candidates) > 1:
        names = ", ".join(each.path.name for each in candidates if each is not image)
        if decided:
            notices.append(
                f"several {image.modality} images: {image.path.name} is used, for it has a mask, not {names}"
            )
        else:
            flags.append(
                f"several {image.modality} images: {image.path.name} is used, not {names} (see --bids-filter-file)"
            )
    for name, images in found.images.items():
        if name != image.modality and len(images) > 1:
            used, others = images[0].path.name, ", ".join(each.path.name for each in images[1:])
            notices.append(f"several {name} images: {used} is used, not {others} (see --bids-filter-file)")
    for fits in (mine.tumors, mine.brains):
        flags += [text for fit in fits[:1] for text in doubtful(fit, image, candidates)]
    if len(mine.tumors) > 1:
        first, second = mine.tumors[:2]
        names = ", ".join(fit.file.path.name for fit in mine.tumors[1:])
        text = f"several tumour masks: {first.file.path.name} is used, not {names}"
        (flags if first.rank() == second.rank() else notices).append(text)
    return notices, flags


def _with_remarks(scan: Scan, derivatives: Mapping[str, Path], used: set[Path]) -> Scan:
    """The scan, without files that another scan of the subject uses, and with what it means that it has no mask."""
    given = tuple(derivatives.values())
    passed_over = tuple(
        each
        for each in scan.passed_over
        if each.path not in used and not (each.reason == BESIDE and set(given) & {*each.path.parents})
    )
    flags = list(scan.flags)
    if scan.image and not scan.tumor:
        if derivatives:
            masks = [each for each in passed_over if each.source]
            there = f"; passed over: {some_of(masks)}" if masks else ""
            flags.append(f"no tumour mask of this image in -d {', '.join(derivatives)}{there}")
        flags += [f"{printable(each.path.name)}: {BESIDE}" for each in passed_over if each.reason == BESIDE]
    return attrs.evolve(scan, passed_over=passed_over, flags=tuple(flags))


def some_of(files: Sequence[PassedOver]) -> str:
    """The first of the files with their reasons, and how many there are more."""
    more = f" and {len(files) - MOST_NAMES} more" * (len(files) > MOST_NAMES)
    return ", ".join(str(each) for each in files[:MOST_NAMES]) + more


def require_use(
    derivatives: Mapping[str, Path], scans: Sequence[Scan], find_all: Callable[[], list[Scan]]
) -> None:
    """Refuse a folder of derivatives that holds no mask of any scan.

    Parameters
    ----------
    derivatives : mapping of str to Path
        The folders.
    scans : sequence of Scan
        Those of the run.
    find_all : callable
        Gives the scans of the whole dataset, which are asked where those of the run use nothing of a folder.

    Raises
    ------
    QueryError
        It names what was found in the folder.
    """
    if not any(scan.image for scan in scans) or not (useless := derivatives.keys() - _used(scans)):
        return
    every = find_all()
    for name in derivatives:
        if name in useless - _used(every):
            raise QueryError(_no_mask(name, derivatives[name], every))


def _used(scans: Sequence[Scan]) -> set[str]:
    """Folders of which scans use something, or would if another did not come before it."""
    spare = {each.source for scan in scans for each in scan.passed_over if each.reason == SPARE}
    return spare | {scan.tumor.source for scan in scans if scan.tumor} | {scan.brain_source for scan in scans}


def _no_mask(name: str, root: Path, scans: Sequence[Scan]) -> str:
    passed_over = {each.path: each for scan in scans for each in scan.passed_over if each.source == name}
    there = some_of(list(passed_over.values()))
    if not passed_over:
        names = sorted(
            path.relative_to(root).as_posix() for path in islice(root.rglob("*.nii*"), MOST_WALKED)
        )
        there = listed(names, MOST_NAMES)
    beside = [each for scan in scans for each in scan.passed_over if each.reason == BESIDE]
    return (
        f"-d {name}={root}: no mask of any of the {len(scans)} scans is recognised in it; it has {there}. "
        f"Recognised are {RECOGNISED}" + f". The dataset itself has {some_of(beside)}" * bool(beside)
    )
