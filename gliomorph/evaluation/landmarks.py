"""``gliomorph-evaluate landmarks``: how far from their places the transforms take landmarks, as in BraTS-Reg."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk

from ..interfaces.derivatives.direct import ENTITY, Direct
from ..interfaces.derivatives.registrations import EvaluationError, Registration, Registrations
from ..interfaces.files.landmarks import COORDINATES, Landmarks, common, read_landmarks, require_inside
from ..interfaces.files.transforms import apply_to_points, compose, linear_part, read_transform
from ..interfaces.methods import RIGID
from .landmark_summary import write_summary
from .study import LANDMARKS_TABLE
from .tables import check_out_dir, write_rows

NAME = re.compile(r"(?P<entities>(?:sub|tpl)-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)*)_[A-Za-z0-9]+\.csv")
POINTS_TABLE = "landmarks_points.tsv"
BEFORE = ("affine", "native")
"""What a method's errors are compared with: those of the affine alone, or, for pairs, those without any transform."""


@attrs.frozen(kw_only=True)
class Correspondence:
    """Landmarks of one scan, and where they should arrive."""

    scan: Mapping[str, Registration]
    """By method."""
    target: Mapping[str, Registration] | None
    """The same of the scan that they are taken to through the template; None: to the template itself."""
    direct: Mapping[str, Path] = attrs.field(factory=dict)
    """Transforms of the scan's points to the target's that do not pass the template, by method."""
    reference: str
    """That scan, or the template."""
    names: tuple[str, ...]
    points: np.ndarray = attrs.field(eq=False, repr=False)
    places: np.ndarray = attrs.field(eq=False, repr=False)
    """``points``, ``places``: (N, 3), LPS mm: native positions, and the landmarks' places in the reference."""

    @property
    def name(self) -> str:
        """The scan's."""
        return next(iter(self.scan.values())).scan

    @property
    def methods(self) -> list[str]:
        """Methods that both scans have."""
        return [method for method in self.scan if self.target is None or method in self.target]


def evaluate_landmarks(
    known: Registrations,
    out_dir: Path,
    files: Sequence[Path],
    *,
    coordinates: str = "RAS",
    before: str = "affine",
    onto: str = "",
    direct: Sequence[Direct] = (),
    report: Callable[[str], None] = print,
) -> list[Path]:
    """Errors of every scan and method as ``landmarks.tsv``, of every landmark as ``landmarks_points.tsv``, means over
    scans as ``landmarks_summary`` (``.tsv``, ``.md``, ``.png``).

    Parameters
    ----------
    known : Registrations
    out_dir : Path
        Where the tables go.
    files : sequence of Path
        Landmarks of scans; with one of the template each scan is compared with that, without, each further scan of
        a subject with the subject's first.
    coordinates : str
        Of all files: ``RAS`` or ``LPS``, mm.
    before : str
        One of :data:`BEFORE`.
    onto : str
        Label of the session to which the other scans of a subject are taken; empty: that of the file given first.
    direct : sequence of Direct
        What joins scans without the template: measured beside it.
    report : callable
        Told each finished scan, and each scan and file that is missing.

    Returns
    -------
    tables : list of Path

    Raises
    ------
    EvaluationError
        A file that is no landmark file, landmarks outside their image or without a counterpart, or nothing to
        compare.
    """
    check_out_dir(out_dir, known.folder)
    given = [read_landmarks(path, coordinates) for path in files]
    targets = [one for one in given if entities_of(one.path)[0].startswith("tpl-")]
    for notice in known.notices:
        report(notice)
    scans = _by_scan([one for one in given if one not in targets], known, report)
    for scan, landmarks in scans.items():
        for image in sorted(_first(known, scan).folder.glob(f"{scan}_desc-n4_*.nii.gz"))[:1]:
            require_inside(landmarks, image, _remedy(coordinates))
    if targets:
        _check_target(targets, scans, known, coordinates, before)
    found = _onto_template(targets[0], scans, known) if targets else _pairs(scans, known, onto, report)
    if not found:
        raise EvaluationError(
            "nothing to compare: landmarks of two registered scans of a subject are required, or of one and of the "
            "template (tpl-TPL_landmarks.csv)"
        )
    rows, points = [], []
    for one in _with_direct(found, known, direct, report):
        summaries, errors = _measure(one, known.methods, before)
        rows += summaries
        points += errors
        count = len(one.names)
        report(f"{one.name}: {count} landmark{'s' * (count != 1)} onto {one.reference}")
    return [
        write_rows(rows, out_dir / LANDMARKS_TABLE),
        write_rows(points, out_dir / POINTS_TABLE),
        *write_summary(rows, out_dir),
    ]


def entities_of(path: Path) -> tuple[str, ...]:
    """The entities in a landmark file's name, which say whose they are: ``("sub-X", "ses-Y", …)``, or ``("tpl-TPL",)``.

    Raises
    ------
    EvaluationError
        A name that says it of none.
    """
    name = NAME.fullmatch(path.name)
    if name is None:
        raise EvaluationError(
            f"{path}: a name such as sub-X[_ses-Y]_landmarks.csv or tpl-TPL_landmarks.csv is required"
        )
    return tuple(name["entities"].split("_"))


def _remedy(coordinates: str) -> str:
    """What to do about landmarks outside their image."""
    other = next(name for name in COORDINATES if name != coordinates)
    return f"{coordinates} mm are required: another image's, or {other} (--coordinates {other})?"


def summarise(errors: np.ndarray, before: np.ndarray | None) -> dict[str, float]:
    """BraTS-Reg's figures of one scan.

    Parameters
    ----------
    errors, before : ndarray, (N,)
        Distance of each landmark from its place, mm, after and before; None where there is no before.

    Returns
    -------
    figures : dict of str to float
        ``median_mm``, ``mean_mm``, the same ``_before_mm``, and ``robustness``: the share of landmarks that are
        nearer to their places than before.
    """
    figures = {"median_mm": float(np.median(errors)), "mean_mm": float(errors.mean())}
    none = float("nan")
    return figures | {
        "median_before_mm": none if before is None else float(np.median(before)),
        "mean_before_mm": none if before is None else float(before.mean()),
        "robustness": none if before is None else float((errors < before).mean()),
    }


def _by_scan(
    given: Sequence[Landmarks], known: Registrations, report: Callable[[str], None]
) -> dict[str, Landmarks]:
    """Landmarks by the scan that they belong to, in the order given."""
    found: dict[str, Landmarks] = {}
    for landmarks in given:
        own = set(entities_of(landmarks.path))
        fitting = [scan for scan in known.by_scan if own <= set(scan.split("_"))]
        exact = [scan for scan in fitting if own == set(scan.split("_"))]
        if not fitting:
            report(
                f"{landmarks.path.name}: no registration of {'_'.join(entities_of(landmarks.path))}, passed over"
            )
            continue
        if len(exact or fitting) > 1:
            raise EvaluationError(
                f"{landmarks.path}: fits {' and '.join(fitting)}, name it after one of them"
            )
        (scan,) = exact or fitting
        if scan in found:
            raise EvaluationError(
                f"{landmarks.path} and {found[scan].path} are both of {scan}, give one of them"
            )
        found[scan] = landmarks
    for scan in known.by_scan:
        if scan not in found:
            report(f"{scan}: no landmarks")
    return found


def _check_target(
    targets: Sequence[Landmarks],
    scans: Mapping[str, Landmarks],
    known: Registrations,
    coordinates: str,
    before: str,
) -> None:
    target = targets[0]
    if len(targets) > 1 or entities_of(target.path)[0] != f"tpl-{known.template}":
        got = ", ".join(one.path.name for one in targets)
        raise EvaluationError(
            f"one file of the template, tpl-{known.template}_landmarks.csv, is required, got {got}"
        )
    if before == "native":
        raise EvaluationError(
            "--before native compares positions of two scans, the template's are in another frame: leave it out"
        )
    space = f"space-{known.template}_res-{known.resolution}_desc-preproc"
    for scan in list(scans)[:1]:
        for image in sorted(_first(known, scan).folder.glob(f"{scan}_{space}_*.nii.gz"))[:1]:
            require_inside(target, image, _remedy(coordinates))


def _onto_template(
    target: Landmarks, scans: Mapping[str, Landmarks], known: Registrations
) -> list[Correspondence]:
    """Every scan with the template."""
    found = []
    for scan, landmarks in scans.items():
        names, points, places = common(landmarks, target)
        found.append(
            Correspondence(
                scan=known.by_scan[scan],
                target=None,
                reference=known.template,
                names=names,
                points=points,
                places=places,
            )
        )
    return found


def _pairs(
    scans: Mapping[str, Landmarks], known: Registrations, onto: str, report: Callable[[str], None]
) -> list[Correspondence]:
    """Each further scan of a subject with that of the session ``onto``; empty: with the first in the order given."""
    first: dict[str, str] = {}
    for scan in scans:
        if not onto or f"ses-{onto}" in scan.split("_"):
            first.setdefault(scan.split("_")[0], scan)
    found = []
    for scan, landmarks in scans.items():
        baseline = first.get(scan.split("_")[0], "")
        if not baseline:
            report(f"{scan}: no landmarks of ses-{onto} to take its own to, passed over")
        if baseline in ("", scan):
            continue
        names, points, places = common(landmarks, scans[baseline])
        found.append(
            Correspondence(
                scan=known.by_scan[scan],
                target=known.by_scan[baseline],
                reference=baseline,
                names=names,
                points=points,
                places=places,
            )
        )
    paired = {one.reference for one in found}
    for scan in first.values():
        if scan not in paired:
            report(f"{scan}: the only one of its subject with landmarks, a pair is required, passed over")
    return found


def _with_direct(
    found: Sequence[Correspondence],
    known: Registrations,
    direct: Sequence[Direct],
    report: Callable[[str], None],
) -> list[Correspondence]:
    """The correspondences with the transforms that join their scans without the template.

    Raises
    ------
    EvaluationError
        Two transforms of one method for one pair.
    """
    joined, used = [], set()
    for one in found:
        ends = [frozenset(ENTITY.findall(name)) for name in (one.name, one.reference)]
        files: dict[str, Path] = {}
        for link in direct:
            if [link.scan, link.reference] != ends or one.target is None:
                continue
            if link.method in files:
                raise EvaluationError(
                    f"{files[link.method]} and {link.points} both take {one.name} to {one.reference} by "
                    f"{link.method}: give one of them with --direct"
                )
            files[link.method] = link.points
            used.add(frozenset(ends))
        joined.append(attrs.evolve(one, direct=files))
    scans = {frozenset(ENTITY.findall(scan)) for scan in known.by_scan}
    for pair in dict.fromkeys(frozenset({link.scan, link.reference}) for link in direct):
        if pair not in used and pair <= scans:  # else a template's
            names = " and ".join(sorted("_".join(sorted(scan, reverse=True)) for scan in pair))
            report(f"{names}: joined directly, but no pair with landmarks, passed over")
    return joined


def _first(known: Registrations, scan: str) -> Registration:
    return next(iter(known.by_scan[scan].values()))


def _measure(
    one: Correspondence, methods: Sequence[str], before: str
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """A row a method and way, and a row for each of its landmarks."""
    earlier = _distances(one, sitk.Transform()) if before == "native" else _affine_errors(one)
    known = [method for method in methods if method in one.methods]
    ways = [("template", method, _carrying(one, method)) for method in known]
    ways += [("direct", method, read_transform(path)) for method, path in one.direct.items()]
    rows: list[dict[str, object]] = []
    points: list[dict[str, object]] = []
    for way, method, transform in ways:
        errors = _distances(one, transform)
        head = one.scan[known[0]].row | {"method": method, "way": way, "reference": one.reference}
        rows.append(
            head
            | {"landmarks": len(errors), "before": before if earlier is not None else "n/a"}
            | summarise(errors, earlier)
        )
        points += [
            head
            | {
                "landmark": name,
                "before_mm": None if earlier is None else float(earlier[number]),
                "error_mm": float(errors[number]),
            }
            for number, name in enumerate(one.names)
        ]
    return rows, points


def _carrying(one: Correspondence, method: str) -> sitk.Transform:
    """Native points of the scan to points of the reference."""
    there = read_transform(one.scan[method].template_from_native)
    return (
        there
        if one.target is None
        else compose(read_transform(one.target[method].native_from_template), there)
    )


def _affine_errors(one: Correspondence) -> np.ndarray | None:
    """Errors by the affine parts alone; None where rigid methods alone were run, which have no affine."""
    methods = sorted(one.methods, key=lambda method: method != "affine")
    method = next((method for method in methods if method not in RIGID), "")
    return _distances(one, linear_part(_carrying(one, method))) if method else None


def _distances(one: Correspondence, transform: sitk.Transform) -> np.ndarray:
    return np.linalg.norm(apply_to_points(transform, one.points) - one.places, axis=1)
