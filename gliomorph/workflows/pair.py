"""Two images of anyone's registered to each other: read, prepared as scans are, registered, drawn, written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import attrs
import SimpleITK as sitk

from .. import __version__
from ..interfaces.files.checksums import sha256_of
from ..interfaces.files.images import ImageError, read_image, write_image, write_text
from ..interfaces.files.masks import read_mask
from ..interfaces.files.sidecars import copy
from ..interfaces.files.transforms import read_transform
from ..interfaces.methods import PAIR_METHOD
from ..interfaces.pairs.carry import carried, carried_landmarks
from ..interfaces.pairs.limits import limits_of
from ..interfaces.pairs.records import PairFiles, PairImages
from ..interfaces.pairs.stage import THRESHOLD_MM, register_pair
from ..interfaces.records import as_dict
from ..interfaces.reports.pair.pictures import PairNames
from ..interfaces.reports.pair.report import pair_page
from ..interfaces.scan.brain import brain
from ..interfaces.scan.n4 import n4
from ..interfaces.scan.records import AS_THEY_STAND, WHERE_NONE_IS_GIVEN, Extraction, Reading

NAMES = {
    "warped": "warped.nii.gz",
    "forward_xfm": "from-moving_to-fixed_mode-image_xfm.h5",
    "inverse_xfm": "from-fixed_to-moving_mode-image_xfm.h5",
    "inconsistency": "inconsistency.nii.gz",
    "no_counterpart": "no-counterpart_mask.nii.gz",
    "lesion": "moving-lesion_mask.nii.gz",
}
"""Files of a pair in its output folder, by the fields of :class:`~..interfaces.pairs.records.PairFiles`."""
RECORD, PAGE = "registration.json", "report.html"


@attrs.frozen(kw_only=True)
class Given:
    """One of the two images, as it was given."""

    image: Path
    brain: Path | None = None
    lesion: Path | None = None

    @property
    def files(self) -> dict[str, Path]:
        """All that is read, by what it is."""
        return {name: path for name, path in attrs.asdict(self).items() if path}


@attrs.frozen(kw_only=True)
class Request:
    """What is registered to what, and how; see :func:`~..interfaces.pairs.stage.register_pair`."""

    moving: Given
    fixed: Given
    linear: str = "rigid"
    deformable: str = PAIR_METHOD
    voxel_mm: float = 0.0
    threshold_mm: float = THRESHOLD_MM
    seed: int = 0
    gpu: str = "auto"
    reading: Reading = AS_THEY_STAND
    extraction: Extraction = WHERE_NONE_IS_GIVEN
    applied: tuple[Path, ...] = ()
    """Further images, masks and label maps of the moving side, which are carried along."""
    landmarks: Path | None = None
    """Landmarks of the moving side, likewise."""
    coordinates: str = "RAS"
    """Axes of the landmarks."""


def register_images(
    request: Request, out_dir: Path, scratch: Path, report: Callable[[str], None] = lambda line: None
) -> Path:
    """Register a pair and write everything that is known of it.

    Parameters
    ----------
    request : Request
    out_dir : Path
        Receives :data:`NAMES`, what was carried, pictures and page, and last the record.
    scratch : Path
        An empty folder for what lies between.
    report : callable
        Gets a line for each step.

    Returns
    -------
    record : Path
        ``registration.json``.

    Raises
    ------
    ImageError
        A file that cannot be used: the message names it and says what to do.
    """
    points = [request.landmarks] if request.landmarks else []
    for path in (*request.moving.files.values(), *request.fixed.files.values(), *request.applied, *points):
        if not path.is_file():
            raise ImageError(f"{path}: no such file")
    names = {path: _applied_name(path) for path in request.applied}
    if len(set(names.values())) < len(names):
        raise ImageError("--apply: files whose names differ are required, for they are written to one folder")
    notices: list[str] = []
    moving, fixed = (
        _prepared(given, request, scratch / name, notices, report)
        for name, given in (("moving", request.moving), ("fixed", request.fixed))
    )
    images = PairImages(
        moving=moving.image,
        fixed=fixed.image,
        moving_brain=moving.brain,
        fixed_brain=fixed.brain,
        moving_lesion=moving.lesion,
        fixed_lesion=fixed.lesion,
    )
    notices += limits_of(request.deformable, masked=bool(request.moving.lesion or request.fixed.lesion))
    report(f"registering: {request.linear}{', ' * bool(request.deformable)}{request.deformable}")
    with chdir(scratch):
        files = register_pair(
            images,
            linear=request.linear,
            deformable=request.deformable,
            voxel_mm=request.voxel_mm,
            threshold_mm=request.threshold_mm,
            seed=request.seed,
            gpu=request.gpu,
        )
    record = _record(request, files, notices)
    pages = PairNames(moving=_stem(request.moving.image), fixed=_stem(request.fixed.image))
    page = pair_page(images, files, pages, notices, record, scratch / "page")
    inverse = read_transform(files.inverse_xfm)
    moved = {
        path: carried_landmarks(path, request.moving.image, inverse, request.coordinates) for path in points
    }
    report(f"writing to {out_dir}")
    (out_dir / RECORD).unlink(missing_ok=True)  # it vouches for the files beside it
    written = [copy(path, out_dir / NAMES[name]) for name, path in as_dict(files).items() if name in NAMES]
    forward, grid = read_transform(files.forward_xfm), read_image(files.warped)
    written += [write_text(text, out_dir / f"{path.stem}_space-fixed.csv") for path, text in moved.items()]
    written += [write_image(carried(path, grid, forward), out_dir / names[path]) for path in request.applied]
    written += [
        copy(png, out_dir / "figures" / png.name) for png in sorted((page.parent / "figures").glob("*"))
    ]
    written.append(copy(page, out_dir / PAGE))
    record["outputs"] = sorted(path.relative_to(out_dir).as_posix() for path in written)
    return write_text(json.dumps(record, indent=1) + "\n", out_dir / RECORD)


@attrs.frozen(kw_only=True)
class _Prepared:
    """One side as stages take it: image without bias field, masks on its grid."""

    image: Path
    brain: Path
    lesion: Path | None


def _prepared(
    given: Given, request: Request, folder: Path, notices: list[str], report: Callable[[str], None]
) -> _Prepared:
    reading = request.reading
    folder.mkdir()
    with chdir(folder):
        report(f"{given.image.name}: brain and bias field")
        mask, info, picture = brain(given.image, given.brain, reading, request.extraction)
        corrected, _ = n4(picture, mask)
    if info.method != "given":
        by = f"{info.method}, {info.weights}" if info.weights else info.method
        notices.append(f"{given.image.name}: brain mask: {by}")
    notices += [f"⚠ {text}" for text in info.flags]
    lesion = None
    if given.lesion:
        found, odd = read_mask(given.lesion, read_image(corrected), "lesion", **as_dict(reading))
        notices += [f"⚠ {text}" for text in odd]
        lesion = write_image(found, folder / "lesion.nii.gz")
    return _Prepared(image=corrected, brain=mask, lesion=lesion)


def _record(request: Request, files: PairFiles, notices: Sequence[str]) -> dict[str, Any]:
    def known(given: Given) -> dict[str, Any]:
        return {what: {"name": path.name, "sha256": sha256_of(path)} for what, path in given.files.items()}

    return {
        "GeneratedBy": f"gliomorph {__version__}",
        "SimpleITK": sitk.Version.VersionString(),
        "moving": known(request.moving),
        "fixed": known(request.fixed),
        "seed": request.seed,
        "notices": list(notices),
        **files.registration(),
    }


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _applied_name(path: Path) -> str:
    return f"{_stem(path)}_space-fixed.nii.gz"
