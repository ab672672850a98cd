"""Transforms from one scan of a patient straight to another, as ``gliomorph-register`` or other tools leave them."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from ..files.folders import files_in
from ..files.sidecars import read_object
from .registrations import EvaluationError

RECORD = "registration.json"
"""What ``gliomorph-register`` writes last into the folder of a pair."""
WAYS = (("moving", "fixed"), ("fixed", "moving"))
TRANSFORM = "from-{}_to-{}_mode-image_xfm.h5"
"""Beside the record; it takes points of what it leads to back to points of what it starts from."""
OTHER = re.compile(
    r"(?P<subject>sub-[A-Za-z0-9]+)(?:_[a-z]+-[A-Za-z0-9]+)*?_from-(?P<start>[A-Za-z0-9]+)_to-(?P<end>[A-Za-z0-9]+)_mode-image"
    r"_desc-(?P<method>[A-Za-z0-9]+)_xfm\.(h5|mat|txt)"
)
"""Files of ``gliomorph --longitudinal`` and of other tools, whose ``from`` and ``to`` are labels of sessions; those
whose are native or a template's join none."""
ENTITY = re.compile(r"(?:sub|ses)-[A-Za-z0-9]+")


@attrs.frozen(kw_only=True)
class Direct:
    """A transform that takes points of a scan to points of another."""

    scan: frozenset[str]
    reference: frozenset[str]
    """``scan``, ``reference``: ``sub-X`` and ``ses-Y`` of both."""
    method: str
    points: Path
    """The file (ITK)."""


def find_direct(folder: Path) -> list[Direct]:
    """The transforms between scans in a folder, at any depth.

    Parameters
    ----------
    folder : Path
        Holds output folders of ``gliomorph-register``, whose images are named after subject and session, or files
        ``sub-X[_ses-Y…]_from-A_to-B_mode-image_desc-METHOD_xfm.h5`` (also .mat, .txt), which take points of session B
        to points of session A, as BIDS has it.

    Returns
    -------
    found : list of Direct
        Each way that there is; sorted by file.

    Raises
    ------
    EvaluationError
        No folder, or no such file in it.
    """
    if not folder.is_dir():
        raise EvaluationError(f"--direct {folder}: not a folder")
    found = [one for record in files_in(folder, f"**/{RECORD}") for one in _of_pair(record)]
    for path in files_in(folder, "**/*_xfm.*"):
        if name := OTHER.fullmatch(path.name):
            subject, start, end = name["subject"], f"ses-{name['start']}", f"ses-{name['end']}"
            found.append(
                Direct(
                    scan=frozenset({subject, end}),
                    reference=frozenset({subject, start}),
                    method=name["method"],
                    points=path,
                )
            )
    if not found:
        raise EvaluationError(
            f"--direct {folder}: no {RECORD} of gliomorph-register, of images that are named after subject and "
            "session, and no sub-X_from-A_to-B_mode-image_desc-METHOD_xfm.h5"
        )
    return found


def _of_pair(record: Path) -> list[Direct]:
    """Both ways of a pair that ``gliomorph-register`` has written."""
    content = read_object(record)
    method = content.get("deformable") or content.get("linear")
    scans = {side: _entities(content.get(side)) for side in ("moving", "fixed")}
    if not isinstance(method, str) or not all(scans.values()):
        return []
    files = [
        (end, start, record.with_name(TRANSFORM.format(start, end)))  # to-fixed takes points of fixed
        for start, end in WAYS
    ]
    return [
        Direct(scan=scans[end], reference=scans[start], method=method, points=path)
        for end, start, path in files
        if path.is_file()
    ]


def _entities(given: object) -> frozenset[str]:
    """``sub-X`` and ``ses-Y`` of one side's image, as the record names it; empty where it has none."""
    image = given.get("image") if isinstance(given, dict) else None
    name = image.get("name") if isinstance(image, dict) else None
    return frozenset(ENTITY.findall(name)) if isinstance(name, str) else frozenset()
