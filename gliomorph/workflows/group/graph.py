"""The graph of the cohort."""

from __future__ import annotations

from pydra.compose import workflow

from ...interfaces.derivatives.publish_group import GroupPlan, PublishGroup
from ...interfaces.group.associations.facts import TestResults
from ...interfaces.group.atlas.stage import Atlas
from ...interfaces.group.records import AtlasInputs
from ...interfaces.reports.group.stage import CohortPage
from ...interfaces.reports.group.story import Story


@workflow.define(outputs={"published": int})
def GroupGraph(inputs: AtlasInputs, tests: TestResults, story: Story, plan: GroupPlan) -> int:
    """Atlas, page, files at their final names.

    Three nodes, so that a page that fails does not make the maps be computed again.

    Parameters
    ----------
    inputs : AtlasInputs
        Scans, strata, the template and options.
    tests : TestResults
        Made before: a test that fails leaves the atlas in place.
    story : Story
        What the page says.
    plan : GroupPlan
        Where everything goes, and metadata.
    """
    maps = workflow.add(Atlas(inputs=inputs), name="atlas@group")
    page = workflow.add(
        CohortPage(
            story=story,
            template=inputs.template,
            maps=maps.maps,
            tests=dict(tests.files),
            quality=plan.quality,
            parcellation=plan.parcellation,
        ),
        name="report@group",
    )
    # last, when everything is made: what is at the final names is of one run
    publish = workflow.add(
        PublishGroup(
            plan=plan,
            tests=tests,
            maps=maps.maps,
            facts=maps.facts,
            tables=maps.tables,
            page=page.page,
            viewers=page.viewers,
        ),
        name="publish@group",
    )
    return publish.published
