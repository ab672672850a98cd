"""Given masks of a subject: which of them are an image's, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from ...models.regions import part_named
from ..files.folders import files_in
from ..files.labels import find_table, table_rows
from .entities import (
    OF_IMAGES,
    Image,
    PassedOver,
    is_bids,
    is_native,
    matches,
    parse_entities,
    relation,
    stem_and_suffix,
)

TUMOR_LABELS = ("tumor", "tumour", "lesion")
RECOGNISED = (
    "seg-brats_dseg, a dseg whose table names NCR, ED and ET, label-tumor_mask, label-lesion_mask, label-lesion_roi, "
    "desc-brain_mask; in sub-X/[ses-Y/]anat"
)
NO_MASKS = ("T1w", "T2w", "FLAIR", "PDw", "UNIT1", "MP2RAGE", "T1map", "T2map", "probseg", "xfm")
"""Suffixes of files that lie beside masks and that nobody would take for one."""
SPARE = "another comes before it"
UNPRINTABLE = "a name with signs that cannot be printed"


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
    """The run's template if it was drawn on that, by the ``space`` of its name; empty for the image's own."""
    table: Path | None = None
    """The table (``dseg.tsv``) that says what a label map's labels are."""


@attrs.frozen(kw_only=True)
class MaskFile:
    """A file among the derivatives of a subject that may be a mask."""

    path: Path
    source: str
    order: int
    """Place of its folder among those that were given."""
    entities: Mapping[str, Any]
    kind: str
    """``mask`` or ``dseg`` of a tumour, ``brain``, or empty."""
    table: Path | None
    problem: str
    """Why it is no mask of anything."""

    @property
    def space(self) -> str:
        return str(self.entities.get("space", ""))


@attrs.frozen(kw_only=True)
class Fit:
    """A mask that may be an image's."""

    file: MaskFile
    native: bool
    """Whether it lies in the image's frame by its name, else it is in the template's."""
    open_entities: list[str]
    """Entities of the image that its name leaves open."""

    def rank(self) -> tuple[bool, int, int, bool]:
        """What decides among several, the smallest first: surely the image's, earlier folders, regions."""
        return (not self.native, len(self.open_entities), self.file.order, self.file.kind != "dseg")

    def tumor(self) -> TumorMask:
        """The file as a scan's tumour mask."""
        file = self.file
        space = "" if self.native else file.space
        return TumorMask(path=file.path, kind=file.kind, source=file.source, space=space, table=file.table)


@attrs.frozen(kw_only=True)
class Masks:
    """What there is for one image, the best first."""

    tumors: list[Fit]
    brains: list[Fit]
    passed_over: list[PassedOver]

    def closeness(self) -> int:
        """How surely a tumour mask is the image's: 2 by all of the image's entities, 1 perhaps; 0 without any."""
        return max((1 if any(fit.rank()[:2]) else 2 for fit in self.tumors), default=0)


def masks_of(
    subject: str, derivatives: Mapping[str, Path], tables_of: Callable[[Path], list[Path]]
) -> list[MaskFile]:
    """Files of a subject that may be masks, in all given folders; ``tables_of`` as in :func:`find_table`."""
    found = []
    for order, (source, root) in enumerate(derivatives.items()):
        home = root / f"sub-{subject}"
        for folder in (home, *files_in(home, "anat", "ses-*", "ses-*/anat")):
            for path in files_in(folder, "*.nii", "*.nii.gz"):
                if stem_and_suffix(path)[1] not in NO_MASKS:
                    file = _mask_file(path, subject, root, source, order, tables_of)
                    if file.kind or not is_bids(f"/{path.relative_to(root).as_posix()}"):
                        found.append(file)
    return found


def _mask_file(
    path: Path, subject: str, root: Path, source: str, order: int, tables_of: Callable[[Path], list[Path]]
) -> MaskFile:
    parsed = parse_entities(path)
    entities = {"subject": subject} | parsed
    session = next((part[4:] for part in path.parts[len(root.parts) : -1] if part.startswith("ses-")), "")
    if session:
        entities = {"session": session} | entities
    table = find_table(path, root, tables_of) if parsed.get("suffix") == "dseg" else None
    kind = tumor_kind(parsed, table)
    if parsed.get("suffix") == "mask" and parsed.get("desc") == "brain":
        kind = kind or "brain"
    problem = ""
    if not path.name.isprintable():
        problem = UNPRINTABLE
    elif not kind:
        named = "its table names no tumour" if table else "no table names its labels"
        problem = (
            f"a label map, {named}" if parsed.get("suffix") == "dseg" else "not a name of a mask that is read"
        )
    elif path.parent.name != "anat":
        problem = "not in an anat folder"
    elif session and session != entities["session"]:
        problem = f"in the folder of ses-{session}"
    return MaskFile(
        path=path, source=source, order=order, entities=entities, kind=kind, table=table, problem=problem
    )


def masks_for(
    image: Image, files: Sequence[MaskFile], wanted: Mapping[str, Any], template: str, sessions: Sequence[str]
) -> Masks:
    """Masks that may be an image's, and the others with what speaks against them.

    Parameters
    ----------
    image : Image
    files : sequence of MaskFile
        All of the subject.
    wanted : mapping
        Filter of tumour masks.
    template : str
        The run's: a tumour mask may be in its space.
    sessions : sequence of str
        All of the subject that hold images; masks of the others among them are none of this image's business.
    """
    fits, passed_over = [], []
    others = {session for session in sessions if session != image.entities.get("session", "")}
    for file in files:
        if file.entities.get("session") in others:
            continue
        native = is_native(file.space, image)
        reason, open_entities = relation(file.path, file.entities, image)
        reason = file.problem or reason
        if not reason and "session" in open_entities and others:
            reason = "by its name of no session, the subject has several"
        if not reason and not native and (file.kind == "brain" or file.space != template):
            reason = f"in the space of {file.space}, not of the image" + (
                f" nor of the template {template}" * (file.kind != "brain" and template != "")
            )
        if not reason and file.kind != "brain" and not matches(file.entities, wanted):
            reason = f"not what --bids-filter-file asks for, mask {dict(wanted)}"
        if reason:
            passed_over.append(PassedOver(path=file.path, source=file.source, reason=reason))
        else:
            fits.append(Fit(file=file, native=native, open_entities=open_entities))
    fits.sort(key=lambda fit: (fit.rank(), fit.file.path.name))
    return Masks(
        tumors=[fit for fit in fits if fit.file.kind != "brain"],
        brains=[fit for fit in fits if fit.file.kind == "brain"],
        passed_over=passed_over,
    )


def doubtful(fit: Fit, image: Image, candidates: Sequence[Image]) -> list[str]:
    """What a mask's name leaves open and another image, or no name, would decide."""
    name, remarks = fit.file.path.name, []
    for key in fit.open_entities:
        value = image.entities[key]
        if key == "session":
            remarks.append(
                f"{name} names no session: it counts for ses-{value}, the subject's only one with images"
            )
        elif rivals := [each.path.name for each in candidates if each.entities.get(key) != value]:
            remarks.append(f"{name} names no {OF_IMAGES[key]}-: it may be of {', '.join(rivals)} as well")
    return remarks


def tumor_kind(entities: Mapping[str, Any], table: Path | None = None) -> str:
    """``mask``, ``dseg`` or, for a file that is no tumour segmentation, an empty string."""
    suffix, label = entities.get("suffix"), str(entities.get("label", "")).lower()
    if suffix in ("mask", "roi") and label in TUMOR_LABELS:
        return "mask"
    if suffix == "dseg" and (entities.get("segmentation") == "brats" or _names_tumor(table)):
        return "dseg"
    return ""


def _names_tumor(table: Path | None) -> bool:
    """Whether a label table names tumour sub-regions."""
    try:
        named = {name.upper() for _, name in table_rows(table) if part_named(name)} if table else set()
    except (OSError, ValueError):
        return False
    return len(named) >= 2
