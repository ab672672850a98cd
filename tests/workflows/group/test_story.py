"""What the page tells of the cohort: the figures of the selection, in words that a paper can take."""

from __future__ import annotations

from pathlib import Path

import pytest
from changed_settings import changed

from gliomorph.config.settings import Settings
from gliomorph.interfaces.group.strata.groups import Finding
from gliomorph.workflows.group.associations import Associations
from gliomorph.workflows.group.members import Selection
from gliomorph.workflows.group.story import CITATIONS, citations_of, story_of

STRATA = [{"label": "sexF", "column": "sex", "description": "sex = 'F'", "scans": ["sub-1", "sub-2"]}]
NONE = Associations()
FLOW = [("in the dataset", 9), ("valid", 7), ("passed", 6), ("in the atlas", 5)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "bids").mkdir()
    folders = {"bids_dir": tmp_path / "bids", "output_dir": tmp_path / "out", "work_dir": tmp_path / "work"}
    return Settings.of(**folders, registration=("syn-cfm",), template="SRI24", strata=("sex",))


def test_page_is_told_the_flow_the_strata_and_the_notices(settings: Settings) -> None:
    selection = Selection(inputs=[], excluded=[], flow=FLOW)
    told = story_of(
        settings, selection, STRATA, [Finding(kind="constant", text="one thing")], "syn-cfm", NONE
    )
    assert told["flow"] == [list(step) for step in FLOW]
    folder = "tpl-SRI24/cohort-sexF/anat"
    assert told["strata"] == [
        {"label": "sexF", "description": "sex = 'F'", "people": "2 participants", "folder": folder}
    ]
    assert told["notices"] == ["one thing"]
    assert (told["warning"], told["contrasts"]) == ("", [])
    men = {"label": "sexM", "column": "sex", "description": "sex = 'M'", "scans": ["sub-3"]}
    told = story_of(settings, selection, [*STRATA, men], [], "syn-cfm", NONE)
    assert told["contrasts"] == [{"label": "sexMVSsexF", "description": "sex = 'M' against sex = 'F'"}]


def test_methods_paragraph_has_the_figures_and_cites_what_is_listed(settings: Settings) -> None:
    selection = Selection(inputs=[], excluded=[], flow=FLOW)
    text = story_of(settings, selection, STRATA, [], "syn-cfm", NONE)["methods"]
    assert "Of 9 scans, 7 had a valid registration, 6 passed the quality gate, and 5 were used" in text
    assert "Voxels that fewer than 50% of them cover were left out." in text
    assert "In strata, frequencies of fewer than 5 were withheld." in text
    assert "sex = 'F' (2)" in text
    assert "withheld" not in story_of(settings, selection, [], [], "syn-cfm", NONE)["methods"]
    asked = changed(settings, min_cell=4)
    text_of_asked = story_of(asked, selection, [], [], "syn-cfm", NONE)["methods"]
    assert "Frequencies of fewer than 4 participants were withheld." in text_of_asked
    for number, author in ((1, "Maillard"), (2, "Tustison"), (3, "Avants"), (4, "Rohlfing"), (5, "Wilson")):
        assert f"[{number}]" in text and CITATIONS[number - 1].startswith(author)


def test_regions_are_told_apart_from_strata(settings: Settings) -> None:
    selection = Selection(inputs=[], excluded=[], flow=FLOW)
    region = {"label": "regionleft", "description": "tumour in 'left hemisphere'", "people": "5 participants"}
    regions = {"name": "hemispheres", "notices": [], "regions": [region]}
    told = story_of(settings, selection, STRATA, [], "syn-cfm", NONE, regions)
    assert told["regions"] == regions
    assert [stratum["label"] for stratum in told["strata"]] == ["sexF"]
    assert "Regions with maps: tumour in 'left hemisphere' (5 participants)." in told["methods"]
    assert "In regions, what fewer than 5 participants share was withheld." in told["methods"]
    without = story_of(settings, selection, STRATA, [], "syn-cfm", NONE)
    assert without["regions"] == {} and "egions with maps" not in without["methods"]


FACTS = {
    "Test": "Fisher's exact test, two-sided",
    "Column": "idh",
    "SampleSize": 30,
    "GroupSizes": {"idh = 'mutant'": 12, "idh = 'wildtype'": 18},
    "Region": "WT",
    "MinimumLesions": 5,
    "Covariates": [],
    "TFCE": True,
    "Correction": "family-wise error",
    "Permutations": 1000,
    "Threshold": 0.05,
    "References": ["Ellingson", "Nichols"],
}


def test_tests_are_told_and_their_references_follow_those_of_the_atlas(settings: Settings) -> None:
    other = FACTS | {"Column": "age", "References": ["Winkler", "Nichols"]}
    facts = {"a_WT/z": FACTS, "a_WT/logp": FACTS, "b_WT/logp": other}
    found = Associations(files=dict.fromkeys(facts), facts=facts)
    selection = Selection(inputs=[], excluded=[], flow=FLOW)
    told = story_of(settings, selection, [], [], "syn-cfm", found)
    assert citations_of(found) == [*CITATIONS, "Ellingson", "Nichols", "Winkler"]
    assert told["methods"].endswith(
        "family-wise error after threshold-free cluster enhancement, 1000 permutations, p ≤ 0.05 [8, 7]."
    )
    assert (
        "of idh at every voxel with at least 5 lesioned and as many spared of 30 participants (12 idh = 'mutant'"
        in told["methods"]
    )
    assert [(test["label"], test["facts"]) for test in told["tests"]] == [("a_WT", FACTS), ("b_WT", other)]
    stem = "tpl-SRI24/anat/tpl-SRI24_atlas-gliomorph_res-1_contrast-a_stat"
    assert told["tests"][0]["names"]["z"] == f"{stem}-z_label-WT_statmap.nii.gz"
    assert told["tests_problem"] == ""
