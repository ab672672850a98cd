"""A strip holds the slices of one plane in order, in colour where the map is not zero."""

import base64
import io

import numpy as np
import SimpleITK as sitk
from PIL import Image

from gliomorph.interfaces.files.images import from_array
from gliomorph.interfaces.reports.cuts import PLANES
from gliomorph.interfaces.reports.group.strips import Strip, slice_strips

SIZE, COUNT = (20, 24, 18), 9


def ball(radius: float, *, z: float = 9.0) -> sitk.Image:
    """1 within ``radius`` of a point on the axis from foot to head."""
    x, y, k = np.indices(SIZE)
    inside = (x - 10) ** 2 + (y - 12) ** 2 + (k - z) ** 2 < radius**2
    return from_array(inside.astype(np.float32), sitk.Image(SIZE, sitk.sitkUInt8))


def slices(strip: Strip) -> np.ndarray:
    """(slices, rows, columns, 3) of the embedded picture."""
    picture = Image.open(io.BytesIO(base64.b64decode(strip.uri.split(",", 1)[1]))).convert("RGB")
    assert picture.size == (strip.width, strip.height * len(strip.labels))
    return np.asarray(picture).astype(int).reshape(len(strip.labels), strip.height, strip.width, 3)


def test_each_plane_has_its_slices_and_their_positions():
    strips = slice_strips(ball(3), ball(8), COUNT)
    assert [strip.plane for strip in strips] == [plane.name for plane in PLANES]
    assert all(len(set(strip.labels)) == COUNT for strip in strips)
    assert [strip.letters for strip in strips] == ["RL", "RL", "AP"]


def test_axial_slices_go_upwards_and_only_those_through_the_tumor_are_coloured():
    axial = slice_strips(ball(2.5, z=13.0), ball(8), COUNT)[0]
    heights = [int(label.split("=")[1].removesuffix("mm")) for label in axial.labels]
    assert heights == sorted(heights)
    coloured = [np.ptp(picture, axis=-1).max() > 60 for picture in slices(axial)]
    assert coloured == [abs(height - 13) < 2.5 for height in heights]
    assert abs(heights[axial.start] - 13) < 1.5


def test_an_empty_map_leaves_the_background_grey():
    for strip in slice_strips(from_array(np.zeros(SIZE, np.float32), ball(8)), ball(8), COUNT):
        assert np.ptp(slices(strip), axis=-1).max() < 30  # WebP keeps colours less exactly than brightness
