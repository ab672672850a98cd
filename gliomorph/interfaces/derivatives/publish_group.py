"""The group level's results at their final names, with sidecars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fileformats.generic import File

from ...models.atlas import EVERYBODY
from ...models.atlas.records import kinds_of
from ..files.images import write_text
from ..files.sidecars import copy, write_sidecar
from ..group.strata.groups import BY_PLACE
from ..task import task


def publish_group(
    plan: dict[str, Any],
    maps: dict[str, File],
    facts: dict[str, dict[str, Any]],
    regions: Path,
    patients: Path,
    quality: Path,
    page: Path,
    run: str,
    tests: dict[str, File],
    test_facts: dict[str, dict[str, Any]],
    viewers: list[Path],
    parcellation: Path | None,
) -> int:
    """Put the atlas at its final names; the page, which marks completion, last.

    Parameters
    ----------
    plan : dict
        ``out_dir``; ``names`` of tables, page, viewer and description, ``maps``, those of maps by key, and ``tests``,
        those of what belongs to tests (all relative);
        ``stale``, patterns of names that maps of the same template and resolution have; ``metadata`` for every
        sidecar; ``participants``; ``sources``, for each scan its ``kind`` and the BIDS URIs of its files, and
        ``table``, the URI of what strata are made by; ``key``; ``atlas`` (its description). Regions are made by
        the patients' table.
    maps : dict of str to File
        By ``<stratum>/<key>``.
    facts : dict of str to dict
        What each map's sidecar says of it.
    regions, patients, quality, page : Path
        Results of the stages before.
    run : str
        The run's id: makes this node run anew whenever the graph does.
    tests : dict of str to File
        Maps and tables of clusters by ``<test>/<key>``.
    test_facts : dict of str to dict
        What their sidecars say.
    viewers : list of Path
        What the page shows beside its pictures: one, or none.
    parcellation : Path or None
        The table of regions, where there are any.

    Returns
    -------
    published : int
        Number of images, tables and pages.
    """
    out, names = Path(plan["out_dir"]), plan["names"]
    written = set()
    for key, path in maps.items():
        target = copy(Path(path), out / plan["maps"][key])
        written |= {target, write_sidecar(target, _sidecar(plan, key, facts[key]))}
    for key, path in tests.items():
        target = copy(Path(path), out / plan["tests"][key])
        written |= {
            target,
            write_sidecar(target, _sidecar(plan, key, test_facts[key] | _made_of(test_facts[key]))),
        }
    written |= {copy(viewer, out / names["viewer"]) for viewer in viewers}
    regional = [copy(parcellation, out / names["parcellation"])] if parcellation is not None else []
    written |= set(regional)
    _remove_others(out, [*plan["stale"], names["viewer"], names["parcellation"]], written)
    for name, table in (("regions", regions), ("patients", patients), ("quality", quality)):
        copy(table, out / names[name])
    known = {
        "AtlasSampleSize": facts[f"{EVERYBODY}/coverage"]["SampleSize"],
        "InputsKey": plan["key"],
        "Outputs": sorted(
            [
                *(plan["maps"][key] for key in maps),
                *(plan["tests"][key] for key in tests),
                *(names["viewer"] for _ in viewers),
                *(names["parcellation"] for _ in regional),
            ]
        ),
    }
    write_text(json.dumps(plan["atlas"] | known, indent=1) + "\n", out / names["description"])
    copy(page, out / names["report"])
    return len(maps) + len(tests) + len(viewers) + len(regional) + 5


def _made_of(facts: dict[str, Any]) -> dict[str, Any]:
    """Tests: of tumours that tell of the region, and fields of view."""
    return {"MadeOf": {"files": ["tumor", "coverage"], "kinds": list(kinds_of(facts["Region"]))}}


def _sidecar(plan: dict[str, Any], key: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Who is in the whole atlas is listed there; who is in a stratum or a test would tell a participant's data.

    Their sources are those of all participants, and the table that says who of them counts.
    """
    made_of = facts["MadeOf"]
    sources = [
        scan[name]
        for scan in plan["sources"]
        if scan["kind"] in made_of["kinds"]
        for name in made_of["files"]
        if name in scan
    ]
    told = {name: value for name, value in facts.items() if name != "MadeOf"}
    # one scan of each participant counts
    content = plan["metadata"] | told | {"NumberOfScans": facts["SampleSize"]}
    if key.startswith(f"{EVERYBODY}/"):
        return content | {"Participants": plan["participants"], "Sources": sources}
    by_place = facts.get("Stratum", {}).get("Column") == BY_PLACE
    table = f"bids::{plan['names']['patients']}" if by_place else plan["table"]
    return content | {"Sources": [table, *sources]}


def _remove_others(out: Path, patterns: list[str], written: set[Path]) -> None:
    """Maps and the viewer of an earlier run that this one did not make, and folders of strata that are left empty."""
    for path in {path for pattern in patterns for path in out.glob(pattern)} - written:
        path.unlink()
        for folder in path.parents[:2]:
            if folder.parent != out and not any(folder.iterdir()):
                folder.rmdir()


PublishGroup = task(publish_group, "published")
