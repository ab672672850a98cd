"""What the files of a BraTS case hold, and whether it can be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk

from ...files.images import ImageError, read_image, require_same_grid, to_array
from ...files.landmarks import read_landmarks, require_inside
from .cases import Case

SRI24_SIZE, SRI24_SPACING = (240, 240, 155), (1.0, 1.0, 1.0)
SRI24_ORIGIN = (0.0, -239.0, 0.0)
"""LPS, mm: with it, and axes along LPS, positions are voxel indices but for Y, which is the index less 239."""
LANDMARK_COORDINATES = "LPS"
"""BraTS-Reg's: X, Y, Z are mm of ITK's world.

The challenge describes no convention. A participant's code (github.com/ntustison/BraTS-Reg22) adds 239 to Y, takes
the three for voxel indices of the image, turns them into ITK's physical points, and submits such points again as X,
Y, Z: on the grid of :data:`SRI24_ORIGIN` file, index and point agree, on no other. :func:`examine` requires that grid.
"""


@attrs.frozen(kw_only=True)
class Findings:
    """What the files of a case hold."""

    has_tumor: bool
    """Whether there is a segmentation with a tumour."""
    on_sri24: bool
    """Whether the grid is the one on which BraTS publishes images that were aligned to SRI24."""
    notices: tuple[str, ...] = ()


def examine(case: Case) -> Findings:
    """Read every file of a case and check what it holds.

    Parameters
    ----------
    case : Case
        Without a ``problem``.

    Returns
    -------
    findings : Findings

    Raises
    ------
    ImageError
        An unreadable file, files on different grids, labels that the case's edition does not have, or landmarks on
        another grid than theirs.
    LandmarkError
        A landmark file that cannot be read, or landmarks outside the images.
    """
    files = {path.name: path for path in case.images.values()}
    if case.segmentation:
        files[case.segmentation.name] = case.segmentation
    images = {name: read_image(path) for name, path in files.items()}
    require_same_grid(**images)
    grid = next(iter(images.values()))
    on_sri24 = grid.GetSize() == SRI24_SIZE and np.allclose(grid.GetSpacing(), SRI24_SPACING, atol=1e-3)
    notices: tuple[str, ...] = ()
    found = set()
    if case.segmentation:
        found = labels_found(images[case.segmentation.name], case.segmentation.name)
        _require_convention(found, case.layout.convention, case.segmentation.name)
        if not found:
            notices = (left_out(case.segmentation.name),)
    if case.landmarks:
        _require_landmarks(case.landmarks, next(iter(case.images.values())), grid)
    return Findings(has_tumor=bool(found), on_sri24=on_sri24, notices=notices)


def _require_landmarks(landmarks: Path, image: Path, grid: sitk.Image) -> None:
    """Refuse landmarks that cannot be read, or whose convention does not fit the image's grid."""
    geometry = (grid.GetOrigin(), grid.GetSpacing(), grid.GetDirection())
    wanted = (SRI24_ORIGIN, SRI24_SPACING, tuple(np.eye(3).ravel()))
    if not all(np.allclose(has, required, atol=1e-3) for has, required in zip(geometry, wanted, strict=True)):
        raise ImageError(
            f"{image.name}: landmarks of BraTS-Reg are positions on a grid of 1 mm with origin {SRI24_ORIGIN} and "
            f"axes along LPS, this one has origin {grid.GetOrigin()}, voxels of {grid.GetSpacing()} mm and axes "
            f"{grid.GetDirection()}: what they mean there is not known"
        )
    require_inside(read_landmarks(landmarks, LANDMARK_COORDINATES), image, "positions in it are required")


def left_out(name: str) -> str:
    """The notice of an empty segmentation."""
    return f"{name} is empty (no voxel above 0) and is left out"


def labels_found(segmentation: sitk.Image, name: str) -> set[int]:
    """The labels of a segmentation but for 0.

    Parameters
    ----------
    segmentation : SimpleITK.Image
        Any pixel type.
    name : str
        Of its file, for errors.

    Returns
    -------
    labels : set of int
        Empty for an empty segmentation.

    Raises
    ------
    ImageError
        NaN, infinite or fractional values.
    """
    values = np.unique(to_array(segmentation))
    if not np.isfinite(values).all():
        raise ImageError(f"{name}: the segmentation holds NaN or infinite values")
    if not np.allclose(values, np.round(values)):
        fractions = values[~np.isclose(values, np.round(values))][:3].tolist()
        raise ImageError(f"{name}: labels have to be whole numbers, found {fractions}")
    return {int(value) for value in np.round(values)} - {0}


def _require_convention(found: set[int], convention: Mapping[str, int], name: str) -> None:
    """Raise :class:`ImageError` for labels that the case's edition does not have."""
    unknown = found - set(convention.values())
    if not unknown:
        return
    if 4 in unknown:
        hint = "4 is ET in editions up to 2021, and the resection cavity of treated patients since 2024"
    elif 3 in unknown:
        hint = "3 is ET in editions since 2023"
    else:
        hint = "is it a label map of BraTS?"
    wanted = ", ".join(f"{label} ({region})" for region, label in convention.items())
    raise ImageError(
        f"{name}: labels {wanted} are required of a case with this name, found "
        f"{', '.join(map(str, sorted(found)))}; {hint}"
    )
