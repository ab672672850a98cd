"""The group level: the atlas of every scan that has valid outputs on disk, and its page."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

import gliomorph

from ...config.option import SettingsError
from ...config.settings import Settings
from ...interfaces.derivatives.names import (
    ATLAS,
    SPATIAL_REFERENCES,
    contrast_names,
    group_names,
    map_names,
    stale_patterns,
)
from ...interfaces.derivatives.publish_group import GroupPlan
from ...interfaces.derivatives.scan_record import all_outputs_exist
from ...interfaces.files.images import write_text
from ...interfaces.files.sidecars import beside, read_object
from ...interfaces.files.text import alike
from ...interfaces.group.records import AtlasInputs, GroupScan
from ...interfaces.group.regions.parcellation import Parcellation
from ...interfaces.group.strata.groups import Stratification, contrasts_of
from ...models.regions import REGIONS
from ...models.small_cells import EVERYBODY
from ..context import RunContext, notice
from ..engine.failures import Failure, cause_of
from ..keys import group_code, key_of, sums_code
from ..scan.plan import PlannedScan
from .associations import run_associations
from .graph import GroupGraph
from .members import (
    Selection,
    find_members,
    kept_path,
    quality_table,
    registration_of,
    scan_files,
    select,
    sources_of,
)
from .regions import Regional, run_regional
from .story import story_of
from .strata import find_strata
from .submission import submitted


@attrs.frozen(kw_only=True)
class Outcome:
    """What the group level has come to."""

    problem: str = ""
    """Why there is no atlas; empty if there is one."""
    tests: Failure | None = None
    """What kept the tests from their maps, beside which there may be an atlas."""


def run_group(
    context: RunContext, planned: Sequence[PlannedScan], causes: Mapping[str, tuple[str, str]]
) -> Outcome:
    """Build the atlas, and make the tests, from what is valid on disk; nothing is computed where it is there already.

    Parameters
    ----------
    context : RunContext
    planned : sequence of PlannedScan
        Scans of the input folder: those without outputs are listed.
    causes : mapping of str to (str, str)
        Scan to stage and cause, where a failure is known.

    Returns
    -------
    outcome : Outcome
    """
    settings, console = context.settings, context.console
    method = settings.processing.registration[0]
    members = find_members(settings.output_dir, settings.processing.template, settings.processing.resolution)
    selection = select(members, planned, causes, method, settings)
    if problem := _nothing_to_show(settings, selection):
        return Outcome(problem=problem)
    people = [member.scan.split("_")[0] for member in selection.inputs]
    try:
        found = find_strata(settings.atlas, settings.bids_dir / "participants.tsv", people)
    except SettingsError as error:
        return Outcome(problem=str(error))
    warning = settings.atlas.cells.warning(len(selection.inputs))
    notices = [*filter(None, [warning]), *selection.notices, *(notice.text for notice in found.notices)]
    notice(console, notices)
    table = quality_table(members, selection)
    key = _key(settings, selection, table, found, context.parcellation)
    names = group_names(settings.processing.template, settings.processing.resolution, list(REGIONS))
    if _is_done(settings.output_dir, names, key):
        console.print(f"atlas: nothing to do, {names['report']} is up to date")
        return Outcome()
    scans = scan_files(selection.inputs, method, settings.processing, settings.output_dir)
    regional = run_regional(context, found, scans)
    if regional.problem:
        return Outcome(problem=regional.problem)
    tests = run_associations(context, scans)
    notice(console, [*tests.notices, *(notice.text for notice in regional.found.notices)])
    if tests.failure:
        # not up to date, so that the same command tries again
        key = key_of(atlas=key, problem=tests.problem)
    inputs = _inputs(context, scans, found, regional)
    graph = GroupGraph(
        inputs=inputs,
        tests=tests.results,
        story=story_of(settings, members, selection, found, tests, regional),
        plan=GroupPlan(
            run=context.run_id,
            key=key,
            tests={
                f"{test}/{key}": name
                for test, names_of in tests.names(settings.processing, settings.testing.correction).items()
                for key, name in names_of.items()
            },
            quality=write_text(table, settings.resources.work_dir / "group_quality.tsv"),
            parcellation=regional.table,
            **_places(settings, names, inputs),
            **_metadata(settings, registration_of(method, selection.inputs), selection.confirmed),
        ),
    )
    return Outcome(problem=_submit(graph, context), tests=tests.failure)


def _nothing_to_show(settings: Settings, selection: Selection) -> str:
    """Why there is no atlas of those scans; empty if there is one."""
    if not selection.inputs:
        nothing = (
            f"no scan has valid outputs of {settings.processing.registration[0]} in {settings.output_dir}"
        )
        if selection.flow[2][1]:  # they passed the gate
            causes = Counter(alike(row.cause) for row in selection.excluded)
            left_out = "; ".join(f"{count} left out: {cause}" for cause, count in causes.items())
            nothing = f"no scan is left ({left_out})"
        return f"{nothing}: there is nothing to make an atlas of"
    refusal = settings.atlas.cells.refusal(len(selection.inputs))
    return refusal and refusal + _left_behind(settings)


def _left_behind(settings: Settings) -> str:
    """What a refusal does not undo."""
    folder = settings.output_dir / f"tpl-{settings.processing.template}"
    return f"; maps of an earlier run are left in {folder} and may show more" * folder.is_dir()


def _key(
    settings: Settings,
    selection: Selection,
    quality: str,
    found: Stratification,
    parcellation: Parcellation | None,
) -> str:
    """One hash of everything that the atlas and its page are made of."""
    method = settings.processing.registration[0]
    return key_of(
        scans={m.scan: m.records[method].key for m in selection.inputs},
        table=hashlib.sha256(quality.encode()).hexdigest(),
        excluded=[attrs.asdict(row) for row in selection.excluded],
        strata=[attrs.asdict(stratum) for stratum in found.published],
        notices=[notice.text for notice in found.notices],
        options=[attrs.asdict(settings.atlas.cells), settings.atlas.min_coverage],
        tests=_key_of_tests(settings),
        parcellation=parcellation.digest if parcellation else "",
        code=group_code(),
    )


def _key_of_tests(settings: Settings) -> list[Any]:
    """What the tests' results depend on beside the scans: not the number of threads."""
    if not settings.testing.tests:
        return []
    table = (settings.bids_dir / "participants.tsv").read_bytes()
    options = attrs.asdict(settings.test_options) | {"threads": 1}
    return [
        list(settings.testing.tests),
        list(settings.testing.test_regions),
        options,
        hashlib.sha256(table).hexdigest(),
    ]


def _inputs(
    context: RunContext, scans: tuple[GroupScan, ...], found: Stratification, regional: Regional
) -> AtlasInputs:
    settings, template = context.settings, context.template
    return AtlasInputs(
        scans=scans,
        strata=(*found.published, *regional.found.published),
        template=template.image,
        template_brain=template.brain,
        cells=settings.atlas.cells,
        min_coverage=settings.atlas.min_coverage,
        code=sums_code(),
        # strata are not in the name: sums of other strata are not taken, and are overwritten
        kept=kept_path(settings.processing, settings.resources.work_dir, "sums.npz"),
        places=regional.columns,
        parcellation=regional.parcellation.facts if regional.parcellation else {},
    )


def _submit(graph: Any, context: RunContext) -> str:
    settings, run = context.settings, graph.plan.run
    _, failure = submitted(
        graph, "group", 3, settings.cluster, settings.resources, context.console, settings.verbose, run
    )
    return f"{failure.stage}: {cause_of(failure.error)}" if failure else ""


def _is_done(out_dir: Path, names: Mapping[str, str], key: str) -> bool:
    known = read_object(out_dir / names["description"])
    if known.get("InputsKey") != key:
        return False
    wanted = [names[n] for n in ("coverage", "quality", "regions", "patients", "report", "frequency_WT")]
    wanted += known.get("Outputs", [])
    sidecars = [str(beside(Path(name), ".json")) for name in wanted if name.endswith(".nii.gz")]
    return all_outputs_exist(out_dir, [*wanted, *sidecars])


def _places(settings: Settings, names: Mapping[str, str], inputs: AtlasInputs) -> dict[str, Any]:
    """Names of a :class:`~gliomorph.interfaces.derivatives.publish_group.GroupPlan`, and of what maps are made of."""
    place = (settings.processing.template, settings.processing.resolution, list(REGIONS))
    maps = {EVERYBODY: map_names(*place)}
    maps |= {stratum.label: map_names(*place, stratum.label) for stratum in inputs.strata}
    maps |= {label: contrast_names(*place, label) for label, _, _ in contrasts_of(inputs.strata)}
    return {
        "out_dir": str(settings.output_dir),
        "names": names,
        "maps": {f"{label}/{key}": name for label, found in maps.items() for key, name in found.items()},
        "stale": tuple(stale_patterns(settings.processing.template, settings.processing.resolution)),
        "scans": tuple(scan.label for scan in inputs.scans),
        "sources": sources_of(inputs.scans, settings.output_dir),
        "table": "bids:raw:participants.tsv",
    }


def _metadata(settings: Settings, registration: str, confirmed: Sequence[str]) -> dict[str, Any]:
    """Metadata of a :class:`~gliomorph.interfaces.derivatives.publish_group.GroupPlan`."""
    reference = SPATIAL_REFERENCES.get(settings.processing.template, f"tpl-{settings.processing.template}")
    return {
        "metadata": {
            "Template": settings.processing.template,
            "SpatialReference": reference,
            "Resolution": f"{settings.processing.resolution} mm isotropic, the template's grid",
            "Registration": registration,
            "GeneratedBy": f"gliomorph {gliomorph.__version__}",
        },
        "atlas": {
            "Name": f"gliomorph tumour atlas in {settings.processing.template}",
            "AtlasName": ATLAS,
            "License": "see the source dataset",
            "LevelType": "group",
            "DerivedFrom": settings.bids_dir.as_uri(),
            "SpatialReference": reference,
            **({"ConfirmedScans": list(confirmed)} if confirmed else {}),
        },
    }
