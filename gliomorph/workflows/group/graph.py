"""The graph of the cohort."""

from __future__ import annotations

from typing import Any

from pydra.compose import workflow

from ...interfaces.derivatives.publish_group import PublishGroup
from ...interfaces.group.atlas.stage import Atlas
from ...interfaces.reports.group.stage import CohortPage
from ...interfaces.task import File


@workflow.define(outputs={"published": int})
def GroupGraph(
    scans: list[str],
    files: list[dict[str, File]],
    kinds: list[str],
    keys: list[str],
    strata: list[dict[str, Any]],
    places: dict[str, dict[str, Any]],
    parcellation: File | None,
    quality: File,
    template: File,
    template_brain: File,
    options: dict[str, Any],
    excluded: list[dict[str, str]],
    pages: dict[str, str],
    title: str,
    used: dict[str, Any],
    story: dict[str, Any],
    tests: dict[str, File],
    test_facts: dict[str, dict[str, Any]],
    plan: dict[str, Any],
    run: str,
) -> int:
    """Atlas, page, files at their final names.

    Parameters
    ----------
    scans, files, kinds, keys, strata, places
        As for :func:`~gliomorph.interfaces.group.atlas.stage.atlas`.
    parcellation : File or None
        Table of regions.
    quality : File
        JSON or table.
    template, template_brain : File
        On the template's full grid.
    options : dict
        ``min_cell``, ``min_coverage``, ``code`` and ``kept`` of the atlas.
    excluded : list of dict
        ``scan``, ``stage``, ``cause``.
    pages : dict
        Scan to its page.
    title : str
        Heading.
    used, story : dict
        Settings; what the page tells of the cohort.
    tests, test_facts : dict
        Maps and tables of clusters by ``<test>/<key>``, and their sidecars.
    plan : dict
        Names and metadata.
    run : str
        Id of the run.
    """
    maps = workflow.add(
        Atlas(
            scans=scans,
            files=files,
            kinds=kinds,
            keys=keys,
            strata=strata,
            places=places,
            template=template,
            template_brain=template_brain,
            min_cell=options["min_cell"],
            min_coverage=options["min_coverage"],
            code=options["code"],
            kept=options["kept"],
        ),
        name="atlas@group",
    )
    page = workflow.add(
        CohortPage(
            title=title,
            quality=quality,
            excluded=excluded,
            template=template,
            maps=maps.maps,
            pages=pages,
            used=used,
            story=story,
            tests=tests,
            viewer=plan["names"]["viewer"],
            parcellation=parcellation,
        ),
        name="report@group",
    )
    publish = workflow.add(
        PublishGroup(
            plan=plan,
            maps=maps.maps,
            facts=maps.facts,
            regions=maps.regions,
            patients=maps.patients,
            quality=quality,
            page=page.page,
            run=run,
            tests=tests,
            test_facts=test_facts,
            viewers=page.viewers,
            parcellation=parcellation,
        ),
        name="publish@group",
    )
    return publish.published
