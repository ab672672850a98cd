"""The population atlas as a stage: sums over the scans, the maps of every stratum, and tables.

Scans are read one at a time and only where the kept sums lack them. Sums are integers, so that the same scans give
the same bytes in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from fileformats.generic import File

from ....models.atlas import EVERYBODY, AtlasSums, Release, release
from ...files.images import from_array, write_image
from ...task import task
from ..strata.groups import BY_PLACE, contrasts_of
from .maps import AtlasMap, contrast_maps, stratum_maps
from .scan import MEANS, SPREADS, Frame, read_scan
from .sums import Rows, updated_sums
from .tables import region_row, write_patients, write_regions


def atlas(
    scans: list[str],
    files: list[dict[str, File]],
    kinds: list[str],
    keys: list[str],
    strata: list[dict[str, Any]],
    places: dict[str, dict[str, Any]],
    template: Path,
    template_brain: Path,
    min_cell: dict[str, int],
    min_coverage: float,
    code: str,
    kept: str,
) -> tuple[dict[str, File], dict[str, dict[str, Any]], File, File]:
    """Maps of all scans and of every stratum on the template's grid.

    Parameters
    ----------
    scans : list of str
        Labels, one of each participant, in the order of the other lists.
    files : list of dict
        As :func:`~gliomorph.interfaces.group.atlas.scan.read_scan` takes them.
    kinds : list of str
        ``dseg`` scans count for every region, ``mask`` scans for WT only.
    keys : list of str
        A scan's changes whenever its files do.
    strata : list of dict
        ``label``, ``column``, ``description`` and ``scans`` of those to be published; ``parcellation``, what a sidecar
        says of it, of regions, whose column is :data:`~gliomorph.interfaces.group.strata.groups.BY_PLACE`.
    places : dict of str to dict
        By scan, further columns of its row, the same of all scans; none without a parcellation.
    template, template_brain : Path
        The template's full grid.
    min_cell : dict of str to int
        Nothing is shown that fewer participants share; 1 shows everything: ``everybody`` and ``strata``, as those of
        :class:`~gliomorph.interfaces.group.strata.small_cells.SmallCells`.
    min_coverage : float
        Share of the participants whose field of view has to hold a voxel.
    code : str
        Of what computes: kept sums of other code are not taken.
    kept : str
        Where the sums are kept for the next time; empty for nowhere.

    Returns
    -------
    maps : dict of str to File
        By ``<stratum>/<key>``; the stratum of everybody is ``all``. Those of a contrast by its label in place of the
        stratum's.
    facts : dict of str to dict
        What each map's sidecar says of it.
    regions : File
        Table: regions of every stratum, number of scans, with how many tumours, volumes in ml, the peak.
    patients : File
        Table: a row for each scan.

    Raises
    ------
    ValueError
        Without any scan.
    """
    if not scans:
        raise ValueError("no scan has valid outputs: there is nothing to make an atlas of")
    frame = Frame.of(template, template_brain)
    sums, rows = _sum(scans, files, kinds, keys, strata, frame, code, kept)
    columns = [[s["label"] for s in strata if s["column"] == column] for column in _columns(strata)]
    shown = release(sums, columns, min_cell["strata"], min_cell["everybody"])
    maps: dict[str, File] = {}
    facts: dict[str, dict[str, Any]] = {}
    table = []
    for stratum, found in _maps(sums, strata, shown, frame, min_coverage):
        key = f"{stratum}/{found.key}"
        image = from_array(found.values, frame.image)
        maps[key] = File(write_image(image, Path.cwd() / f"{key}.nii.gz"))
        facts[key] = found.facts | {"MinimumCell": shown.smallest(stratum), "MinimumCoverage": min_coverage}
        if found.key.startswith("frequency_"):
            region = found.facts["Region"]
            table.append(region_row(sums, stratum, region, found.values, frame, shown.smallest(stratum)))
    regions = write_regions(table, Path.cwd() / "regions.tsv")
    patients = write_patients(rows, places, Path.cwd() / "patients.tsv")
    return maps, facts, File(regions), File(patients)


def _sum(
    scans: Sequence[str],
    files: Sequence[Mapping[str, Any]],
    kinds: Sequence[str],
    keys: Sequence[str],
    strata: Sequence[Mapping[str, Any]],
    frame: Frame,
    code: str,
    kept: str,
) -> tuple[AtlasSums, Rows]:
    means = [name for name, needed in MEANS.items() if any(needed in bundle for bundle in files)]
    inside = _strata_of(scans, strata)
    given = {
        scan: ({name: Path(path) for name, path in bundle.items()}, kind, key)
        for scan, bundle, kind, key in zip(scans, files, kinds, keys, strict=True)
    }

    def empty() -> AtlasSums:
        spreads = [name for name in SPREADS if name in means]
        shapes = [s["label"] for s in strata if s["column"] == BY_PLACE]
        return AtlasSums.empty(frame.grid, [s["label"] for s in strata], means, spreads, frame.brain, shapes)

    def read(scan: str) -> Any:
        paths, kind, key = given[scan]
        return read_scan(scan, paths, kind, inside[scan], key, frame)

    wanted = {scan: (key, inside[scan]) for scan, (_, _, key) in given.items()}
    return updated_sums(Path(kept) if kept else None, code, empty, wanted, read)


def _maps(
    sums: AtlasSums, strata: Sequence[Mapping[str, Any]], shown: Release, frame: Frame, min_coverage: float
) -> Iterator[tuple[str, AtlasMap]]:
    """Label and map of everybody, of every stratum and of every contrast, one at a time."""
    definitions = {s["label"]: _definition(s) for s in strata}
    for stratum in (EVERYBODY, *definitions):
        known = {"Stratum": definitions[stratum]} if stratum in definitions else {}
        for found in stratum_maps(sums, stratum, shown, frame, min_coverage):
            yield stratum, attrs.evolve(found, facts=found.facts | known)
    for label, stratum, reference in contrasts_of((s["column"], s["label"]) for s in strata):
        known = {"Stratum": definitions[stratum], "Reference": definitions[reference]}
        for found in contrast_maps(sums, stratum, reference, shown, min_coverage):
            yield label, attrs.evolve(found, facts=found.facts | known)


def _columns(strata: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(s["column"] for s in strata))


def _strata_of(scans: Sequence[str], strata: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    return {scan: [s["label"] for s in strata if scan in s["scans"]] for scan in scans}


def _definition(stratum: Mapping[str, Any]) -> dict[str, Any]:
    made_by = {"Parcellation": stratum["parcellation"]} if "parcellation" in stratum else {}
    return {
        "Label": stratum["label"],
        "Column": stratum["column"],
        "Definition": stratum["description"],
        "SampleSize": len(stratum["scans"]),
        **made_by,
    }


Atlas = task(atlas, "maps", "facts", "regions", "patients")
