"""Entities of BIDS names: what a filter asks for, and whose image a derivative belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from ..files.text import printable

OF_IMAGES = {
    "subject": "sub", "session": "ses", "acquisition": "acq", "ceagent": "ce", "tracer": "trc", "staining": "stain",
    "reconstruction": "rec", "direction": "dir", "run": "run", "echo": "echo", "flip": "flip", "inv": "inv", "mt": "mt",
    "part": "part", "chunk": "chunk",
}  # fmt: skip
"""Entities that tell one image from another, as pybids and as names call them."""
INDICES = ("run", "echo", "flip", "inv", "chunk")
"""Entities that are numbers: ``run-2`` is ``run-02``."""
IMAGES = ("T1w", "T2w", "FLAIR", "UNIT1")
"""Suffixes of images that are read."""
NATIVE = ("", "orig", "native", "individual", "anat", "scanner")
"""Values of ``space`` that mean the frame of the subject's own image; the image's suffix is another."""


@attrs.frozen(kw_only=True)
class Image:
    """An image that may be a scan's."""

    path: Path
    entities: Mapping[str, Any]
    modality: str
    """T1w, T1ce, T2w, FLAIR, or UNIT1, which is taken where no T1w is."""


@attrs.frozen(kw_only=True)
class PassedOver:
    """A file that was looked at and is not used."""

    path: Path
    source: str
    """Name of the derivatives folder, empty for the dataset itself."""
    reason: str

    def __str__(self) -> str:
        return printable(f"{self.path.name} ({self.reason})")


def parse_entities(path: Path) -> dict[str, Any]:
    """Entities of a BIDS name, as pybids calls them (``ceagent``, ``segmentation``, …)."""
    from bids.layout import parse_file_entities

    return dict(parse_file_entities(f"/{path.parent.name}/{path.name}", config=_configs()))


@cache
def _configs() -> list[Any]:
    """Pybids' rules: by their names they would be read anew for every file."""
    from bids.layout.models import Config

    return [Config.load("bids"), Config.load("derivatives")]


def is_bids(path: str) -> bool:
    """Whether a path, from the dataset's root on, is one of raw BIDS."""
    return bool(_validator().is_bids(path))


@cache
def _validator() -> Any:
    from bids_validator import BIDSValidator

    return BIDSValidator()


def stem_and_suffix(path: Path) -> tuple[str, str]:
    """``sub-X_acq-Z`` and ``T1w`` of ``sub-X_acq-Z_T1w.nii.gz``."""
    stem, _, suffix = path.name.split(".")[0].rpartition("_")
    return stem, suffix


def natural(name: str) -> list[str | int]:
    """A key that sorts ``run-2`` before ``run-10``."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def matches(entities: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a file is one that a filter asks for.

    Parameters
    ----------
    entities : mapping
        As :func:`parse_entities` finds them, ``suffix``, ``datatype`` and ``extension`` among them.
    wanted : mapping
        As in filter files of fMRIPrep: one value of each entity, or a list of allowed ones; ``"*"`` is any, None none.
    """
    return all(
        any(
            _is(key, entities.get(key), value)
            for value in (allowed if isinstance(allowed, list) else [allowed])
        )
        for key, allowed in wanted.items()
    )


def _is(key: str, found: Any, wanted: Any) -> bool:
    if found is None or wanted is None or wanted == "*":
        return (found is None) == (wanted is None)
    return _value(key, found) == _value(key, wanted)


def _value(key: str, value: Any) -> str | int:
    """A value in the form in which it is compared: ``02`` is 2, ``sub-01`` is ``01``, ``nii.gz`` is ``.nii.gz``."""
    text = str(value).removeprefix(f"{OF_IMAGES.get(key, key)}-")
    if key in INDICES and text.isdecimal():
        return int(text)
    return text.lstrip(".") if key == "extension" else text


def relation(path: Path, entities: Mapping[str, Any], image: Image) -> tuple[str, list[str]]:
    """Why a derivative is not of an image, by their names.

    Returns
    -------
    reason : str
        Empty where it may be the image's.
    open_entities : list of str
        Entities of the image that the derivative's name leaves open.
    """
    suffix = stem_and_suffix(image.path)[1]
    pieces = [piece for piece in stem_and_suffix(path)[0].split("_") if piece in (*IMAGES, "T1ce")]
    own = (suffix, image.modality)
    if others := [each for each in (*pieces, entities.get("modality", suffix)) if each not in own]:
        return f"by its name of a {others[0]}, not a {suffix}", []
    open_entities = []
    for key, short in OF_IMAGES.items():
        have, want = entities.get(key), image.entities.get(key)
        if have is None and want is not None:
            open_entities.append(key)
        elif not _is(key, have, want):
            other = f"{short}-{want}" if want is not None else f"one without {short}-"
            other += " (give --modality T1ce)" * (short == "ce" and want is None)
            return f"by its name of {short}-{have}, the image is {other}", []
    return "", open_entities


def is_native(space: str, image: Image) -> bool:
    """Whether a value of ``space`` means the frame of an image."""
    suffix = stem_and_suffix(image.path)[1]
    return space in (*NATIVE, suffix, image.modality) or (suffix == "UNIT1" and space == "T1w")
