"""The cohort's page shows the atlas, every scan's quality with flags, and who was left out and why."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, read_image, write_image
from gliomorph.interfaces.reports import figures
from gliomorph.interfaces.reports.group import report
from gliomorph.interfaces.reports.group.story import Excluded, Group, Story, Used

EVIL = 'sub-<script>alert("x")</script>'


def plain(text: str) -> str:
    """The page's text without tags, scripts and styles."""
    return re.sub(r"<[^>]+>", "", re.sub(r"(?s)<(script|style)>.*?</\1>", "", text))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are left empty where a test looks only at the page's words: drawing takes most of the time."""
    monkeypatch.setattr(figures, "_draw", lambda *_: b"")
    monkeypatch.setattr(report, "slice_strips", lambda *_: [])


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny template, a frequency map with its peak at voxel (7, 9, 10), a coverage mask; read only.

    What is not known everywhere is NaN elsewhere.
    """
    folder = tmp_path_factory.mktemp("maps")
    grid = sitk.Image([20, 24, 18], sitk.sitkUInt8)
    x, y, z = np.indices(grid.GetSize())
    ball = ((x - 10) ** 2 + (y - 12) ** 2 + (z - 9) ** 2 < 64).astype(np.float32)
    distance = (x - 7) ** 2 + (y - 9) ** 2 + (z - 10) ** 2
    frequency = 0.4 * np.exp(-distance / 8)
    arrays = {
        "template": ball,
        "frequency": frequency,
        "coverage": ball,
        "empty": 0 * ball,
        "odds": np.where(frequency < 0.1 / 20, np.nan, 20 * frequency),
        "log": np.where(frequency < 0.1, np.nan, frequency - 0.2),
    }
    return {
        name: write_image(from_array(array.astype(np.float32), grid), folder / f"{name}.nii.gz")
        for name, array in arrays.items()
    }


def table(count: int = 10, **changed: object) -> pd.DataFrame:
    """Inconspicuous rows, and one that is changed."""
    rows = [
        {
            "participant_id": f"sub-{i:02d}",
            "session_id": "ses-pre" if i else None,
            "method": "syn-cfm",
            "tumor_volume_ratio": 0.95,
            "ncc_outside": 0.9 + 0.001 * i,
            "folds": 0,
            "status": "ok",
        }
        for i in range(count)
    ]
    rows[0].update(changed)
    return pd.DataFrame(rows)


USED = Used(
    version="0",
    template="TINY",
    registration="syn, on its own",
    scans=10,
    citations=("Somebody 2020",),
)


def write(
    maps: dict[str, Path],
    folder: Path,
    quality: pd.DataFrame | None = None,
    given: dict[str, str] | None = None,
    shown: bool = False,
    **story: object,
) -> str:
    """The tiny cohort's page; ``given`` are the maps that there are, ``story`` are texts that are changed."""
    given = {"all/frequency_WT": "frequency", "all/coverage": "coverage", "all/mean": "template"} | (
        given or {}
    )
    return report.cohort_report(
        folder / "gliomorph.html",
        Story(**{"title": "Tiny atlas", "used": USED, **story}),
        read_image(maps["template"]),
        {key: maps[name] for key, name in given.items() if name},
        table() if quality is None else quality,
        viewer=shown,
    ).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def drawn(maps: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with pictures of every kind."""
    given = {
        "sexF/frequency_WT": "frequency",
        "sexMVSsexF/oddsratio_WT": "odds",
        "all/logjacobian_mean": "log",
    }
    texts = story(contrasts={"sexMVSsexF": "men against <women>"})
    return write(maps, tmp_path_factory.mktemp("drawn"), given=given, **texts)


def test_page_shows_the_maps_and_loads_nothing(drawn):
    text = drawn
    images = re.findall(r'<img id="([^"]*)" src="data:image/png;base64,[^"]+" alt="[^"]+"', text)
    assert images[:3] == ["frequency-WT", "coverage", "mean"]
    strips = re.findall(r'<img src="data:image/webp;base64,[^"]+"', text)
    assert len(strips) == 3, "sliders of three planes"
    assert text.count("<img") == len(images) + 3
    assert "highest 40.0 % at -7, -9, 10 mm" in text  # RAS; the tiny grid is LPS
    assert "Somebody 2020" in text
    assert "<dt>Registration</dt><dd>syn, on its own</dd>" in text
    assert not re.search(r"url\(|@import|https?://", re.sub(r'"data:[^"]*"', "", text))


def test_headline_counts_scans_not_rows(maps, tmp_path, undrawn):
    quality = pd.concat([table(), table().assign(method="rigid")])
    excluded = [
        Excluded(scan="sub-03_ses-pre", stage="measure", cause="folds"),
        Excluded(scan="sub-99", cause="n4"),
    ]
    text = plain(write(maps, tmp_path, quality=quality, excluded=excluded))
    assert re.search(r"9\s+scans in the atlas,\s+2\s+left out", text)
    assert "sub-99" in text


def test_flags_are_highlighted(maps, tmp_path, undrawn):
    assert not re.search(r"<td[^>]*flagged", write(maps, tmp_path))
    quality = table(tumor_volume_ratio=0.69, folds=2, status="excluded", ncc_outside=0.2)
    text = write(maps, tmp_path, quality=quality)
    for reason in (
        "the tumour shrinks by 31 %",
        "the deformation folds",
        "not in the atlas",
        "far from the others",
    ):
        assert f"⚠ {reason}" in text
    assert re.search(r"1\s+row of the", plain(text))


def test_few_scans_have_no_outliers(maps, tmp_path, undrawn):
    assert "far from the others</small>" not in write(maps, tmp_path, quality=table(5, ncc_outside=0.2))


@pytest.mark.parametrize("column", ["seconds", "peak_memory_gb"])
def test_what_a_scan_has_cost_flags_nothing(maps, tmp_path, undrawn, column):
    assert "far from the others</small>" not in write(maps, tmp_path, quality=table(**{column: 99.0}))


def test_columns_that_are_not_known_and_missing_values_are_shown(maps, tmp_path, undrawn):
    text = write(maps, tmp_path, quality=table().assign(novelty=3.5, dice_ventricles=np.nan))
    assert "novelty" in text and 'data-value="3.5"' in text
    assert '<td data-value="" class="">–' in text


def test_rows_link_to_the_scans_pages(maps, tmp_path, undrawn):
    pages = {
        "sub-00": "sub-00.html",
        "sub-01_ses-pre": "a b/sub-01.html",
        "sub-02_ses-pre": "javascript:alert(1)",
    }
    links = re.findall(r'<a href="([^"]*)"', write(maps, tmp_path, pages=pages))
    assert {"sub-00.html", "a%20b/sub-01.html", "group_quality.tsv", "group_regions.tsv"} <= set(links)
    assert not any(link.startswith("javascript:") for link in links)


def test_everything_is_escaped(maps, tmp_path, undrawn):
    quality = table(participant_id=EVIL, method=EVIL, status=EVIL).assign(**{EVIL: EVIL})
    excluded = [Excluded(scan=EVIL, stage=EVIL, cause=EVIL)]
    used = Used(version=EVIL, template=EVIL, registration=EVIL, scans=1, citations=(EVIL,))
    given = {"all/frequency_WT": "", f"all/frequency_{EVIL}": "frequency"}
    text = write(maps, tmp_path, quality, given, title=EVIL, excluded=excluded, used=used)
    assert "<script>alert" not in text
    assert text.count("<script") == 1


def test_cohort_without_scans_has_a_page(maps, tmp_path):
    nothing = {"all/frequency_WT": "", "all/coverage": "", "all/mean": ""}
    excluded = [Excluded(scan="sub-1", stage="query", cause="no T1w")]
    text = write(maps, tmp_path, pd.DataFrame(), nothing, excluded=excluded)
    assert "No scan has been measured." in text and "No maps" in text and "no T1w" in text


def test_empty_map_is_drawn(maps, tmp_path):
    given = {"all/frequency_WT": "empty", "all/coverage": "", "all/mean": ""}
    assert "WT (whole tumour): empty, or withheld everywhere." in write(maps, tmp_path, given=given)


def story(**changed: object) -> dict[str, object]:
    """Two strata, of which one has a map."""
    sexes = (("F", 6), ("M", 5))
    strata = [
        Group(
            label=f"sex{sex}",
            name=f"sex = '{sex}'",
            participants=count,
            folder=f"tpl-TINY/cohort-sex{sex}/anat",
        )
        for sex, count in sexes
    ]
    return {
        "flow": (("in the dataset", 14), ("in the atlas", 11)),
        "strata": strata,
        "notices": ("1 participant in no bin of 'age': missing",),
        "methods": "We did [1].",
        **changed,
    }


def test_strata_stand_beside_everybody(maps, tmp_path, undrawn):
    text = write(maps, tmp_path, given={"sexF/frequency_WT": "frequency"}, **story())
    images = re.findall(r'<img id="([^"]*)"', text)
    assert images == ["frequency-WT", "coverage", "mean", "stratum-all", "stratum-sexF"]
    assert '<a href="tpl-TINY/cohort-sexM/anat">maps</a>' in text
    assert "1 participant in no bin of" in text
    assert "Odds ratio" not in text


def test_strata_are_drawn(drawn):
    for name in ("all", "sexF"):
        assert f'<img id="stratum-{name}" src="data:image/png;base64,iVBOR' in drawn


def test_contrasts_are_drawn_where_they_are_known(drawn):
    assert '<img id="contrast-sexMVSsexF" src="data:image/png;base64,iVBOR' in drawn
    assert "Odds ratio of WT, men against &lt;women&gt;." in drawn


def test_flow_causes_methods_and_tables_are_told(maps, tmp_path, undrawn):
    excluded = [
        Excluded(scan="sub-1", stage="measure", cause="warped brain overlaps by 0.41 only (Dice)"),
        Excluded(scan="sub-2", stage="measure", cause="warped brain overlaps by 0.56 only (Dice)"),
        Excluded(scan="sub-3", stage="n4", cause="too dark"),
    ]
    text = write(maps, tmp_path, excluded=excluded, **story())
    assert '<tr><th scope="row">in the atlas</th><td class="number">11</td></tr>' in text
    assert "2 at measure: warped brain overlaps by … only (Dice)" in text
    assert "1 at n4: too dark" in text
    assert "<blockquote>We did [1].</blockquote>" in text
    assert '<a href="group_patients.tsv">' in text


def test_deformation_that_is_not_known_everywhere_is_drawn(drawn):
    assert '<img id="logjacobian" src="data:image/png;base64,iVBOR' in drawn


def test_the_page_of_a_small_cohort_warns(maps, tmp_path, undrawn):
    assert 'class="notice"' not in write(maps, tmp_path, **story())
    text = write(maps, tmp_path, **story(warning="3 patients: do not share"))
    assert '<p class="notice" role="note">3 patients: do not share.</p>' in text


def test_the_story_is_escaped(maps, tmp_path, undrawn):
    strata = [Group(label="x", name=EVIL, participants=3, folder="javascript:alert(1)")]
    texts = story(
        flow=[(EVIL, 1)], strata=strata, notices=[EVIL], methods=EVIL, excluded=[Excluded(cause=EVIL)]
    )
    text = write(maps, tmp_path, given={"x/frequency_WT": "frequency"}, **texts)
    assert "<script>alert" not in text and 'href="javascript:' not in text


def test_the_viewer_is_shown_and_can_be_opened_by_itself(maps, tmp_path, undrawn):
    text = write(maps, tmp_path, shown=True, viewer="figures/all maps.html")
    assert re.search(r'<iframe [^>]*src="figures/all%20maps.html"[^>]*loading="lazy"', text)
    assert '<a href="figures/all%20maps.html">Open the viewer by itself</a>' in text
    assert "No viewer" not in text


def test_the_page_says_that_there_is_no_viewer(maps, tmp_path, undrawn):
    text = write(maps, tmp_path, given={"all/frequency_WT": "empty"})
    assert "No viewer: the map of whole tumours is empty, or withheld everywhere." in text
    assert "<iframe" not in text
