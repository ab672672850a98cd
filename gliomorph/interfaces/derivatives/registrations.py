"""Registrations in an output folder, as their records describe them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from ..files.folders import files_in
from .scan_record import read_scan_record

RECORD = re.compile(
    r"(?P<stem>sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)*?)_space-(?P<template>[A-Za-z0-9]+)"
    r"_res-(?P<resolution>[0-9]+)_desc-(?P<label>[A-Za-z0-9]+)_registration\.json"
)


class EvaluationError(ValueError):
    """What cannot be evaluated: the message names the file or folder and what was required."""


@attrs.frozen(kw_only=True)
class Registration:
    """One method's outputs for one scan."""

    scan: str
    """What the outputs' names begin with: ``sub-X[_ses-Y]`` and the image's further entities."""
    folder: Path
    """Where they lie: ``sub-X/[ses-Y/]anat`` of the derivatives."""
    where: str
    """That folder, relative to the derivatives."""
    template: str
    resolution: int
    """In mm."""
    method: str
    """As on the command line, such as ``syn-cfm``."""
    quality: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    """The row of ``group_quality.tsv``."""
    outputs: Sequence[str] = attrs.field(factory=list, repr=False)
    """All files of the run that wrote it, relative to the derivatives."""

    @property
    def label(self) -> str:
        """The method in names."""
        return self.method.replace("-", "")

    @property
    def record(self) -> Path:
        """The JSON that was written last of its outputs."""
        name = f"{self.scan}_space-{self.template}_res-{self.resolution}_desc-{self.label}_registration.json"
        return self.folder / name

    @property
    def native_from_template(self) -> Path:
        """Transform of template points to native points: resamples native images onto the template."""
        name = f"{self.scan}_from-native_to-{self.template}_mode-image_desc-{self.label}_xfm.h5"
        return self.folder / name

    @property
    def native_image(self) -> Path | None:
        """The scan's corrected image; None where it is not there."""
        return min(self.folder.glob(f"{self.scan}_desc-n4_*.nii.gz"), default=None)

    @property
    def template_from_native(self) -> Path:
        """Transform of native points to template points."""
        name = f"{self.scan}_from-{self.template}_to-native_mode-image_desc-{self.label}_xfm.h5"
        return self.folder / name

    @property
    def row(self) -> dict[str, object]:
        """The first columns of every table."""
        parts = self.scan.split("_")
        session = next((part for part in parts if part.startswith("ses-")), "n/a")
        return {
            "participant_id": parts[0],
            "session_id": session,
            "scan": self.scan,
            "method": self.method,
            "template": self.template,
            "resolution": self.resolution,
        }


@attrs.frozen(kw_only=True)
class Registrations:
    """All registrations to one template at one resolution."""

    folder: Path
    """What ``gliomorph`` has written."""
    template: str
    resolution: int
    methods: tuple[str, ...]
    """In the order of the tables."""
    by_scan: Mapping[str, Mapping[str, Registration]]
    """Scan, then method; scans are sorted."""
    notices: tuple[str, ...] = ()
    """Records that could not be read."""


def find_registrations(
    deriv_dir: Path, *, template: str = "", resolution: int = 0, order: Sequence[str] = ()
) -> Registrations:
    """The registrations that a derivatives folder holds.

    Parameters
    ----------
    deriv_dir : Path
        What ``gliomorph`` has written.
    template : str
        Wanted template; empty where the folder knows one only.
    resolution : int
        Wanted resolution in mm; 0 where the folder knows one only.
    order : sequence of str
        Of the methods; others follow, sorted.

    Returns
    -------
    registrations : Registrations

    Raises
    ------
    EvaluationError
        No folder, no registration in it, or several templates or resolutions to choose from.
    """
    if not deriv_dir.is_dir():
        raise EvaluationError(f"{deriv_dir}: not a folder (in a container: is it mounted?)")
    found, notices = [], []
    name = "*_registration.json"
    for path in files_in(deriv_dir, f"sub-*/anat/{name}", f"sub-*/ses-*/anat/{name}"):
        registration = _read(path, deriv_dir)
        if registration is None:
            notices.append(f"{path.name}: not the record of a registration by gliomorph, passed over")
        else:
            found.append(registration)
    chosen = [r for r in found if template in ("", r.template) and resolution in (0, r.resolution)]
    kinds = sorted({(r.template, r.resolution) for r in chosen})
    if not kinds:
        there = ", ".join(
            f"{name} at {mm} mm" for name, mm in sorted({(r.template, r.resolution) for r in found})
        )
        raise EvaluationError(
            f"{deriv_dir}: no sub-*/[ses-*/]anat/*_registration.json of "
            f"{template or 'any template'}{f' at {resolution} mm' if resolution else ''}; "
            + (f"there is {there}" if there else "give the folder that gliomorph has written")
        )
    if len(kinds) > 1:
        names = ", ".join(f"{name} at {mm} mm" for name, mm in kinds)
        raise EvaluationError(
            f"{deriv_dir} holds registrations to {names}: choose with --template and --resolution"
        )
    by_scan: dict[str, dict[str, Registration]] = {}
    for one in sorted(chosen, key=lambda r: r.scan):
        by_scan.setdefault(one.scan, {})[one.method] = one
    methods = {one.method for one in chosen}
    known = [method for method in order if method in methods]
    return Registrations(
        folder=deriv_dir,
        template=kinds[0][0],
        resolution=kinds[0][1],
        methods=(*known, *sorted(methods - set(known))),
        by_scan=by_scan,
        notices=tuple(notices),
    )


def _read(path: Path, deriv_dir: Path) -> Registration | None:
    name, record = RECORD.fullmatch(path.name), read_scan_record(path)
    if name is None or record is None:
        return None
    registration = Registration(
        scan=name["stem"],
        folder=path.parent,
        where=path.parent.relative_to(deriv_dir).as_posix(),
        template=name["template"],
        resolution=int(name["resolution"]),
        method=record.method,
        quality=record.quality,
        outputs=record.outputs,
    )
    return registration if registration.label == name["label"] else None
