"""The parcellation of a run: refused before anything is computed, or regions with their scans and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import parcels
import pytest
from contexts import context_of

from gliomorph.config.option import SettingsError
from gliomorph.config.settings import Settings
from gliomorph.interfaces.datasets.template_files import TemplateFiles
from gliomorph.interfaces.files.images import read_image
from gliomorph.interfaces.group.records import GroupScan, Stratum
from gliomorph.interfaces.group.strata.groups import Stratification
from gliomorph.workflows.checks.atlas import atlas_notices
from gliomorph.workflows.group.regions import Regional, run_regional

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # event loops that pydra leaves open
    pytest.mark.usefixtures("one_process"),
]
PLACES = [(-30, -30, 0), (30, 30, 0), (-28, 25, 5)]
"""From the brain's centre, LPS: two on the right, one on the left."""


@pytest.fixture(scope="module")
def template(template_home: Path, tmp_path_factory: pytest.TempPathFactory) -> TemplateFiles:
    return parcels.prepared(template_home, tmp_path_factory.mktemp("work"))


def settings(root: Path, **options: Any) -> Settings:
    (root / "bids").mkdir(exist_ok=True)
    folders = {"bids_dir": root / "bids", "output_dir": root / "out", "work_dir": root / "work"}
    given = {"levels": ("group",), "registration": ("affine",), "template": "Tiny", "resolution": 4}
    return Settings.of(**folders, **{**given, "parcellation": "hemispheres", "min_cell": 1, **options})


def run(
    root: Path,
    template: TemplateFiles,
    strata: Stratification | None = None,
    damaged: bool = False,
    **options: Any,
) -> Regional:
    asked = settings(root, **options)
    tumors = parcels.write_tumors(root / "in", read_image(template.image), [np.array(p) for p in PLACES])
    if damaged:
        tumors[1].write_bytes(b"nothing")
    scans = [
        GroupScan(label=label, kind="dseg", key=label, files={"tumor": path})
        for label, path in zip(("sub-1_ses-a", "sub-2", "sub-3"), tumors, strict=True)
    ]
    return run_regional(context_of(asked, template), strata or Stratification(), scans)


def test_regions_have_the_scans_of_their_tumours(tmp_path: Path, template: TemplateFiles) -> None:
    found = run(tmp_path, template)
    assert found.problem == ""
    left, right = found.found.published
    assert (left.label, left.participants) == ("regionleft", ("2",))
    assert (right.label, right.participants) == ("regionright", ("1", "3"))
    assert found.parcellation is not None
    assert right.column == "--parcellation" and found.parcellation.facts["Name"] == "hemispheres"
    assert found.columns["sub-1_ses-a"]["region"] == "right"
    assert found.table is not None
    assert (Path(found.table).read_text().splitlines()[1]).startswith("left\tleft hemisphere\t")
    story = found.story("Tiny")
    assert story is not None
    assert [(group.name, group.people, group.folder) for group in story.groups] == [
        ("left hemisphere", "1 participant", "tpl-Tiny/cohort-regionleft/anat"),
        ("right hemisphere", "2 participants", "tpl-Tiny/cohort-regionright/anat"),
    ]


def test_small_regions_are_withheld_and_told(tmp_path: Path, template: TemplateFiles) -> None:
    found = run(tmp_path, template, min_cell=None)
    assert found.found.published == ()
    story = found.story("Tiny")
    assert story is not None
    assert "no maps of tumour in 'left hemisphere': 1 participant, fewer than 5" in story.notices


def test_without_the_option_nothing_is_run(tmp_path: Path, template: TemplateFiles) -> None:
    assert run(tmp_path, template, parcellation="") == Regional()
    assert Regional().story("Tiny") is None


def test_labels_that_strata_have_are_refused(tmp_path: Path, template: TemplateFiles) -> None:
    stratum = Stratum(label="regionLeft", column="region", description="", participants=("1",))
    found = run(tmp_path, template, Stratification(strata=(stratum,)))
    assert found.problem.startswith("--strata and --parcellation would both make 'regionleft'")


def test_a_failure_is_told_with_its_cause(tmp_path: Path, template: TemplateFiles) -> None:
    found = run(tmp_path, template, damaged=True)
    assert found.problem.startswith("places: tumor1.nii.gz: cannot be read")
    assert found.table is None


def test_what_cannot_be_used_is_refused_at_the_start(tmp_path: Path, template: TemplateFiles) -> None:
    with pytest.raises(SettingsError, match="No lobes come with the templates: give hemispheres"):
        context_of(settings(tmp_path, parcellation="lobes"), template)


def test_the_option_has_no_effect_without_the_group_level(tmp_path: Path, template: TemplateFiles) -> None:
    asked = settings(tmp_path, levels=("participant",))
    assert context_of(asked, template).parcellation is None
    assert "--parcellation has no effect without the level group" in atlas_notices(asked)
