"""The cohort's page as a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from fileformats.generic import File

from ....models.atlas import EVERYBODY
from ...files.images import read_image
from ...task import task
from .associations import sections_of_tests
from .regions import section_of_regions
from .report import cohort_report
from .viewer import write_viewer


def cohort_page(
    title: str,
    quality: Path,
    excluded: list[dict[str, str]],
    template: Path,
    maps: dict[str, File],
    pages: dict[str, str],
    used: dict[str, Any],
    story: dict[str, Any],
    tests: dict[str, File],
    viewer: str,
    parcellation: Path | None,
) -> tuple[Path, list[File]]:
    """``gliomorph.html``, and the viewer that it shows.

    Parameters
    ----------
    title : str
        Heading.
    quality : Path
        ``group_quality.tsv``.
    excluded : list of dict
        ``scan``, ``stage`` and ``cause`` of those that are not in the atlas.
    template : Path
        On its full grid.
    maps : dict of str to File
        By ``<stratum>/<key>``.
    pages : dict of str to str
        Scan to its page, relative to the output folder.
    used : dict
        Settings.
    story : dict
        As for :func:`~gliomorph.interfaces.reports.group.report.cohort_report`, and ``tests``, as for
        :func:`~gliomorph.interfaces.reports.group.associations.sections_of_tests`, and ``regions``, as for
        :func:`~gliomorph.interfaces.reports.group.regions.section_of_regions`.
    tests : dict of str to File
        Maps and tables of clusters by ``<test>/<key>``.
    viewer : str
        Where the viewer will be, relative to the page.
    parcellation : Path or None
        ``group_parcellation.tsv``, where there are regions.

    Returns
    -------
    page : Path
        HTML.
    viewers : list of File
        HTML: the viewer of WT's frequency; none where that is 0 everywhere.
    """
    frequency = _frequencies(maps, EVERYBODY)
    written = (
        write_viewer(frequency["WT"], Path(template), Path.cwd() / viewer) if "WT" in frequency else None
    )
    background = read_image(template)
    regions = (
        section_of_regions(background, story["regions"], maps, parcellation)
        if parcellation is not None
        else None
    )
    page = cohort_report(
        out_file=Path.cwd() / "gliomorph.html",
        title=title,
        quality=pd.read_csv(quality, sep="\t", dtype={"participant_id": str, "session_id": str}),
        excluded=excluded,
        template=Path(template),
        frequency=frequency,
        coverage=_path(maps, f"{EVERYBODY}/coverage"),
        mean_image=_path(maps, f"{EVERYBODY}/mean"),
        pages=pages,
        used=used,
        log_jacobian=_path(maps, f"{EVERYBODY}/logjacobian_mean"),
        strata=_by_label(maps, story["strata"], "frequency_WT"),
        contrasts=_by_label(maps, story["contrasts"], "oddsratio_WT"),
        tests=sections_of_tests(background, story["tests"], tests),
        story=story,
        regions=regions,
        viewer=viewer if written else "",
    )
    return page, [File(written)] if written else []


def _frequencies(maps: Mapping[str, File], stratum: str) -> dict[str, Path]:
    """Frequency maps of a stratum by region."""
    start = f"{stratum}/frequency_"
    return {key.removeprefix(start): Path(path) for key, path in maps.items() if key.startswith(start)}


def _by_label(maps: Mapping[str, File], told: Sequence[Mapping[str, Any]], key: str) -> dict[str, Path]:
    """One map of every stratum or contrast that has it."""
    found = {row["label"]: _path(maps, f"{row['label']}/{key}") for row in told}
    return {label: path for label, path in found.items() if path is not None}


def _path(maps: Mapping[str, File], key: str) -> Path | None:
    return Path(maps[key]) if key in maps else None


CohortPage = task(cohort_page, "page", "viewers")
