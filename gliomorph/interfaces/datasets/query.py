"""What a BIDS folder holds for us: one scan a subject and session, its masks, and why one was chosen.

Only ``anat`` folders are walked and only names are looked at; names are parsed by pybids, and files whose
names are not BIDS (``bids-validator``) are passed over with a notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from ...models.regions import NAMES
from ..files.labels import find_table, table_rows, tables_in
from ..files.text import printable

TUMOR_LABELS = ("tumor", "tumour", "lesion")
FALLBACKS = {"T1w": ("T1w", "T1ce"), "T1ce": ("T1ce", "T1w"), "T2w": ("T2w",), "FLAIR": ("FLAIR",)}


class QueryError(ValueError):
    """A scan that cannot be run: what is missing, and where it was looked for."""


@attrs.frozen(kw_only=True)
class TumorMask:
    """A given segmentation of a tumour."""

    path: Path
    """Binary mask or label map (``kind``)."""
    kind: str
    """``mask`` (one label) or ``dseg`` (BraTS sub-regions)."""
    source: str
    """Name of the derivatives folder it was found in, as given with ``-d NAME=PATH``."""
    space: str = ""
    """The ``space`` entity of its name, empty for the image's own."""
    table: Path | None = None
    """The table (``dseg.tsv``) that says what a label map's labels are."""


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
    notices: tuple[str, ...] = ()
    """Choices and fallbacks that a reader of the report should know."""
    flags: tuple[str, ...] = ()
    """Those that can change the result: they are in the summary and in the quality table, too."""
    doubts: tuple[str, ...] = ()
    """Why the mask may not be the patient's: the scan is kept out of the atlas until a user confirms it."""
    problem: str = ""
    """Why the scan cannot be run; empty if it can."""


def find_scans(
    bids_dir: Path,
    *,
    derivatives: Mapping[str, Path] | None = None,
    modality: str = "T1w",
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    filters: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Scan]:
    """The scans of a BIDS folder, sorted by label.

    Parameters
    ----------
    bids_dir : Path
        Root of the raw dataset.
    derivatives : mapping of str to Path
        Folders with given masks, in order of preference.
    modality : str
        The wanted primary image.
    participants, sessions : sequence of str
        Labels without ``sub-``/``ses-``; empty means all.
    filters : mapping
        As in fMRIPrep's filter file: ``{"t1w": {"acquisition": "MPRAGE"}, "mask": {…}}``, pybids' entity names.

    Returns
    -------
    scans : list of Scan
        Also those that cannot be run, with their ``problem``.

    Raises
    ------
    QueryError
        No subject at all, or a label that was asked for and does not exist.
    """
    _known_tables.cache_clear()  # of this search alone: folders may change until the next one
    subjects = {p.name.removeprefix("sub-"): p for p in sorted(bids_dir.glob("sub-*")) if p.is_dir()}
    if not subjects:
        raise QueryError(f"no sub-* folder in {bids_dir} (in a container: is the dataset mounted there?)")
    if missing := [label for label in participants if label not in subjects]:
        raise QueryError(
            f"--participant-label {' '.join(missing)}: no such subject in {bids_dir}, which has "
            f"{len(subjects)} ({printable(', '.join(list(subjects)[:5]))}…); in a container, check what is mounted "
            "there"
        )
    scans = []
    for subject in participants or subjects:
        folder = subjects[subject]
        found = [p.name.removeprefix("ses-") for p in sorted(folder.glob("ses-*")) if p.is_dir()]
        wanted = [s for s in found or [""] if not sessions or s in sessions]
        scans += [
            _scan(bids_dir, subject, session, derivatives or {}, modality, filters or {})
            for session in wanted
        ]
    if not scans:
        raise QueryError(f"--session-label {' '.join(sessions)}: no subject in {bids_dir} has such a session")
    return sorted(scans, key=lambda scan: scan.label)


def _scan(
    bids_dir: Path,
    subject: str,
    session: str,
    derivatives: Mapping[str, Path],
    modality: str,
    filters: Mapping[str, Mapping[str, Any]],
) -> Scan:
    label = printable(f"sub-{subject}" + (f"_ses-{session}" if session else ""))
    where = Path(f"sub-{subject}", *([f"ses-{session}"] if session else []), "anat")
    notices: list[str] = []
    images = _images(bids_dir, where, filters, notices)
    primary = next((m for m in FALLBACKS[modality] if images.get(m)), None)
    if primary is None:
        wanted = " or ".join(FALLBACKS[modality])
        return Scan(
            label=label,
            subject=subject,
            session=session,
            problem=f"no {wanted} image in {printable(str(where))}/",
        )
    if primary != modality:
        notices.append(f"no {modality} image: {primary} is used instead")
    if len(images[primary]) > 1:
        names = ", ".join(path.name for path in images[primary][1:])
        notices.append(f"several {primary} images: the first is used, not {names} (see --bids-filter-file)")
    image = images[primary][0]
    tumor, brain = _masks(derivatives, where, filters.get("mask", {}), notices)
    return Scan(
        label=label,
        subject=subject,
        session=session,
        stem=image.name.rsplit("_", 1)[0],
        image=image,
        modality=primary,
        others={name: paths[0] for name, paths in images.items() if paths and name != primary},
        tumor=tumor,
        brain_mask=brain,
        notices=tuple(notices),
    )


def _images(
    bids_dir: Path, where: Path, filters: Mapping[str, Mapping[str, Any]], notices: list[str]
) -> dict[str, list[Path]]:
    """Images of one session by modality, those with the fewest entities first."""
    images: dict[str, list[Path]] = {}
    for path in _nifti(bids_dir / where):
        suffix = path.name.split(".")[0].rsplit("_", 1)[-1]
        if suffix not in ("T1w", "T2w", "FLAIR"):
            continue
        if not _is_bids(f"/{(where / path.name).as_posix()}"):
            notices.append(f"{printable(path.name)}: not a BIDS name, passed over")
            continue
        entities = parse_entities(path)
        modality = "T1ce" if suffix == "T1w" and "ceagent" in entities else suffix
        if _matches(entities, filters.get(modality.lower(), {})):
            images.setdefault(modality, []).append(path)
    return {name: sorted(paths, key=lambda p: (p.name.count("_"), p.name)) for name, paths in images.items()}


def _masks(
    derivatives: Mapping[str, Path], where: Path, wanted: Mapping[str, Any], notices: list[str]
) -> tuple[TumorMask | None, Path | None]:
    """The best tumour segmentation and brain mask: earlier folders first, native before template space."""
    tumors: list[tuple[tuple[int, int, int, str], TumorMask]] = []
    brains: list[Path] = []
    for order, (name, root) in enumerate(derivatives.items()):
        for path in _nifti(root / where):
            if not path.name.isprintable():
                notices.append(
                    f"{printable(path.name)}: a name with signs that cannot be printed, passed over"
                )
                continue
            entities = parse_entities(path)
            space = str(entities.get("space", ""))
            native = space in ("", "orig", "native", "T1w", "individual")
            if entities.get("suffix") == "mask" and entities.get("desc") == "brain" and native:
                brains.append(path)
            table = find_table(path, root, _known_tables) if entities.get("suffix") == "dseg" else None
            kind = tumor_kind(entities, table)
            if kind and _matches(entities, wanted):
                mask = TumorMask(
                    path=path, kind=kind, source=name, space="" if native else space, table=table
                )
                rank = (int(not native), order, int(kind != "dseg"), path.name)
                tumors.append((rank, mask))
    tumors.sort(key=lambda item: item[0])
    if len(tumors) > 1:
        rest = ", ".join(mask.path.name for _, mask in tumors[1:])
        notices.append(f"several tumour masks: {tumors[0][1].path.name} is used, not {rest}")
    return (tumors[0][1] if tumors else None), (brains[0] if brains else None)


def tumor_kind(entities: Mapping[str, Any], table: Path | None = None) -> str:
    """``mask``, ``dseg`` or, for a file that is no tumour segmentation, an empty string."""
    suffix, label = entities.get("suffix"), str(entities.get("label", "")).lower()
    if suffix in ("mask", "roi") and label in TUMOR_LABELS:
        return "mask"
    if suffix == "dseg" and (entities.get("segmentation") == "brats" or _names_tumor(table)):
        return "dseg"
    return ""


_known_tables = cache(tables_in)
"""The folder of a whole dataset is looked through once, not once a scan."""


def _names_tumor(table: Path | None) -> bool:
    """Whether a label table names tumour sub-regions."""
    try:
        named = {name.upper() for _, name in table_rows(table)} if table else set()
    except (OSError, ValueError):
        return False
    return len(named & NAMES.keys()) >= 2


def parse_entities(path: Path) -> dict[str, Any]:
    """Entities of a BIDS name, as pybids calls them (``ceagent``, ``segmentation``, …)."""
    from bids.layout import parse_file_entities

    return dict(parse_file_entities(f"/{path.parent.name}/{path.name}", config=_configs()))


@cache
def _configs() -> list[Any]:
    """Pybids' rules: by their names they would be read anew for every file."""
    from bids.layout.models import Config

    return [Config.load("bids"), Config.load("derivatives")]


def _matches(entities: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    for key, value in wanted.items():
        allowed = value if isinstance(value, list) else [value]
        have = entities.get(key)
        if not any(
            (have is None and a is None) or (have is not None and str(have) == str(a)) for a in allowed
        ):
            return False
    return True


def _nifti(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.nii.gz"), *folder.glob("*.nii")]) if folder.is_dir() else []


def _is_bids(path: str) -> bool:
    return bool(_validator().is_bids(path))


@cache
def _validator() -> Any:
    from bids_validator import BIDSValidator

    return BIDSValidator()
