"""A scan's page is one self-contained file, escapes what it is given, and holds every picture."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, write_image
from gliomorph.interfaces.reports import figures
from gliomorph.interfaces.reports.pages import as_number, flag, shown
from gliomorph.interfaces.reports.scan.report import MethodResult, OtherImage, PageImages, scan_report

EVIL = 'sub-<script>alert("x")</script>'


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def assert_loads_nothing(text: str) -> None:
    """No resource comes from elsewhere: links may lead away, but nothing is fetched."""
    page = Page(text)
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "data", "poster", "action"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
        if tag == "link":
            assert (attributes["href"] or "").startswith("data:")
    assert not re.search(r"url\(|@import|https?://", re.sub(r'"data:[^"]*"', "", text))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are left empty where a test looks only at the page's words: drawing takes most of the time."""
    monkeypatch.setattr(figures, "_draw", lambda *_: b"")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Tiny images of one scan: a ball with a lesion, everything on one grid."""
    grid = sitk.Image([20, 24, 18], sitk.sitkUInt8)
    x, y, z = np.indices(grid.GetSize())
    ball = ((x - 10) ** 2 + (y - 12) ** 2 + (z - 9) ** 2 < 64).astype(np.float32)
    lesion = ((x - 7) ** 2 + (y - 9) ** 2 + (z - 10) ** 2 < 9).astype(np.uint8)
    arrays = {
        "raw": ball * (1 + 0.02 * x),
        "n4": ball,
        "mask": lesion,
        "dseg": lesion * np.where(x > 7, 4, 2),
        "jacobian": np.full(ball.shape, 1.1),
        "displacement": np.full((3, *ball.shape), 0.5),
    }
    return {
        name: write_image(
            from_array(array.astype(np.uint8 if name in ("mask", "dseg") else np.float32), grid), path
        )
        for name, array in arrays.items()
        if (path := tmp_path / "in" / f"{name}.nii.gz")
    }


def method(files: dict[str, Path], name: str, healthy: bool = False, **quality: object) -> MethodResult:
    return MethodResult(
        method=name,
        image=files["n4"],
        mask=files["mask"],
        jacobian=files["jacobian"],
        displacement=files["displacement"],
        healthy=files["n4"] if healthy else None,
        quality=quality,
        used={"device": "cpu", "note": EVIL},
    )


def write(files: dict[str, Path], folder: Path, **changed: object) -> str:
    """The page of the tiny scan, with some images and arguments changed."""
    images = {
        "raw": files["raw"],
        "n4": files["n4"],
        "labels": files["dseg"],
        "template": files["n4"],
        "aligned": files["n4"],
        "aligned_mask": files["mask"],
        "brain_mask": None,
    }
    images |= {name: changed.pop(name) for name in images.keys() & changed.keys()}
    arguments = {
        "scan": "sub-01",
        "images": PageImages(**images),
        "others": [],
        "sub_regions": True,
        "methods": [method(files, "syn-cfm")],
        "used": {"mask_source": "derivatives/masks", "template": "TINY", "version": "9.9"},
        "notices": [],
        "folder": folder,
    }
    return scan_report(**{**arguments, **changed}).read_text(encoding="utf-8")


def test_further_modalities_have_a_section_of_their_own(files, tmp_path):
    without = write(files, tmp_path / "one")
    assert 'id="modalities"' not in without and "#modalities" not in without
    text = write(
        files, tmp_path / "two", others=[OtherImage(name="T2w", image=files["raw"], in_template=files["n4"])]
    )
    assert 'id="modalities"' in text and "contour of the brain mask" in text
    for what in ("brain", "modality", "carried"):
        assert (tmp_path / "two" / "figures" / f"sub-01_desc-{what}T2w_T1w.png").exists()


def test_brain_mask_that_was_made_is_drawn_on_the_head(files, tmp_path):
    assert "contour of the brain mask" not in write(files, tmp_path / "one")
    text = write(files, tmp_path / "two", brain_mask=files["mask"])
    assert "contour of the brain mask" in text
    assert (tmp_path / "two" / "figures" / "sub-01_desc-brain_T1w.png").exists()


def test_page_holds_every_picture_and_loads_nothing_from_elsewhere(files, tmp_path):
    methods = [method(files, "syn-cfm"), method(files, "metamorph-r", healthy=True)]
    text = write(files, tmp_path, methods=methods)
    page = Page(text)
    assert_loads_nothing(text)
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {
        f"sub-01_desc-{what}_T1w.png" for what in ("input", "n4", "bias", "edges", "segmentation")
    } <= written
    assert {
        f"sub-01_desc-metamorphr{what}_T1w.png" for what in ("before", "after", "healthy", "grid")
    } <= written
    assert "sub-01_desc-syncfmhealthy_T1w.png" not in written
    assert len(page.all("img")) == len(written)
    assert all(image["alt"] for image in page.all("img"))
    assert max(path.stat().st_size for path in (tmp_path / "figures").iterdir()) < 150_000


def test_image_is_named_as_the_user_knows_it(files, tmp_path, undrawn):
    """What is drawn is a copy in the work directory."""
    used = {
        "image": "bids:raw:sub-01/anat/sub-01_acq-b_T1w.nii.gz",
        "mask_source": "m",
        "template": "T",
        "version": "1",
    }
    text = write(files, tmp_path, used=used)
    assert "<dd>sub-01_acq-b_T1w.nii.gz</dd>" in text.replace("\n", "").replace("  ", "")
    assert files["raw"].name not in text


def test_blinking_pictures_name_pictures_of_the_page(files, tmp_path, undrawn):
    page = Page(write(files, tmp_path, methods=[method(files, "metamorph-r", healthy=True)]))
    keys = [image["id"] for image in page.all("img")]
    assert len(keys) == len(set(keys))
    pairs = [button for button in page.all("button") if button.get("class") == "blink"]
    assert len(pairs) == 4
    assert all(button["data-picture"] in keys and button["data-versus"] in keys for button in pairs)


def test_names_notices_and_settings_are_escaped(files, tmp_path, undrawn):
    evil = {"mask_source": EVIL, "template": EVIL, "version": EVIL}
    methods = [method(files, EVIL, **{EVIL: EVIL})]
    text = write(files, tmp_path, scan=EVIL, methods=methods, used=evil, notices=[EVIL])
    assert "<script>alert" not in text
    assert len(Page(text).all("script")) == 1
    assert html.escape(EVIL, quote=False).replace('"', "&#34;") in text
    assert all("<" not in path.name for path in (tmp_path / "figures").iterdir())


def test_summary_says_which_mask_with_its_volume_and_share(files, tmp_path, undrawn):
    text = Page(write(files, tmp_path, notices=["one modality only"])).text
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(files["mask"])))
    brain = sitk.GetArrayFromImage(sitk.ReadImage(str(files["n4"])))
    assert "derivatives/masks" in text and "TINY" in text and "9.9" in text and "one modality only" in text
    assert f"{mask.sum() / 1000:.1f} ml" in text
    assert f"{100 * mask.sum() / brain.sum():.1f} %" in text


def test_scan_without_masks_and_without_methods_has_a_page(files, tmp_path):
    text = write(files, tmp_path, labels=None, aligned_mask=None, methods=[])
    assert "No registration was run." in text and "No sub-regions" in text
    assert not (tmp_path / "figures" / "sub-01_desc-segmentation_T1w.png").exists()


def test_empty_mask_has_a_page(files, tmp_path):
    empty = write_image(sitk.ReadImage(str(files["mask"])) * 0, tmp_path / "empty.nii.gz")
    text = write(files, tmp_path, labels=empty, aligned_mask=empty)
    assert "0.0 ml" in text and "empty segmentation" in text


def test_measures_flag_shrinkage_and_folds_and_mark_the_best(files, tmp_path, undrawn):
    methods = [
        method(files, "a", tumor_volume_ratio=0.5, folds=3, ncc_outside=0.9, surprise="new"),
        method(files, "b", tumor_volume_ratio=0.9, folds=0, ncc_outside=0.8),
    ]
    text = write(files, tmp_path, methods=methods)
    assert "the tumour shrinks by 50 %" in text and "the deformation folds" in text
    assert re.findall(r'class="number[^"]*best">([\d.]+)', text) == ["0", "0.9"]
    assert "surprise" in text and "new" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        ("", "–"),
        (True, "yes"),
        (0, "0"),
        (0.123456, "0.1235"),
        (3050.24, "3050"),
    ],
)
def test_values_are_shown_briefly(value, text):
    assert shown(value) == text


def test_flags_pass_over_what_is_no_number():
    assert flag("tumor_volume_ratio", None) == flag("folds", "n/a") == flag("folds", 0) == ""
    assert flag("status", "excluded")
    assert as_number("inf") is None and as_number("2.5") == 2.5
