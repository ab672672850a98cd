"""Options of what is read: subjects, images, masks."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from ..interfaces.files.text import is_orientation
from ..interfaces.scan.records import Reading
from ..models.regions import AUTO, MODALITIES
from .option import SettingsError, option

FILTERED = ("t1w", "t1ce", "t2w", "flair", "mask")
"""Kinds of files that filters choose among."""


def without(prefix: str) -> Callable[[Iterable[str]], tuple[str, ...]]:
    """A converter of labels, which may begin with ``sub-`` or ``ses-``, to each label once."""
    return lambda values: tuple(dict.fromkeys(str(value).removeprefix(prefix) for value in values))


def _named_paths(given: Mapping[str, Path] | Iterable[str]) -> dict[str, Path]:
    """Folders by name, also of words ``NAME=PATH`` and ``PATH``."""
    if isinstance(given, Mapping):
        return dict(given)
    named: dict[str, Path] = {}
    for name, path in map(_named_path, given):
        if named.setdefault(name, path) != path:
            raise SettingsError(
                f"-d: one name is required for each folder, {name} is that of {named[name]} and of {path}; give "
                "NAME=PATH"
            )
    return named


def _named_path(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals:
        name, path = "".join(c for c in Path(text).resolve().name if c.isalnum()) or "derivatives", text
    return name, Path(path).resolve()


def _read_filters(given: Mapping[str, Any] | Path) -> Mapping[str, Any]:
    """Entities by kind of file, also of the JSON file that holds them."""
    if not isinstance(given, Path):
        return given
    try:
        content = json.loads(given.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"--bids-filter-file {given}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise SettingsError(f"--bids-filter-file {given}: an object with keys among {FILTERED} is required")
    content = {key.lower(): entities for key, entities in content.items()}
    for key, entities in content.items():
        if not isinstance(entities, dict):
            raise SettingsError(
                f"--bids-filter-file {given}: {key}: an object of entities is required, got {reprlib.repr(entities)}"
            )
    return content


@attrs.frozen(kw_only=True)
class Inputs:
    """What is read of the dataset and of the folders beside it."""

    participants: tuple[str, ...] = option("--participant-label", "--participant_label", nargs="+",
        metavar="LABEL", default=(), converter=without("sub-"),
        help="subjects, with or without sub-")  # fmt: skip
    sessions: tuple[str, ...] = option("--session-label", "--session_label", nargs="+", metavar="LABEL",
        default=(), converter=without("ses-"),
        help="sessions, with or without ses-")  # fmt: skip
    bids_filters: Mapping[str, Mapping[str, Any]] = option("--bids-filter-file", type=Path, metavar="FILE",
        default=attrs.Factory(dict), converter=_read_filters,
        help='JSON of entities, as in fMRIPrep: {"t1w": {"acquisition": "MPRAGE"}, "mask": {…}}')  # fmt: skip
    derivatives: Mapping[str, Path] = option("-d", "--derivatives", nargs="+", action="extend",
        metavar="NAME=PATH", default=attrs.Factory(dict), converter=_named_paths,
        help="folders with tumour masks (seg-brats_dseg, label-tumor_mask, label-lesion_roi), brain masks")  # fmt: skip
    orientation: str = option(default="", metavar="RAS", converter=str.upper,
        help="how the voxels of images lie whose header has no orientation (both codes 0), which are refused else: "
        "the directions of the three axes, such as RAS or LPI")  # fmt: skip
    trust_voxels: bool = option(default=False,
        help="a mask with as many voxels as its image lies on them, whatever its header says; else it is refused "
        "where both headers disagree")  # fmt: skip
    modality: str = option(choices=(*MODALITIES, AUTO), default="T1w", page="usage.md#all-sequences-of-a-session",
        help="the primary image; auto: T1w, else T1ce, T2w or FLAIR, by what each session has "
        "(default: %(default)s)")  # fmt: skip
    skip_bids_validation: bool = option("--skip-bids-validation", "--skip_bids_validation", default=False,
        help="do not run bids-validator-deno on bids_dir")  # fmt: skip

    @property
    def reading(self) -> Reading:
        """What is trusted of the headers."""
        return Reading(orientation=self.orientation, trust_voxels=self.trust_voxels)

    @property
    def notices(self) -> list[str]:
        """What the options hold that has no effect."""
        unread = [key for key in self.bids_filters if key not in FILTERED]
        text = f"--bids-filter-file: {', '.join(unread)} passed over; {', '.join(FILTERED)} are read"
        return [text] if unread else []

    def __attrs_post_init__(self) -> None:
        if self.orientation and not is_orientation(self.orientation):
            raise SettingsError(
                f"--orientation {self.orientation}: three letters are required, one each of R or L, A or P, S or I"
            )
        for name, path in self.derivatives.items():
            if not name.isalnum():
                raise SettingsError(
                    f"-d {name}=…: the name becomes a BIDS label and must be alphanumeric, for instance masks"
                )
            if not path.is_dir():
                raise SettingsError(
                    f"-d {name}={path}: not a folder (in a container: is it mounted, with -B or -v?)"
                )
