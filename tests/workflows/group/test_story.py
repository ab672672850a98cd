"""What the page tells of the cohort: the figures of the selection, in words that a paper can take."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from changed_settings import changed
from lesion_tables import made_test

from gliomorph.config.settings import Settings
from gliomorph.interfaces.group.associations.facts import TestResults
from gliomorph.interfaces.group.records import Stratum
from gliomorph.interfaces.group.regions.label_map import Parcel
from gliomorph.interfaces.group.regions.parcellation import Parcellation
from gliomorph.interfaces.group.strata.bins import Finding
from gliomorph.interfaces.group.strata.groups import Stratification
from gliomorph.interfaces.reports.group.story import Story
from gliomorph.workflows.group.associations import Associations
from gliomorph.workflows.group.members import Selection
from gliomorph.workflows.group.regions import Regional
from gliomorph.workflows.group.story import CITATIONS, citations_of, story_of

WOMEN = Stratum(label="sexF", column="sex", description="sex = 'F'", participants=("1", "2"))
MEN = Stratum(label="sexM", column="sex", description="sex = 'M'", participants=("3",))
STRATA = Stratification(strata=(WOMEN,))
NONE, NOWHERE = Associations(), Regional()
FLOW = [("in the dataset", 9), ("valid", 7), ("passed", 6), ("in the atlas", 5)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "bids").mkdir()
    folders = {"bids_dir": tmp_path / "bids", "output_dir": tmp_path / "out", "work_dir": tmp_path / "work"}
    return Settings.of(**folders, registration=("syn-cfm",), template="SRI24", strata=("sex",))


def told(
    settings: Settings,
    strata: Stratification = STRATA,
    tests: Associations = NONE,
    regional: Regional = NOWHERE,
) -> Story:
    selection = Selection(inputs=[], excluded=[], flow=FLOW)
    return story_of(settings, [], selection, strata, tests, regional)


def test_page_is_told_the_flow_the_strata_and_the_notices(settings: Settings) -> None:
    notices = (Finding(kind="constant", text="one thing"),)
    story = told(settings, attrs.evolve(STRATA, notices=notices))
    assert story.flow == tuple(FLOW)
    (women,) = story.strata
    assert (women.label, women.name, women.people) == ("sexF", "sex = 'F'", "2 participants")
    assert women.folder == "tpl-SRI24/cohort-sexF/anat"
    assert story.notices == ("one thing",)
    assert (story.warning, story.contrasts) == ("", {})
    story = told(settings, Stratification(strata=(WOMEN, MEN)))
    assert story.contrasts == {"sexMVSsexF": "sex = 'M' against sex = 'F'"}


def test_methods_paragraph_has_the_figures_and_cites_what_is_listed(settings: Settings) -> None:
    text = told(settings).methods
    assert "Of 9 scans, 7 had a valid registration, 6 passed the quality gate, and 5 were used" in text
    assert "registration by syn-cfm [3]" in text
    assert "Voxels that fewer than 50% of them cover were left out." in text
    assert "In strata, frequencies of fewer than 5 were withheld." in text
    assert "sex = 'F' (2)" in text
    assert "withheld" not in told(settings, Stratification()).methods
    text_of_asked = told(changed(settings, min_cell=4), Stratification()).methods
    assert "Frequencies of fewer than 4 participants were withheld." in text_of_asked
    for number, author in ((1, "Maillard"), (2, "Tustison"), (3, "Avants"), (4, "Rohlfing"), (5, "Wilson")):
        assert f"[{number}]" in text and CITATIONS[number - 1].startswith(author)


def test_regions_are_told_apart_from_strata(settings: Settings) -> None:
    left = Parcel(label="left", name="left hemisphere")
    parcellation = Parcellation(
        name="hemispheres", path=Path("none"), parcels=(left,), sizes=(9,), voxel_ml=1.0, digest="a"
    )
    region = Stratum(
        label="regionleft",
        column="--parcellation",
        description="tumour in 'left hemisphere'",
        participants=tuple("12345"),
    )
    regional = Regional(parcellation=parcellation, found=Stratification(strata=(region,)))
    story = told(settings, regional=regional)
    assert story.regions is not None and story.regions.name == "hemispheres"
    (group,) = story.regions.groups
    assert (group.label, group.name, group.people) == ("regionleft", "left hemisphere", "5 participants")
    assert [stratum.label for stratum in story.strata] == ["sexF"]
    assert "Regions with maps: tumour in 'left hemisphere' (5 participants)." in story.methods
    assert "In regions, what fewer than 5 participants share was withheld." in story.methods
    without = told(settings)
    assert without.regions is None and "egions with maps" not in without.methods


def test_tests_are_told_and_their_references_follow_those_of_the_atlas(settings: Settings) -> None:
    sizes = {"idh = 'mutant'": 12, "idh = 'wildtype'": 18}
    first, second = made_test("adiffi", "idh", sizes=sizes, tfce=True), made_test("glm")
    files = ["a_WT/z", "a_WT/logp", "b_WT/logp"]
    results = TestResults(files=dict.fromkeys(files), facts={"a_WT": first, "b_WT": second})
    found = Associations(results=results)
    story = told(settings, Stratification(), found)
    citations = citations_of(found)
    assert citations[:5] == CITATIONS and story.used.citations == citations
    assert [text.split()[0] for text in citations[5:]] == ["Ellingson", "Nichols", "Smith", "Winkler"]
    assert (
        " after threshold-free cluster enhancement, 1000 permutations, p ≤ 0.05 [6, 7, 8]." in story.methods
    )
    assert story.methods.endswith("permutation, 1000 permutations, p ≤ 0.05 [9, 7].")
    assert (
        "of idh at every voxel with at least 5 lesioned and as many spared of 30 participants (12 idh = 'mutant'"
        in story.methods
    )
    assert [(test.label, test.facts) for test in story.tests] == [("a_WT", first), ("b_WT", second)]
    stem = "tpl-SRI24/anat/tpl-SRI24_atlas-gliomorph_res-1_contrast-a_stat"
    assert story.tests[0].names["z"] == f"{stem}-z_label-WT_statmap.nii.gz"
    assert story.tests_problem == ""
