"""The tests' graph: results by their final names; a failure is kept and told, and no exception."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from contexts import context_of
from lesion_tables import LesionTable, write_lesion_table
from rich.console import Console

from gliomorph.config.settings import Settings
from gliomorph.interfaces.datasets.template_files import TemplateFiles
from gliomorph.interfaces.group.associations.facts import CLUSTER_COLUMNS, TestResults
from gliomorph.workflows.group.associations import Associations, run_associations

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # event loops that pydra leaves open
    pytest.mark.usefixtures("one_process"),
]
WORDS = ("adiffi:group", "glm:age")


@pytest.fixture
def cohort(tmp_path: Path) -> LesionTable:
    (tmp_path / "bids").mkdir()
    return write_lesion_table(tmp_path / "bids")


def made(
    cohort: LesionTable, console: Console, kinds: list[str] | None = None, **options: Any
) -> tuple[Settings, Associations]:
    root = cohort.table.parents[1]
    folders = {"bids_dir": root / "bids", "output_dir": root / "out", "work_dir": root / "work"}
    given = {"levels": ("group",), "registration": ("affine",), "template": "Tiny", "resolution": 4}
    settings = Settings.of(**folders, **given, permutations=39, **options)
    image = cohort.template
    template = TemplateFiles(image=image, brain=image, fixed=image, fixed_brain=image)
    context = context_of(settings, template, console)
    return settings, run_associations(context, cohort.group_scans(kinds or ()))


def names_of(found: Associations, settings: Settings) -> dict[str, str]:
    """Final names by ``<test>/<key>``."""
    return {
        f"{test}/{key}": name
        for test, names in found.names(settings.processing, settings.testing.correction).items()
        for key, name in names.items()
    }


def test_without_a_word_nothing_is_run(cohort: LesionTable) -> None:
    assert made(cohort, Console(file=io.StringIO()))[1] == Associations()


def test_every_file_has_a_name_and_facts(cohort: LesionTable) -> None:
    settings, found = made(cohort, Console(file=io.StringIO()), tests=WORDS)
    assert found.failure is None and found.problem == ""
    names, files, facts = names_of(found, settings), found.results.files, found.results.facts
    assert names.keys() == files.keys()
    assert len(set(names.values())) == len(names)
    assert len({Path(file).name for file in files.values()}) == len(names)
    stem = "tpl-Tiny/anat/tpl-Tiny_atlas-gliomorph_res-4_contrast-adiffigroup"
    assert names["adiffigroup_WT/clusters"] == f"{stem}_label-WT_desc-fwerclusters_stats.tsv"
    assert facts["adiffigroup_WT"].of_map("clusters").content["Word"] == "adiffi:group"
    assert facts["glmage_WT"].of_map("clusters").content.keys() > CLUSTER_COLUMNS.keys()
    assert list(facts) == ["adiffigroup_WT", "glmage_WT"]


def test_a_failure_is_told_with_its_cause(cohort: LesionTable) -> None:
    console = Console(file=io.StringIO(), width=300)
    settings, found = made(cohort, console, tests=WORDS, min_lesions=40)
    assert found.failure is not None
    assert (found.failure.scan, found.failure.stage) == ("group", "tests WT")
    assert found.problem.startswith("tests WT: voxels with a lesion in at least 40 participants are required")
    assert names_of(found, settings) == {} and found.results == TestResults()
    assert isinstance(console.file, io.StringIO)
    assert "failed WT tests: voxels with a lesion" in console.file.getvalue()


def labelled(cohort: LesionTable) -> list[str]:
    """Kinds: all tumours as labels, of NCR only."""
    return ["dseg"] * len(cohort.scans)


def test_every_region_has_its_files(cohort: LesionTable) -> None:
    settings, found = made(
        cohort, Console(file=io.StringIO()), labelled(cohort), tests=("glm:age",), test_regions=("WT", "NCR")
    )
    assert found.failure is None and list(found.results.facts) == ["glmage_WT", "glmage_NCR"]
    names, results = names_of(found, settings), found.results
    assert len(set(names.values())) == len(names) == len(results.files)
    assert names["glmage_NCR/t"].endswith("_contrast-glmage_stat-t_label-NCR_statmap.nii.gz")
    assert results.facts["glmage_NCR"].of_map("clusters").content["Region"] == "NCR"
    # what follows reads them from one folder, by their endings
    files = [Path(file) for file in results.files.values()]
    assert len({file.name for file in files}) == len(files)
    assert all(file.name.endswith((".nii.gz", ".tsv")) for file in files)


def test_a_region_that_nobody_has_ends_the_tests(cohort: LesionTable) -> None:
    _, found = made(
        cohort, Console(file=io.StringIO()), labelled(cohort), tests=("glm:age",), test_regions=("WT", "ET")
    )
    assert found.results.files == {} and found.problem.startswith(
        "tests ET: voxels with a lesion in at least 5"
    )
    _, found = made(cohort, Console(file=io.StringIO()), tests=("glm:age",), test_regions=("TC",))
    assert "40 participants left out, a plain mask tells nothing of TC" in found.problem
