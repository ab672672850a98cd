"""The tests of ``--tests``: a graph before that of the atlas, so that a test that fails leaves the atlas in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from pydra.compose import workflow
from rich.console import Console

from ...config.settings import Settings
from ...interfaces.datasets.template_files import TemplateFiles
from ...interfaces.derivatives.names import association_names
from ...interfaces.group.associations.facts import cluster_facts
from ...interfaces.group.associations.stage import Associate
from ...interfaces.task import File
from ..engine.failures import Failure, cause_of
from .submission import submitted


@attrs.frozen(kw_only=True)
class Associations:
    """What the tests have given.

    Attributes
    ----------
    files : mapping of str to File
        Maps and tables by ``<label>_<region>/<key>``, the keys of :func:`~.association_names.association_names`.
    facts : mapping of str to dict
        For their sidecars.
    notices : tuple of str
        Who and what is left out, and warnings.
    failure : Failure or None
        Why there is none of these.
    """

    files: Mapping[str, File] = attrs.field(factory=dict)
    facts: Mapping[str, dict[str, Any]] = attrs.field(factory=dict)
    notices: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def problem(self) -> str:
        """Stage and cause of the failure; empty without one."""
        return f"{self.failure.stage}: {cause_of(self.failure.error)}" if self.failure else ""

    def of_p(self) -> dict[str, dict[str, Any]]:
        """Facts of the corrected p by test: of all its maps they say what was done."""
        return {
            key.removesuffix("/logp"): known for key, known in self.facts.items() if key.endswith("/logp")
        }

    def names(self, settings: Settings) -> dict[str, str]:
        """Final names of the files, relative to the output folder."""
        found = {}
        for test, key in (name.split("/") for name in self.files):
            label, region = test.split("_")
            known = association_names(
                settings.processing.template,
                settings.processing.resolution,
                region,
                label,
                settings.testing.correction,
            )
            found[f"{test}/{key}"] = known[key]
        return found


@workflow.define(
    outputs={
        "maps": dict[str, File],
        "facts": dict[str, dict[str, Any]],
        "clusters": dict[str, File],
        "notices": list[str],
    }
)
def AssociationGraph(
    words: list[str],
    participants: File,
    scans: list[str],
    tumors: list[File],
    kinds: list[str],
    coverages: list[File],
    template: File,
    options: dict[str, Any],
) -> tuple[dict[str, File], dict[str, dict[str, Any]], dict[str, File], list[str]]:
    """All tests of one region.

    Parameters
    ----------
    words, participants, scans, tumors, kinds, coverages, template, options
        As for :func:`~gliomorph.interfaces.group.associations.stage.associate`.
    """
    found = workflow.add(
        Associate(
            words=words,
            participants=participants,
            scans=scans,
            tumors=tumors,
            kinds=kinds,
            coverages=coverages,
            template=template,
            options=options,
        ),
        name=f"tests@{options['region']}",
    )
    return found.maps, found.facts, found.clusters, found.notices


def run_associations(
    settings: Settings,
    template: TemplateFiles,
    scans: Mapping[str, Any],
    console: Console,
    verbose: int = 0,
) -> Associations:
    """Make the tests of every region that was asked for; a failure ends them, is told and kept, not raised.

    Parameters
    ----------
    settings : Settings
    template : TemplateFiles
    scans : mapping
        Of :func:`~.members.scan_files`.
    console : Console
    verbose : int
        1 prints tracebacks.

    Returns
    -------
    found : Associations
        Nothing where no test was asked for.
    """
    if not settings.testing.tests:
        return Associations()
    found = Associations()
    for region in settings.testing.test_regions:
        graph = AssociationGraph(
            words=list(settings.testing.tests),
            participants=File(settings.bids_dir / "participants.tsv"),
            scans=scans["scans"],
            tumors=_files(scans, "tumor"),
            kinds=scans["kinds"],
            coverages=_files(scans, "coverage"),
            template=File(template.image),
            options=attrs.asdict(settings.test_options()) | {"region": region},
        )
        outputs, failure = submitted(graph, "tests", 1, settings, console, verbose)
        if failure:
            return Associations(failure=attrs.evolve(failure, stage=f"{failure.stage} {region}"))
        found = _joined(found, outputs, region)
    return found


def _files(scans: Mapping[str, Any], name: str) -> list[File]:
    return [bundle[name] for bundle in scans["files"]]


def _joined(before: Associations, outputs: Any, region: str) -> Associations:
    """Those of one region added."""
    tables = {f"{label}/clusters": path for label, path in outputs.clusters.items()}
    told = {f"{label}/clusters": cluster_facts(outputs.facts[f"{label}/logp"]) for label in outputs.clusters}

    def named(found: Mapping[str, Any]) -> dict[str, Any]:
        parts = {name: name.split("/") for name in found}
        return {f"{label}_{region}/{key}": found[name] for name, (label, key) in parts.items()}

    return Associations(
        files={**before.files, **named({**outputs.maps, **tables})},
        facts={**before.facts, **named({**outputs.facts, **told})},
        notices=(*before.notices, *outputs.notices),
    )
