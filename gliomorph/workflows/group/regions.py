"""The parcellation of a run: before the graph of the atlas, a task says where every tumour lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from ...interfaces.files.text import listed
from ...interfaces.group.records import GroupScan, participant_of
from ...interfaces.group.regions.parcellation import Parcellation
from ...interfaces.group.regions.places import TumorPlaces
from ...interfaces.group.regions.strata import collisions, stratify_by_place
from ...interfaces.group.regions.tables import parcellation_rows, patient_columns, write_parcellation
from ...interfaces.group.strata.groups import Stratification
from ...interfaces.reports.group.story import Group, Regions
from ...interfaces.task import File
from ...models.atlas import Place
from ...models.small_cells import SmallCells
from ..context import RunContext
from ..engine.failures import cause_of
from ..keys import sums_code
from .members import kept_path
from .submission import submitted


@attrs.frozen(kw_only=True)
class Regional:
    """Where the tumours of a run lie."""

    parcellation: Parcellation | None = None
    """None where nobody asked for one."""
    found: Stratification = attrs.field(factory=Stratification)
    """Participants by region."""
    columns: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """By scan, columns of the patients' table."""
    table: Path | None = None
    """``group_parcellation.tsv``."""
    problem: str = ""
    """Why there is none of these; empty without one."""

    def story(self, template: str) -> Regions | None:
        """What the page says of the regions whose maps are in a template's folder."""
        if self.parcellation is None:
            return None
        regions = zip(self.found.strata, self.parcellation.parcels, strict=True)
        return Regions(
            name=self.parcellation.name,
            notices=(*self.parcellation.notices, *(notice.text for notice in self.found.notices)),
            groups=tuple(
                Group(
                    label=region.label,
                    name=parcel.name,
                    participants=len(region.participants),
                    folder=f"tpl-{template}/cohort-{region.label}/anat",
                )
                for region, parcel in regions
                if not region.withheld
            ),
        )


def run_regional(context: RunContext, strata: Stratification, scans: Sequence[GroupScan]) -> Regional:
    """Find the tumours' regions; a failure is reported and kept, not raised.

    Parameters
    ----------
    context : RunContext
    strata : Stratification
        Of ``--strata``, whose labels regions cannot have.
    scans : sequence of GroupScan
        One of each participant.

    Returns
    -------
    found : Regional
        Nothing where no parcellation was asked for.
    """
    settings, parcellation = context.settings, context.parcellation
    work_dir = settings.resources.work_dir
    if parcellation is None:
        return Regional()
    task = TumorPlaces(
        scans=tuple(scans),
        parcellation=File(parcellation.path),
        count=len(parcellation.parcels),
        code=sums_code(),
        kept=kept_path(settings.processing, work_dir, "places.json"),
    )
    outputs, failure = submitted(
        task, "places@WT", 1, settings.cluster, settings.resources, context.console, settings.verbose
    )
    if failure:
        return Regional(problem=f"{failure.stage}: {cause_of(failure.error)}")
    return _found(outputs.places, parcellation, strata, settings.atlas.cells, work_dir)


def _found(
    places: Mapping[str, Place],
    parcellation: Parcellation,
    strata: Stratification,
    cells: SmallCells,
    work_dir: Path,
) -> Regional:
    by_participant = {participant_of(scan): place for scan, place in places.items()}
    found = stratify_by_place(by_participant, parcellation.parcels, cells)
    if same := collisions(found.strata, strata.strata):
        return Regional(
            problem=f"--strata and --parcellation would both make {listed(same)}: leave one of them out, or give the "
            "column or the region another name"
        )
    rows = parcellation_rows(places, parcellation, found.strata, cells)
    return Regional(
        parcellation=parcellation,
        found=found,
        columns=patient_columns(places, parcellation),
        table=write_parcellation(rows, work_dir / "group_parcellation.tsv"),
    )
