"""The tests of ``--tests``: a graph before that of the atlas, so that a test that fails leaves the atlas in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from pydra.compose import workflow
from rich.console import Console

from ..interfaces.associate import Associate
from ..interfaces.association_facts import cluster_facts
from ..interfaces.prepare_template import TemplateFiles
from ..interfaces.task import File
from ..settings import Settings
from .association_names import association_names
from .group_submission import submitted
from .participants import Failure
from .progress import cause_of

REGION = "WT"
"""What is tested: every scan has it, while sub-regions are known of some only."""


@attrs.frozen(kw_only=True)
class Associations:
    """What the tests have given.

    Attributes
    ----------
    files : mapping of str to File
        Maps and tables by ``<test>/<key>``, the keys of :func:`~.association_names.association_names`.
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
        for label, key in (name.split("/") for name in self.files):
            known = association_names(
                settings.template, settings.resolution, REGION, label, settings.correction
            )
            found[f"{label}/{key}"] = known[key]
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
    coverages: list[File],
    template: File,
    options: dict[str, Any],
) -> tuple[dict[str, File], dict[str, dict[str, Any]], dict[str, File], list[str]]:
    """All tests of whole tumours.

    Parameters
    ----------
    words, participants, scans, tumors, coverages, template, options
        As for :func:`~gliomorph.interfaces.associate.associate`.
    """
    found = workflow.add(
        Associate(
            words=words,
            participants=participants,
            scans=scans,
            tumors=tumors,
            coverages=coverages,
            template=template,
            options=options,
        ),
        name=f"tests@{REGION}",
    )
    return found.maps, found.facts, found.clusters, found.notices


def run_associations(
    settings: Settings,
    template: TemplateFiles,
    scans: Mapping[str, Any],
    console: Console,
    verbose: int = 0,
) -> Associations:
    """Make the tests that were asked for; a failure is told and kept, not raised.

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
    if not settings.tests:
        return Associations()
    graph = AssociationGraph(
        words=list(settings.tests),
        participants=File(settings.bids_dir / "participants.tsv"),
        scans=scans["scans"],
        tumors=_files(scans, "tumor"),
        coverages=_files(scans, "coverage"),
        template=File(template.image),
        options=attrs.asdict(settings.test_options()),
    )
    outputs, failure = submitted(graph, "tests", 1, settings, console, verbose)
    if failure:
        return Associations(failure=attrs.evolve(failure, stage=f"{failure.stage} {REGION}"))
    return _found(outputs)


def _files(scans: Mapping[str, Any], name: str) -> list[File]:
    return [bundle[name] for bundle in scans["files"]]


def _found(outputs: Any) -> Associations:
    clusters: Sequence[str] = list(outputs.clusters)
    return Associations(
        files={**outputs.maps, **{f"{label}/clusters": outputs.clusters[label] for label in clusters}},
        facts={
            **outputs.facts,
            **{f"{label}/clusters": cluster_facts(outputs.facts[f"{label}/logp"]) for label in clusters},
        },
        notices=tuple(outputs.notices),
    )
