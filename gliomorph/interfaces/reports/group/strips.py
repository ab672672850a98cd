"""Many slices of a map, one below the other in one picture for each plane: what the page's sliders move through."""

from __future__ import annotations

import io

import attrs
import numpy as np
import SimpleITK as sitk
from matplotlib.colors import Normalize
from PIL import Image

from ...files.images import to_array
from ..cuts import brightness, spread_cuts
from ..figures import GREY, HEAT
from ..pages import embedded

OPACITY = 0.8
QUALITY = 80
"""Of the WebP; text and lines would need more, and there are none."""


@attrs.frozen(kw_only=True)
class Strip:
    """Slices of one plane."""

    plane: str
    """``axial``, ``coronal`` or ``sagittal``."""
    uri: str
    """The picture, ``len(labels)`` slices of ``width`` by ``height`` pixels, the first on top."""
    width: int
    height: int
    """``width``, ``height``: size of one slice."""
    labels: list[str]
    """Plane and position of every slice, RAS mm."""
    letters: str
    """What lies left and right of a slice."""
    start: int
    """The slice with the most of the map."""


def slice_strips(values: sitk.Image, background: sitk.Image, count: int = 32) -> list[Strip]:
    """A non-negative map in colour over ``background``: a strip for each plane, slices spread over the brain.

    Parameters
    ----------
    values : SimpleITK.Image
        Zero is transparent; the scale goes to the maximum, as in
        :func:`~gliomorph.interfaces.reports.figures.heat_map`.
    background : SimpleITK.Image
    count : int
        Slices a plane.
    """
    top = float(to_array(values).max()) or 1.0
    cuts = spread_cuts(background, background > 0, count)
    white = Normalize(0.0, 1.2 * brightness(background), clip=True)
    strips = []
    for start in range(0, len(cuts), count):
        plane = cuts[start : start + count]
        shares = [cut.sample(values) / top for cut in plane]
        slices = [_coloured(white(cut.sample(background)), s) for cut, s in zip(plane, shares, strict=True)]
        height, width = slices[0].shape[:2]
        strips.append(
            Strip(
                plane=plane[0].plane.name,
                uri=_webp(slices),
                width=width,
                height=height,
                labels=[cut.label for cut in plane],
                letters=plane[0].plane.letters[:2],
                start=int(np.argmax([share.sum() for share in shares])),
            )
        )
    return strips


def _coloured(grey: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Both (rows, columns) in [0, 1] → (rows, columns, 3) uint8."""
    opacity = OPACITY * (share >= 1e-3)[..., None]
    mixed = (1 - opacity) * GREY(grey)[..., :3] + opacity * HEAT(np.clip(share, 0, 1))[..., :3]
    return np.asarray((255 * mixed).round(), np.uint8)


def _webp(slices: list[np.ndarray]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(slices)).save(buffer, "webp", quality=QUALITY)
    return embedded(buffer.getvalue(), "webp")
