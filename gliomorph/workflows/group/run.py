"""The group level: the atlas of every scan that has valid outputs on disk, and its page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console

import gliomorph

from ...config.option import SettingsError
from ...config.settings import Settings
from ...interfaces.derivatives.names import (
    ATLAS,
    SPATIAL_REFERENCES,
    contrast_names,
    group_names,
    map_names,
    method_label,
    stale_patterns,
)
from ...interfaces.derivatives.records import all_outputs_exist, read_record
from ...interfaces.files.images import write_text
from ...interfaces.files.labels import REGIONS
from ...interfaces.group.regions.parcellation import Parcellation
from ...interfaces.group.strata.groups import EVERYBODY, Stratification, contrasts_of
from ...interfaces.task import File
from ..context import RunContext
from ..engine.failures import Failure, cause_of
from ..keys import group_code, key_of, sums_code
from ..scan.plan import PlannedScan
from .associations import Associations, run_associations
from .graph import GroupGraph
from .members import Member, Selection, find_members, quality_table, scan_files, select, sources_of
from .regions import run_regional
from .story import citations_of, story_of
from .strata import find_strata
from .submission import submitted


@attrs.frozen(kw_only=True)
class Outcome:
    """What the group level has come to.

    Attributes
    ----------
    problem : str
        Why there is no atlas; empty if there is one.
    tests : Failure or None
        What kept the tests from their maps, beside which there may be an atlas.
    """

    problem: str = ""
    tests: Failure | None = None


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
    settings, template, console = context.settings, context.template, context.console
    parcellation, verbose = context.parcellation, settings.verbose
    method = settings.processing.registration[0]
    members = find_members(settings.output_dir, settings.processing.template, settings.processing.resolution)
    selection = select(members, planned, causes, method, settings)
    inputs, excluded = selection.inputs, selection.excluded
    if not inputs:
        nothing = f"no scan has valid outputs of {method} in {settings.output_dir}"
        return Outcome(problem=f"{nothing}: there is nothing to make an atlas of")
    if refusal := settings.atlas.cells.refusal(len(inputs)):
        return Outcome(problem=refusal + _left_behind(settings))
    try:
        found = find_strata(settings, [m.scan.split("_")[0] for m in inputs])
    except SettingsError as error:
        return Outcome(problem=str(error))
    warning = settings.atlas.cells.warning(len(inputs))
    context.notice([*filter(None, [warning]), *(notice.text for notice in found.notices)])
    strata = _strata(found, inputs)
    table = quality_table(members)
    key = _key(settings, selection, table, strata, [notice.text for notice in found.notices], parcellation)
    names = group_names(settings.processing.template, settings.processing.resolution, list(REGIONS))
    if _is_done(settings.output_dir, names, key):
        console.print(f"atlas: nothing to do, {names['report']} is up to date")
        return Outcome()
    quality = write_text(table, settings.resources.work_dir / "group_quality.tsv")
    scans = scan_files(inputs, method, settings)
    regional = run_regional(settings, parcellation, found, scans, console, verbose)
    if regional.problem:
        return Outcome(problem=regional.problem)
    tests = run_associations(settings, template, scans, console, verbose)
    context.notice([*tests.notices, *(notice.text for notice in regional.found.notices)])
    if tests.failure:
        # not up to date, so that the same command tries again
        key = key_of(atlas=key, problem=tests.problem)
    graph = GroupGraph(
        **scans,
        strata=[*strata, *regional.strata],
        places=regional.columns,
        parcellation=regional.table,
        quality=File(quality),
        template=File(template.image),
        template_brain=File(template.brain),
        options=_options(settings, method),
        excluded=excluded,
        pages={m.scan: f"{m.scan}.html" for m in members},
        title=f"Tumour atlas of {len(inputs)} scan{'s' * (len(inputs) != 1)} in {settings.processing.template}",
        used=_used(settings, inputs, tests),
        story=story_of(
            settings,
            selection,
            strata,
            found.notices,
            _registration(method, inputs),
            tests,
            regional.told(settings),
        ),
        tests=dict(tests.files),
        test_facts=dict(tests.facts),
        plan=_group_plan(settings, names, key, inputs, [*strata, *regional.strata])
        | {"sources": sources_of(scans, settings.output_dir), "tests": tests.names(settings)},
        run=context.run_id,
    )
    return Outcome(problem=_submit(graph, settings, console, verbose), tests=tests.failure)


def _left_behind(settings: Settings) -> str:
    """What a refusal does not undo."""
    folder = settings.output_dir / f"tpl-{settings.processing.template}"
    return f"; maps of an earlier run are left in {folder} and may show more" * folder.is_dir()


def _key(
    settings: Settings,
    selection: Selection,
    quality: str,
    strata: Sequence[Mapping[str, Any]],
    notices: Sequence[str],
    parcellation: Parcellation | None,
) -> str:
    """Of everything that the atlas and its page are made of."""
    method = settings.processing.registration[0]
    return key_of(
        scans={m.scan: m.records[method]["key"] for m in selection.inputs},
        table=hashlib.sha256(quality.encode()).hexdigest(),
        excluded=selection.excluded,
        strata=strata,
        notices=notices,
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
    options = attrs.asdict(settings.test_options()) | {"threads": 1}
    return [
        list(settings.testing.tests),
        list(settings.testing.test_regions),
        options,
        hashlib.sha256(table).hexdigest(),
    ]


def _strata(found: Stratification, inputs: Sequence[Member]) -> list[dict[str, Any]]:
    """Those to be published, with their scans."""
    scans = {member.scan.split("_")[0].removeprefix("sub-"): member.scan for member in inputs}
    return [
        {
            "label": stratum.label,
            "column": stratum.column,
            "description": stratum.description,
            "scans": [scans[name] for name in stratum.participants],
        }
        for stratum in found.published
    ]


def _options(settings: Settings, method: str) -> dict[str, Any]:
    """What the atlas' stage is told; its sums are kept by template, resolution and method."""
    name = (
        f"{settings.processing.template}_res-{settings.processing.resolution}_{method_label(method)}_sums.npz"
    )
    return {
        "min_cell": attrs.asdict(settings.atlas.cells),
        "min_coverage": settings.atlas.min_coverage,
        "code": sums_code(),
        "kept": str(settings.resources.work_dir / "atlas" / name),
    }


def _submit(graph: Any, settings: Settings, console: Console, verbose: int) -> str:
    _, failure = submitted(graph, "group", 3, settings, console, verbose)
    return f"{failure.stage}: {cause_of(failure.error)}" if failure else ""


def _is_done(out_dir: Path, names: Mapping[str, str], key: str) -> bool:
    known = read_record(out_dir / names["description"])
    if known.get("InputsKey") != key:
        return False
    wanted = [names[n] for n in ("coverage", "quality", "regions", "patients", "report", "frequency_WT")]
    return all_outputs_exist(out_dir, {"outputs": [*wanted, *known.get("Outputs", [])]})


def _registration(method: str, inputs: Sequence[Member]) -> str:
    """The method, and how far its answers were refined by the scans' records."""
    found = sorted({int(member.records[method].get("refine", 0)) for member in inputs})
    if found == [0]:
        return method
    return f"{method}, refined by {' or '.join(map(str, found))} iterations of optimisation"


def _used(settings: Settings, inputs: Sequence[Member], tests: Associations) -> dict[str, Any]:
    return {
        "version": gliomorph.__version__,
        "template": f"{settings.processing.template} at {settings.processing.resolution} mm",
        "registration": _registration(settings.processing.registration[0], inputs),
        "scans": len(inputs),
        "citations": citations_of(tests),
    }


def _group_plan(
    settings: Settings,
    names: dict[str, str],
    key: str,
    inputs: Sequence[Member],
    strata: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    reference = SPATIAL_REFERENCES.get(settings.processing.template, f"tpl-{settings.processing.template}")
    place = (settings.processing.template, settings.processing.resolution, list(REGIONS))
    maps = {f"{EVERYBODY}/{key}": name for key, name in map_names(*place).items()}
    for stratum in strata:
        label = stratum["label"]
        maps |= {f"{label}/{key}": name for key, name in map_names(*place, label).items()}
    for label, _, _ in contrasts_of((s["column"], s["label"]) for s in strata):
        maps |= {f"{label}/{key}": name for key, name in contrast_names(*place, label).items()}
    return {
        "out_dir": str(settings.output_dir),
        "names": names,
        "maps": maps,
        "stale": stale_patterns(settings.processing.template, settings.processing.resolution),
        "participants": [member.scan for member in inputs],
        "table": "bids:raw:participants.tsv",
        "key": key,
        "metadata": {
            "Template": settings.processing.template,
            "SpatialReference": reference,
            "Resolution": f"{settings.processing.resolution} mm isotropic, the template's grid",
            "Registration": _registration(settings.processing.registration[0], inputs),
            "GeneratedBy": f"gliomorph {gliomorph.__version__}",
        },
        "atlas": {
            "Name": f"gliomorph tumour atlas in {settings.processing.template}",
            "AtlasName": ATLAS,
            "License": "see the source dataset",
            "LevelType": "group",
            "DerivedFrom": settings.bids_dir.as_uri(),
            "SpatialReference": reference,
        },
    }
