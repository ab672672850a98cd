"""The page's section of regions: pictures of what may be shown, the table, and nothing unescaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, read_image, write_image
from gliomorph.interfaces.group.regions.tables import write_parcellation
from gliomorph.interfaces.reports import figures
from gliomorph.interfaces.reports.group.regions import section_of_regions
from gliomorph.interfaces.reports.group.report import cohort_report
from gliomorph.interfaces.reports.group.story import Group, Regions, Story, Used

EVIL = '<script>alert("x")</script>'
COLUMNS = ("label", "name", "volume_ml", "participants", "participants_touching", "share_involved_mean")
ROWS = [
    dict(zip(COLUMNS, row, strict=True))
    for row in (("A", EVIL, 10.0, 7, 9, 0.25), ("B", "NA", 5.0, None, None, None))
]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    """A template, maps of one region, and the table."""
    grid = sitk.Image([20, 24, 18], sitk.sitkUInt8)
    x, y, z = np.indices(grid.GetSize())
    ball = ((x - 10) ** 2 + (y - 12) ** 2 + (z - 9) ** 2 < 64).astype(np.float32)
    unknown = np.where(ball > 0, 0.1, np.nan).astype(np.float32)
    arrays = {"template": ball, "frequency_WT": 0.4 * ball, "shape": ball}
    arrays |= {"logjacobian_mean": unknown, "logjacobian_sd": unknown}
    maps = {
        name: write_image(from_array(values, grid), tmp_path / f"{name}.nii.gz")
        for name, values in arrays.items()
    }
    return {
        "template": maps.pop("template"),
        "maps": {f"regionA/{key}": path for key, path in maps.items()},
        "table": write_parcellation(ROWS, tmp_path / "group_parcellation.tsv"),
    }


def section(files: dict[str, Any], **changes: Any) -> dict[str, Any]:
    region = Group(label="regionA", name=EVIL, participants=7, folder="javascript:alert(1)")
    regions = Regions(**{"name": EVIL, "notices": (EVIL,), "groups": (region,), **changes})
    return section_of_regions(read_image(files["template"]), regions, files["maps"], files["table"])


def page(files: dict[str, Any], folder: Path, regions: dict[str, Any] | None) -> str:
    used = Used(version="0", template="Tiny", registration="syn", scans=0, citations=())
    template = read_image(files["template"])
    path = cohort_report(
        folder / "gliomorph.html", Story(title="Tiny", used=used), template, {}, pd.DataFrame(), (), regions
    )
    return path.read_text(encoding="utf-8")


def test_every_map_of_a_region_is_drawn_once(files: dict[str, Any]) -> None:
    (region,) = section(files)["regions"]
    keys = [picture.key for picture in region["pictures"]]
    assert keys == [f"regionA-{what}" for what in ("frequency", "shape", "logjacobian", "spread")]


def test_a_map_that_is_withheld_everywhere_says_so(
    files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_draw", lambda *_: b"")
    path = files["maps"]["regionA/frequency_WT"]
    write_image(read_image(path) * 0, path)
    (region,) = section(files)["regions"]
    said = ["withheld everywhere, or empty" in picture.caption for picture in region["pictures"]]
    assert said == [True, False, False, False]


def test_maps_that_are_withheld_are_not_missed(
    files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_draw", lambda *_: b"")
    files["maps"] = {}
    (region,) = section(files)["regions"]
    assert region["pictures"] == []


def test_the_table_tells_shares_in_percent_and_what_is_withheld_as_a_dash(files: dict[str, Any]) -> None:
    first, second = section(files)["rows"]
    assert first == [EVIL, "10", "7", "9", "25"]
    # a region of that name is no missing value
    assert second == ["NA", "5", "–", "–", "–"]


def test_the_page_links_the_table_and_escapes_names(
    files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_draw", lambda *_: b"")
    text = page(files, tmp_path, section(files))
    assert '<a href="#regions">Regions</a>' in text
    assert '<a href="group_parcellation.tsv">' in text
    assert "<script>alert" not in text and 'href="javascript:' not in text
    assert len(re.findall(r'<img id="regionA-', text)) == 4


def test_a_page_without_a_parcellation_has_no_such_section(
    files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_draw", lambda *_: b"")
    text = page(files, tmp_path, None)
    assert "#regions" not in text and "By region" not in text and "group_parcellation" not in text


def test_without_a_region_to_show_the_page_says_so(
    files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_draw", lambda *_: b"")
    assert "No maps: no region has enough participants." in page(files, tmp_path, section(files, groups=()))
