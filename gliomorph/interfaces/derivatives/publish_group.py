"""The group level's results at their final names, with sidecars."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ...models.small_cells import EVERYBODY
from ..files.images import write_text
from ..files.sidecars import beside, copy, write_sidecar
from ..group.associations.facts import TestResults
from ..group.records import MapFacts
from ..group.strata.groups import BY_PLACE
from ..records import Record
from ..task import task


@attrs.frozen(kw_only=True)
class GroupPlan(Record):
    """Where the results of the group level go, and what is known before they are made."""

    out_dir: str
    run: str
    """The run's id: a graph with it is made anew in every run."""
    key: str
    """Hash of everything that the results are made of."""
    names: Mapping[str, str]
    """Names of tables, page, viewer and description, relative to ``out_dir``, as all names."""
    maps: Mapping[str, str]
    tests: Mapping[str, str]
    """``maps``, ``tests``: Names of maps by ``<stratum>/<key>``, and of what belongs to tests by ``<test>/<key>``."""
    stale: tuple[str, ...]
    """Patterns of names that maps of the same template and resolution have."""
    quality: Path
    """``group_quality.tsv``."""
    parcellation: Path | None
    """``group_parcellation.tsv``, where there are regions."""
    scans: tuple[str, ...]
    """Labels of those that are in the atlas."""
    sources: tuple[Mapping[str, str], ...]
    """For each scan its ``kind`` and the BIDS URIs of its files."""
    table: str
    """URI of what strata are made by. Regions are made by the patients' table."""
    metadata: Mapping[str, Any]
    """For every sidecar."""
    atlas: Mapping[str, Any]
    """The atlas' description."""


def publish_group(
    plan: GroupPlan,
    tests: TestResults,
    maps: dict[str, Path],
    facts: dict[str, MapFacts],
    tables: dict[str, Path],
    page: Path,
    viewers: list[Path],
) -> int:
    """Put the atlas at its final names; the page, which marks completion, last.

    Parameters
    ----------
    plan : GroupPlan
        Final names and metadata.
    tests : TestResults
        Maps, tables of clusters, and what their sidecars say.
    maps : dict of str to Path
        By ``<stratum>/<key>``.
    facts : dict of str to MapFacts
        The same keys.
    tables : dict of str to Path
        ``regions`` and ``patients``.
    page : Path
        HTML.
    viewers : list of Path
        What the page shows beside its pictures: one, or none.

    Returns
    -------
    published : int
        Number of images, tables and pages.
    """
    out, names = Path(plan.out_dir), plan.names
    # keys of tests hold an underscore, labels of strata do not
    targets, known = {**plan.maps, **plan.tests}, dict(facts)
    for key in tests.files:
        test, kind = key.split("/")
        known[key] = tests.facts[test].of_map(kind)
    listed = []
    for key, path in {**maps, **tests.files}.items():
        write_sidecar(copy(path, out / targets[key]), _sidecar(plan, key, known[key]))
        listed.append(targets[key])
    optional = {"viewer": viewers[0] if viewers else None, "parcellation": plan.parcellation}
    for name, extra in optional.items():
        if extra is not None:
            copy(extra, out / names[name])
            listed.append(names[name])
    # only now: a run that fails before leaves the maps of the earlier one
    _remove_others(out, [*plan.stale, *(names[name] for name in optional)], listed)
    for name, table in {**tables, "quality": plan.quality}.items():
        copy(table, out / names[name])
    content = {
        "AtlasSampleSize": facts[f"{EVERYBODY}/coverage"].content["SampleSize"],
        "InputsKey": plan.key,
        "Outputs": sorted(listed),
    }
    write_text(json.dumps({**plan.atlas, **content}, indent=1) + "\n", out / names["description"])
    copy(page, out / names["report"])
    return len(listed) + 5


def _sidecar(plan: GroupPlan, key: str, facts: MapFacts) -> dict[str, Any]:
    """Who is in the whole atlas is listed there; who is in a stratum or a test would tell a participant's data.

    Their sources are those of all participants, and the table that says who of them counts.
    """
    sources = [
        scan[name]
        for scan in plan.sources
        if scan["kind"] in facts.kinds
        for name in facts.files
        if name in scan
    ]
    # one scan of each participant counts
    content = {**plan.metadata, **facts.content, "NumberOfScans": facts.content["SampleSize"]}
    if key.startswith(f"{EVERYBODY}/"):
        return content | {"Participants": list(plan.scans), "Sources": sources}
    by_place = facts.content.get("Stratum", {}).get("Column") == BY_PLACE
    table = f"bids::{plan.names['patients']}" if by_place else plan.table
    return content | {"Sources": [table, *sources]}


def _remove_others(out: Path, patterns: list[str], listed: list[str]) -> None:
    """Maps and the viewer of an earlier run that this one did not make, and folders of strata that are left empty."""
    written = {out / name for name in listed}
    written |= {beside(path, ".json") for path in written}
    for path in {path for pattern in patterns for path in out.glob(pattern)} - written:
        path.unlink()
        for folder in path.parents[:2]:
            if folder.parent != out and not any(folder.iterdir()):
                folder.rmdir()


PublishGroup = task(publish_group, "published")
