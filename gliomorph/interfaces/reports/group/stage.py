"""The cohort's page as a stage."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ....models.small_cells import EVERYBODY
from ...files.images import read_image
from ...task import task
from .associations import sections_of_tests
from .regions import section_of_regions
from .report import cohort_report
from .story import Story
from .viewer import write_viewer


def cohort_page(
    story: Story,
    template: Path,
    maps: dict[str, Path],
    tests: dict[str, Path],
    quality: Path,
    parcellation: Path | None,
) -> tuple[Path, list[Path]]:
    """``gliomorph.html``, and the viewer that it shows.

    Parameters
    ----------
    story : Story
        All texts.
    template : Path
        On its full grid.
    maps : dict of str to Path
        By ``<stratum>/<key>``.
    tests : dict of str to Path
        Maps and tables of clusters by ``<test>/<key>``.
    quality : Path
        ``group_quality.tsv``.
    parcellation : Path or None
        ``group_parcellation.tsv``, where there are regions.

    Returns
    -------
    page : Path
        HTML.
    viewers : list of Path
        HTML: the viewer of WT's frequency; none where that is 0 everywhere.
    """
    whole, background = maps.get(f"{EVERYBODY}/frequency_WT"), read_image(template)
    written = write_viewer(whole, template, Path.cwd() / story.viewer) if whole else None
    regions = None
    if story.regions is not None and parcellation is not None:
        regions = section_of_regions(background, story.regions, maps, parcellation)
    page = cohort_report(
        Path.cwd() / "gliomorph.html",
        story,
        background,
        maps,
        pd.read_csv(quality, sep="\t", dtype={"participant_id": str, "session_id": str}),
        sections_of_tests(background, story.tests, tests),
        regions,
        viewer=written is not None,
    )
    return page, [written] if written else []


CohortPage = task(cohort_page, "page", "viewers")
