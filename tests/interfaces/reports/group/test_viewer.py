"""The viewer shows the right side at the right place, asks the network for nothing, and is the same every time."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from gliomorph.interfaces.files.images import from_array, write_image
from gliomorph.interfaces.reports.group.viewer import write_viewer

PEAK_MM = (7.0, 3.0, 5.0)
"""The peak of the tiny map: RAS, right of the middle."""


class Links(HTMLParser):
    """Everything that a page would fetch, or go to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = ("src", "srcset", "href", "xlink:href", "data", "action", "poster")
        self.found += [value or "" for name, value in attrs if name in names]


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, Path]:
    """Frequency, of which one voxel at :data:`PEAK_MM` is the highest, and template: LPS files of 2 mm."""
    grid = sitk.Image([16, 18, 14], sitk.sitkUInt8)
    grid.SetSpacing((2, 2, 2))
    grid.SetOrigin((-15, -17, -13))
    index = grid.TransformPhysicalPointToIndex((-PEAK_MM[0], -PEAK_MM[1], PEAK_MM[2]))
    squares = sum((axis - at) ** 2 for axis, at in zip(np.indices(grid.GetSize()), index, strict=True))
    frequency = (np.where(squares < 12, 0.4 - 0.02 * squares, 0)).astype(np.float32)
    brain = np.zeros(frequency.shape, np.float32)
    brain[2:14, 2:16, 2:12] = 100
    brain[2:14, 2:8, 2:12] = 60
    return (
        write_image(from_array(frequency, grid), tmp_path / "frequency.nii.gz"),
        write_image(from_array(brain, grid), tmp_path / "template.nii.gz"),
    )


def settings_of(page: str) -> dict:
    """What brainsprite is told."""
    return json.loads(re.search(r'brainsprite\((\{"canvas".*?\})\);', page)[1])


def pixels(page: str, key: str) -> np.ndarray:
    """An embedded picture, shape (rows, columns, RGBA)."""
    uri = re.search(rf'id="{key}"[^>]*src="data:image/png;base64,([^"]+)"', page)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri))).convert("RGBA")).astype(int)


def test_nothing_is_fetched(images, tmp_path):
    page = write_viewer(*images, tmp_path / "viewer.html").read_text()
    links = Links()
    links.feed(page)
    assert len(links.found) == 3
    assert all(link.startswith("data:image/png;base64,") for link in links.found)
    assert not re.search(r"@import|url\(|\bfetch\(|importScripts|WebSocket|sendBeacon", page)
    assert "default-src 'none'; img-src data:;" in page
    # jQuery, whose code can fetch, is told no address; the rule above would refuse it
    assert not re.search(r"https?://(?!www\.w3\.org/)\S", page)


def test_slices_and_positions_are_those_of_the_radiological_picture(images, tmp_path):
    """Brainsprite draws tile ``X`` of the picture, pixel (``Y``, ``Z`` from below), and multiplies from 1 on."""
    page = write_viewer(*images, tmp_path / "viewer.html").read_text()
    settings = settings_of(page)
    x, y, z = (settings["numSlice"][axis] for axis in "XYZ")
    width, height = settings["nbSlice"]["Y"], settings["nbSlice"]["Z"]
    assert settings["radiological"] is True
    # the patient's right is on the left: among the first slices
    assert x < settings["nbSlice"]["X"] / 2
    named = np.asarray(settings["affine"]) @ [x + 1, y + 1, z + 1, 1]
    np.testing.assert_allclose(named[:3], PEAK_MM, atol=1e-4)  # float32 headers
    sprite = pixels(page, "overlayImg")
    row, column = divmod(x, sprite.shape[1] // width)
    drawn = sprite[row * height + height - 1 - z, column * width + y]
    brightest = sprite[..., :3].sum(axis=2)[sprite[..., 3] > 0].max()
    assert drawn[3] == 255 and drawn[:3].sum() == brightest
    assert (settings["colorMap"]["min"], settings["colorMap"]["max"]) == (0, pytest.approx(0.4))


def test_only_what_is_above_0_is_drawn(images, tmp_path):
    page = write_viewer(*images, tmp_path / "viewer.html").read_text()
    above = np.count_nonzero(sitk.GetArrayFromImage(sitk.ReadImage(str(images[0]))))
    assert np.count_nonzero(pixels(page, "overlayImg")[..., 3]) == above


def test_same_images_same_bytes(images, tmp_path):
    first = write_viewer(*images, tmp_path / "first.html").read_bytes()
    assert first == write_viewer(*images, tmp_path / "second.html").read_bytes()


def test_empty_map_has_no_viewer(images, tmp_path):
    assert write_viewer(*images, tmp_path / "viewer.html")
    empty = sitk.ReadImage(str(images[0])) * 0
    path = write_image(empty, tmp_path / "empty.nii.gz")
    assert write_viewer(path, images[1], tmp_path / "none.html") is None
    assert not (tmp_path / "none.html").exists()
