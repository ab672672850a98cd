"""Pictures of a registered pair: both images, how they fit, and what has no counterpart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import SimpleITK as sitk

from ...files.images import read_image, to_array
from ...files.transforms import compose, displacement_on, linear_part, read_transform
from ...pairs.records import PairFiles
from .. import figures
from ..cuts import Cut, choose_cuts, spread_cuts
from ..pages import Album, Picture


@attrs.frozen(kw_only=True)
class PairNames:
    """How a page calls the two images, and the beginning of its pictures' keys."""

    moving: str
    fixed: str
    key: str = ""


def pair_pictures(
    album: Album, moving: Path, fixed: Path, lesion: Path | None, files: PairFiles, names: PairNames
) -> list[Picture]:
    """All pictures of a pair, on the fixed image's grid.

    Parameters
    ----------
    album : Album
    moving, fixed : Path
        Bias-corrected, native.
    lesion : Path, optional
        The fixed image's lesion.
    files : PairFiles
    names : PairNames
    """
    target, source, warped = read_image(fixed), read_image(moving), read_image(files.warped)
    forward = read_transform(files.forward_xfm)
    line = linear_part(forward)
    own = read_image(lesion, sitk.sitkUInt8) > 0 if lesion else None
    carried = read_image(files.lesion, sitk.sitkUInt8) if files.lesion else None
    lacking, trip = read_image(files.no_counterpart, sitk.sitkUInt8), read_image(files.inconsistency)
    masks = [mask for mask in (own, carried) if mask is not None] or [lacking]
    cuts, key = choose_cuts(target, masks), names.key
    before = sitk.Resample(source, target, line, sitk.sitkLinear)
    threshold = files.registration()["threshold_mm"]

    def add(
        what: str, caption: str, png: bytes, versus: tuple[str, str] | None = (f"{key}fixed", names.fixed)
    ) -> Picture:
        return album.add(key + what, caption, png, versus)

    def grey(image: sitk.Image, title: str, mask: sitk.Image | None, at: Sequence[Cut] = cuts) -> bytes:
        return figures.anatomy(image, at, title=title, lesion=mask)

    moved = compose(line.GetInverse(), forward)
    shift = displacement_on(moved, target, sitk.sitkVectorFloat32)
    board = figures.checkerboard(target, warped, cuts, title=f"{names.fixed} / {names.moving}, registered")
    grid = figures.deformed_grid(before, shift, cuts, title="Grid", lesion=None)
    heat = figures.heat_map(
        trip,
        target,
        cuts,
        title="Inconsistency",
        label="there and back, mm",
        percent=False,
        top=max(2 * threshold, 1.0),
    )
    pictures = [
        add("fixed", f"{names.fixed}, with its own lesion.", grey(target, names.fixed, own), None),
        add("before", f"{names.moving} after the linear map.", grey(before, f"{names.moving}, linear", None)),
        add(
            "after",
            f"{names.moving}, registered, with its lesion as carried.",
            grey(warped, f"{names.moving}, registered", carried),
        ),
        add("checkerboard", "Both in turn, squares of 24 mm.", board, None),
        add("grid", f"A grid (8 mm) carried onto {names.moving} by the deformation.", grid, None),
        add("inconsistency", "How far a point comes back from its place by both maps.", heat, None),
    ]
    if to_array(lacking).any():
        spread = spread_cuts(target, lacking)
        png = grey(target, f"No counterpart in {names.moving}", lacking, spread)
        caption = f"Without counterpart: comes back more than {threshold:g} mm away, or lies outside {names.moving}."
        pictures.append(add("nocounterpart", caption, png, None))
    return pictures
