"""The tests of ``--tests``: made before the graph of the atlas, so that a test that fails leaves the atlas in place."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ...config.processing import Processing
from ...interfaces.derivatives.names import association_names
from ...interfaces.group.associations.facts import TestResults
from ...interfaces.group.associations.stage import Associate
from ...interfaces.group.records import GroupScan
from ...interfaces.task import File
from ..context import RunContext
from ..engine.failures import Failure, cause_of
from .submission import submitted


@attrs.frozen(kw_only=True)
class Associations:
    """What has become of the tests."""

    results: TestResults = attrs.field(factory=TestResults)
    """The results of all regions."""
    notices: tuple[str, ...] = ()
    """Who and what is left out, and warnings."""
    failure: Failure | None = None
    """Why there are no results."""

    @property
    def problem(self) -> str:
        """Stage and cause of the failure; empty without one."""
        return f"{self.failure.stage}: {cause_of(self.failure.error)}" if self.failure else ""

    def names(self, processing: Processing, correction: str) -> dict[str, dict[str, str]]:
        """By test, final names of its files by key, relative to the output folder."""
        found: dict[str, dict[str, str]] = {}
        for test, key in (name.split("/") for name in self.results.files):
            label, region = test.split("_")
            known = association_names(processing.template, processing.resolution, region, label, correction)
            found.setdefault(test, {})[key] = known[key]
        return found


def run_associations(context: RunContext, scans: Sequence[GroupScan]) -> Associations:
    """Make the tests of every region that was asked for; a failure ends them, is reported and kept, not raised.

    Parameters
    ----------
    context : RunContext
    scans : sequence of GroupScan
        One of each participant.

    Returns
    -------
    found : Associations
        Nothing where no test was asked for.
    """
    settings = context.settings
    if not settings.testing.tests:
        return Associations()
    found = Associations()
    # a region at a time: masks of one are in memory at once
    for region in settings.testing.test_regions:
        task = Associate(
            associations=settings.testing.associations,
            participants=File(settings.bids_dir / "participants.tsv"),
            scans=tuple(scans),
            template=File(context.template.image),
            options=attrs.evolve(settings.test_options, region=region),
        )
        outputs, failure = submitted(
            task,
            f"tests@{region}",
            1,
            settings.cluster,
            settings.resources,
            context.console,
            settings.verbose,
        )
        if failure:
            return Associations(failure=attrs.evolve(failure, stage=f"{failure.stage} {region}"))
        names = {name: name.replace("/", f"_{region}/") for name in outputs.files}
        results = TestResults(
            files={**found.results.files, **{names[name]: file for name, file in outputs.files.items()}},
            facts={**found.results.facts, **{f"{t}_{region}": facts for t, facts in outputs.facts.items()}},
        )
        found = Associations(results=results, notices=(*found.notices, *outputs.notices))
    return found
