"""Images of a session: which there are of each modality, and the order in which a person would take them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ..files.folders import files_in
from .entities import (
    IMAGES,
    Image,
    PassedOver,
    is_bids,
    matches,
    natural,
    parse_entities,
    stem_and_suffix,
)
from .masks import tumor_kind

LOCALISERS = ("localizer", "localiser", "scout", "survey")
"""Words in ``acq-`` of images that only plan others."""
NOT_MAGNITUDES = ("phase", "real", "imag")
"""Values of ``part`` that no anatomy is read from."""
NO_BIDS = "not a BIDS name"
BESIDE = "a tumour mask beside the image is not used: give -d raw=BIDS, the dataset itself"


@attrs.frozen(kw_only=True)
class SessionImages:
    """What lies in one ``anat`` folder."""

    where: Path
    """The folder, relative to the dataset."""
    names: list[str]
    """All NIfTI files."""
    images: Mapping[str, list[Image]]
    """Images by modality, the one that a person would take first."""
    passed_over: list[PassedOver]
    filtered: set[str]
    """Modalities of which a filter leaves images out."""


def images_in(bids_dir: Path, where: Path, filters: Mapping[str, Mapping[str, Any]]) -> SessionImages:
    """The images of a folder that pass the filters; their names alone are looked at."""
    names, passed_over, filtered = [], [], set()
    images: dict[str, list[Image]] = {}
    for path in files_in(bids_dir / where, "*.nii", "*.nii.gz"):
        names.append(path.name)
        suffix = stem_and_suffix(path)[1]
        if suffix in ("mask", "roi", "dseg") and tumor_kind(parse_entities(path)):
            passed_over.append(PassedOver(path=path, source="", reason=BESIDE))
        if suffix not in IMAGES:
            continue
        entities = parse_entities(path)
        modality = _modality(suffix, entities, filters)
        key = "t1w" if modality == "UNIT1" else modality.lower()
        reason = ""
        if not is_bids(f"/{(where / path.name).as_posix()}"):
            reason = NO_BIDS
        elif entities.get("part") in NOT_MAGNITUDES:
            reason = f"part-{entities['part']}, no magnitude"
        elif not matches(entities, filters.get(key, {})):
            reason = f"not what --bids-filter-file asks for, {key} {dict(filters[key])}"
            filtered.add(modality)
        if reason:
            passed_over.append(PassedOver(path=path, source="", reason=reason))
        else:
            images.setdefault(modality, []).append(Image(path=path, entities=entities, modality=modality))
    ordered = {modality: sorted(found, key=_order) for modality, found in images.items()}
    return SessionImages(where=where, names=names, images=ordered, passed_over=passed_over, filtered=filtered)


def _modality(suffix: str, entities: Mapping[str, Any], filters: Mapping[str, Mapping[str, Any]]) -> str:
    if suffix == "UNIT1" and "suffix" in filters.get("t1w", {}):
        return "T1w"  # asked for, or left out by that filter
    return "T1ce" if suffix == "T1w" and "ceagent" in entities else suffix


def _order(image: Image) -> tuple[bool, int, list[str | int]]:
    """No localiser, few entities, the lowest run."""
    acquisition = str(image.entities.get("acquisition", "")).lower()
    planning = any(word in acquisition for word in LOCALISERS)
    return planning, image.path.name.count("_"), natural(image.path.name)
