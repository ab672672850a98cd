"""The cohort's page as a stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from fileformats.generic import File

from .cohort_report import cohort_report
from .task import task


def cohort_page(
    title: str,
    quality: Path,
    excluded: list[dict[str, str]],
    template: Path,
    frequency: dict[str, File],
    coverage: Path,
    mean: Path,
    pages: dict[str, str],
    used: dict[str, Any],
) -> Path:
    """``gliomorph.html``.

    Parameters
    ----------
    title : str
        Heading.
    quality : Path
        ``group_quality.tsv``.
    excluded : list of dict
        ``scan``, ``stage`` and ``cause`` of those that are not in the atlas.
    template, coverage, mean : Path
        On the template's full grid.
    frequency : dict of str to File
        By region.
    pages : dict of str to str
        Scan to its page, relative to the output folder.
    used : dict
        Settings.

    Returns
    -------
    page : Path
        HTML.
    """
    return cohort_report(
        out_file=Path.cwd() / "gliomorph.html",
        title=title,
        quality=pd.read_csv(quality, sep="\t", dtype={"participant_id": str, "session_id": str}),
        excluded=excluded,
        template=Path(template),
        frequency={region: Path(path) for region, path in frequency.items()},
        coverage=Path(coverage),
        mean_image=Path(mean),
        pages=pages,
        used=used,
    )


CohortPage = task(cohort_page, page=File)
