"""What the files of a BraTS case hold, and whether it can be used."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import SimpleITK as sitk

from ...files.images import ImageError, read_image, require_same_grid, to_array
from .cases import Case

SRI24_SIZE, SRI24_SPACING = (240, 240, 155), (1.0, 1.0, 1.0)


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
        An unreadable file, files on different grids, or labels that the case's edition does not have.
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
    return Findings(has_tumor=bool(found), on_sri24=on_sri24, notices=notices)


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
