"""The parcellation of a run: a graph before that of the atlas says where every tumour lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from pydra.compose import workflow
from rich.console import Console

from ...config.settings import Settings
from ...interfaces.derivatives.names import method_label
from ...interfaces.files.text import listed, people
from ...interfaces.group.regions.parcellation import Parcellation, facts_of
from ...interfaces.group.regions.places import TumorPlaces
from ...interfaces.group.regions.strata import collisions, stratify_by_place
from ...interfaces.group.regions.tables import parcellation_rows, patient_columns, write_parcellation
from ...interfaces.group.strata.groups import Stratification
from ...interfaces.task import File
from ..engine.failures import cause_of
from ..keys import sums_code
from .submission import submitted


@attrs.frozen(kw_only=True)
class Regional:
    """Where the tumours of a run lie.

    Attributes
    ----------
    parcellation : Parcellation or None
        None where nobody asked for one.
    found : Stratification
        Participants by region.
    strata : list of dict
        Of the regions to be published, as the atlas' stage takes them.
    columns : dict of str to dict
        By scan, columns of the patients' table.
    table : File or None
        ``group_parcellation.tsv``.
    problem : str
        Why there is none of these; empty without one.
    """

    parcellation: Parcellation | None = None
    found: Stratification = attrs.field(factory=Stratification)
    strata: list[dict[str, Any]] = attrs.field(factory=list)
    columns: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    table: File | None = None
    problem: str = ""

    def told(self, settings: Settings) -> dict[str, Any]:
        """For the page, as :func:`~gliomorph.interfaces.reports.group.regions.section_of_regions` takes it."""
        if self.parcellation is None:
            return {}
        regions = zip(self.found.strata, self.parcellation.parcels, strict=True)
        names = {region.label: parcel.name for region, parcel in regions}
        return {
            "name": self.parcellation.name,
            "notices": [*self.parcellation.notices, *(notice.text for notice in self.found.notices)],
            "regions": [
                {
                    "label": region["label"],
                    "name": names[region["label"]],
                    "description": region["description"],
                    "people": people(len(region["scans"])),
                    "folder": f"tpl-{settings.processing.template}/cohort-{region['label']}/anat",
                }
                for region in self.strata
            ],
        }


@workflow.define(outputs={"places": dict[str, dict[str, Any]]})
def RegionalGraph(
    scans: list[str],
    tumors: list[File],
    keys: list[str],
    parcellation: File,
    count: int,
    code: str,
    kept: str,
) -> dict[str, dict[str, Any]]:
    """Where every whole tumour lies.

    Parameters
    ----------
    scans, tumors, keys, parcellation, count, code, kept
        As for :func:`~gliomorph.interfaces.group.regions.places.tumor_places`.
    """
    found = workflow.add(
        TumorPlaces(
            scans=scans,
            tumors=tumors,
            keys=keys,
            parcellation=parcellation,
            count=count,
            code=code,
            kept=kept,
        ),
        name="places@WT",
    )
    return found.places


def run_regional(
    settings: Settings,
    parcellation: Parcellation | None,
    strata: Stratification,
    scans: Mapping[str, Any],
    console: Console,
    verbose: int = 0,
) -> Regional:
    """Find the tumours' regions; a failure is told and kept, not raised.

    Parameters
    ----------
    settings : Settings
    parcellation : Parcellation or None
    strata : Stratification
        Of ``--strata``, whose labels regions cannot have.
    scans : mapping
        Of :func:`~.members.scan_files`: one of each participant.
    console : Console
    verbose : int
        1 prints tracebacks.

    Returns
    -------
    found : Regional
        Nothing where no parcellation was asked for.
    """
    if parcellation is None:
        return Regional()
    processing = settings.processing
    method = method_label(processing.registration[0])
    place = f"{processing.template}_res-{processing.resolution}_{method}"
    graph = RegionalGraph(
        scans=scans["scans"],
        tumors=[bundle["tumor"] for bundle in scans["files"]],
        keys=scans["keys"],
        parcellation=File(parcellation.path),
        count=len(parcellation.parcels),
        code=sums_code(),
        kept=str(settings.resources.work_dir / "atlas" / f"{place}_places.json"),
    )
    outputs, failure = submitted(graph, "regions", 1, settings, console, verbose)
    if failure:
        return Regional(problem=f"{failure.stage}: {cause_of(failure.error)}")
    return _found(settings, parcellation, strata, outputs.places)


def _found(
    settings: Settings, parcellation: Parcellation, strata: Stratification, places: Mapping[str, Any]
) -> Regional:
    scan_of = {scan.split("_")[0].removeprefix("sub-"): scan for scan in places}
    by_participant = {name: places[scan] for name, scan in scan_of.items()}
    smallest = settings.atlas.cells.strata
    found = stratify_by_place(by_participant, parcellation.parcels, smallest)
    if same := collisions(found.strata, strata.strata):
        return Regional(
            problem=f"--strata and --parcellation would both make {listed(same)}: leave one of them out, or give the "
            "column or the region another name"
        )
    rows = parcellation_rows(places, parcellation, found.strata, smallest)
    table = write_parcellation(rows, settings.resources.work_dir / "group_parcellation.tsv")
    return Regional(
        parcellation=parcellation,
        found=found,
        strata=[
            {
                "label": region.label,
                "column": region.column,
                "description": region.description,
                "scans": [scan_of[name] for name in region.participants],
                "parcellation": dict(facts_of(parcellation)),
            }
            for region in found.published
        ],
        columns=patient_columns(places, parcellation),
        table=File(table),
    )
