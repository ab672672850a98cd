"""The population atlas as a stage: sums over the scans, the maps of every stratum, and tables.

Scans are read one at a time and only where the kept sums lack them. Sums are integers, so that the same scans give
the same bytes in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from ....models.atlas import EVERYBODY, AtlasSums, Release, release
from ...files.images import from_array, write_image
from ...task import task
from ..records import AtlasInputs, MapFacts, Stratum
from ..strata.groups import BY_PLACE, contrasts_of
from .maps import AtlasMap, contrast_maps, stratum_maps
from .scan import MEANS, SPREADS, Frame, read_scan
from .sums import Rows, updated_sums
from .tables import region_row, write_patients, write_regions


def atlas(inputs: AtlasInputs) -> tuple[dict[str, Path], dict[str, MapFacts], dict[str, Path]]:
    """Maps of all scans and of every stratum on the template's grid.

    Parameters
    ----------
    inputs : AtlasInputs
        Scans, strata, the template and options.

    Returns
    -------
    maps : dict of str to Path
        By ``<stratum>/<key>``; the stratum of everybody is ``all``. Those of a contrast by its label in place of the
        stratum's.
    facts : dict of str to MapFacts
        What each map's sidecar says of it.
    tables : dict of str to Path
        ``regions``: regions of every stratum, number of scans, with how many tumours, volumes in ml, the peak;
        ``patients``: a row for each scan.

    Raises
    ------
    ValueError
        Without any scan.
    """
    if not inputs.scans:
        raise ValueError("no scan has valid outputs: there is nothing to make an atlas of")
    frame = Frame.of(inputs.template, inputs.template_brain)
    sums, rows = _sum(inputs, frame)
    # the policy is applied to all strata at once: what one shows may be the difference of others
    shown = release(sums, _by_column(inputs.strata), inputs.cells)
    maps: dict[str, Path] = {}
    facts: dict[str, MapFacts] = {}
    table = []
    # one map at a time: all of them would be gigabytes on a grid of 1 mm
    for stratum, found in _maps(sums, inputs, shown, frame):
        key = f"{stratum}/{found.key}"
        image = from_array(found.values, frame.image)
        maps[key] = write_image(image, Path.cwd() / f"{key}.nii.gz")
        facts[key] = _more(
            found.facts, MinimumCell=inputs.cells.of(stratum), MinimumCoverage=inputs.min_coverage
        )
        if found.key.startswith("frequency_"):
            region = found.facts.content["Region"]
            table.append(region_row(sums, stratum, region, found.values, frame, inputs.cells))
    tables = {
        "regions": write_regions(table, Path.cwd() / "regions.tsv"),
        "patients": write_patients(rows, inputs.places, Path.cwd() / "patients.tsv"),
    }
    return maps, facts, tables


def _sum(inputs: AtlasInputs, frame: Frame) -> tuple[AtlasSums, Rows]:
    scans = {scan.label: scan for scan in inputs.scans}
    means = [name for name, needed in MEANS.items() if any(needed in scan.files for scan in inputs.scans)]
    inside = {
        scan.label: [s.label for s in inputs.strata if scan.participant in s.participants]
        for scan in inputs.scans
    }

    def empty() -> AtlasSums:
        spreads = [name for name in SPREADS if name in means]
        shapes = [s.label for s in inputs.strata if s.column == BY_PLACE]
        labels = [s.label for s in inputs.strata]
        return AtlasSums.empty(frame.grid, labels, means, spreads, frame.brain, shapes)

    def read(label: str) -> Any:
        return read_scan(scans[label], inside[label], frame)

    wanted = {label: (scan.key, inside[label]) for label, scan in scans.items()}
    return updated_sums(Path(inputs.kept) if inputs.kept else None, inputs.code, empty, wanted, read)


def _maps(
    sums: AtlasSums, inputs: AtlasInputs, shown: Release, frame: Frame
) -> Iterator[tuple[str, AtlasMap]]:
    """Label and map of everybody, of every stratum and of every contrast, one at a time."""
    definitions = {s.label: _definition(s, inputs.parcellation) for s in inputs.strata}
    for stratum in (EVERYBODY, *definitions):
        known = {"Stratum": definitions[stratum]} if stratum in definitions else {}
        for found in stratum_maps(sums, stratum, shown, frame, inputs.min_coverage):
            yield stratum, attrs.evolve(found, facts=_more(found.facts, **known))
    for label, stratum, reference in contrasts_of(inputs.strata):
        known = {"Stratum": definitions[stratum], "Reference": definitions[reference]}
        for found in contrast_maps(sums, stratum, reference, shown, inputs.min_coverage):
            yield label, attrs.evolve(found, facts=_more(found.facts, **known))


def _more(facts: MapFacts, **content: Any) -> MapFacts:
    return attrs.evolve(facts, content={**facts.content, **content})


def _by_column(strata: tuple[Stratum, ...]) -> list[list[str]]:
    """Labels of the strata that exclude each other."""
    columns = dict.fromkeys(s.column for s in strata)
    return [[s.label for s in strata if s.column == column] for column in columns]


def _definition(stratum: Stratum, parcellation: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Label": stratum.label,
        "Column": stratum.column,
        "Definition": stratum.description,
        "SampleSize": len(stratum.participants),
        **({"Parcellation": dict(parcellation)} if stratum.column == BY_PLACE else {}),
    }


Atlas = task(atlas, "maps", "facts", "tables")
