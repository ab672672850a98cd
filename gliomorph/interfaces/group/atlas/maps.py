"""The maps of one stratum, with what their sidecars say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import numpy as np

from ....models.atlas import (
    AtlasSums,
    Release,
    centroid_density,
    contrast,
    coverage_map,
    deviation_map,
    frequency_map,
    laterality,
    mean_map,
    shape_map,
)
from ....models.atlas.records import kinds_of
from ....models.regions import REGIONS
from ..records import MapFacts
from .scan import MEANS, REACH_MM, Frame

FWHM_MM = 12.0
"""Width of the Gaussian of the centroids' density."""
CONFIDENCE = 0.95

MEAN_TEXTS = {
    "image": "Mean of the warped images, each divided by its median in the template's brain",
    "healthy": "Mean of the registered brains with the tumours' appearance replaced, intensities of the template",
    "appearance": "appearance residual inside the tumours, in the template's intensities",
    "logjacobian": f"logarithm of det J of the deformation within {REACH_MM:g} mm around the tumours: positive where "
    "the template's tissue is larger in the patient",
}


@attrs.frozen(kw_only=True, eq=False)
class AtlasMap:
    """A map."""

    key: str
    """As in :func:`~gliomorph.interfaces.derivatives.names.map_names`."""
    values: np.ndarray
    """(X, Y, Z) float32."""
    facts: MapFacts


def _facts(content: Mapping[str, object], *files: str, region: str = "WT") -> MapFacts:
    """Facts of a map that is made of these files, and of fields of view, of who tells about the region."""
    return MapFacts(content=content, files=(*files, "coverage"), kinds=kinds_of(region))


def stratum_maps(
    sums: AtlasSums, stratum: str, shown: Release, frame: Frame, min_coverage: float
) -> Iterator[AtlasMap]:
    """All maps of a stratum that may be shown, one at a time.

    Parameters
    ----------
    sums : AtlasSums
    stratum : str
        ``all`` or one of the sums' strata.
    shown : Release
    frame : Frame
    min_coverage : float
        Share of the participants whose field of view has to hold a voxel.
    """
    for region in REGIONS:
        yield from _region_maps(sums, stratum, region, shown, frame, min_coverage)
    subjects = sums.subjects(stratum, "WT")
    text = "Share of the participants whose field of view covers the voxel"
    yield AtlasMap(
        key="coverage",
        values=coverage_map(sums, stratum),
        facts=_facts({"SampleSize": subjects, "Description": text}),
    )
    with_regions = sums.subjects(stratum, "TC")
    smallest = shown.cells.of(stratum)
    if smallest <= with_regions < subjects:
        text += ", of those whose tumours have sub-regions"
        yield AtlasMap(
            key="coverage_regions",
            values=coverage_map(sums, stratum, "TC"),
            facts=_facts({"SampleSize": with_regions, "Description": text}, region="TC"),
        )
    if stratum in sums.shapes:
        yield from _shape(sums, stratum, smallest, frame)
    yield from _means(sums, stratum, smallest)


def _region_maps(
    sums: AtlasSums, stratum: str, region: str, shown: Release, frame: Frame, min_coverage: float
) -> Iterator[AtlasMap]:
    found = frequency_map(sums, stratum, region, shown, CONFIDENCE, min_coverage)
    if found is None:
        return
    smallest = shown.cells.of(stratum)
    known = {"Region": region, "SampleSize": found.subjects, "WithheldVoxels": found.withheld}
    unknown = _unknown(smallest, min_coverage)
    share = "Participants with tumour in the voxel, divided by those whose field of view covers it"
    visible = ~np.isnan(found.frequency)
    count = sums.grid.volume(sums.cells[stratum].count(region)) * visible
    interval = f"limit of the {CONFIDENCE:.0%} interval (Wilson) of the frequency"
    mirrored = f"Frequency minus that of the voxel mirrored at x = {frame.midline_mm:g} mm (RAS)"
    for key, values, text in (
        ("frequency", np.where(visible, found.frequency, 0), f"{share}; 0 also where {unknown}"),
        ("count", count, f"Participants with tumour in the voxel; 0 also where {unknown}"),
        ("low", found.low, f"Lower {interval}; NaN where {unknown}"),
        ("high", found.high, f"Upper {interval}; NaN where {unknown}"),
        (
            "laterality",
            laterality(found.frequency, frame.grid, frame.midline_mm),
            f"{mirrored}; NaN where, on either side, {unknown}",
        ),
    ):
        facts = _facts(known | {"Description": text}, "tumor", region=region)
        yield AtlasMap(key=f"{key}_{region}", values=values.astype(np.float32), facts=facts)
    yield _centroids(sums, stratum, region, smallest, frame)


def _unknown(smallest: int, min_coverage: float) -> str:
    """Where a frequency is not shown, in words."""
    covered = f"less than {min_coverage:.0%} of the participants" if min_coverage else "no participant"
    text = f"the fields of view of {covered} hold the voxel"
    if smallest == 1:
        return text
    return f"fewer than {smallest} participants share it or could be told by subtraction, or {text}"


def _centroids(sums: AtlasSums, stratum: str, region: str, smallest: int, frame: Frame) -> AtlasMap:
    centroids = sums.centroids(stratum, region)
    text = f"Tumours with their centre of mass in a mm³, smoothed by a Gaussian of {FWHM_MM:g} mm FWHM"
    withheld = f"; NaN with fewer than {smallest} within that distance" if smallest > 1 else ""
    known = {"Region": region, "SampleSize": sums.subjects(stratum, region), "Description": text + withheld}
    values = centroid_density(centroids, frame.grid, FWHM_MM, smallest)
    return AtlasMap(key=f"centroids_{region}", values=values, facts=_facts(known, "tumor", region=region))


def _shape(sums: AtlasSums, stratum: str, smallest: int, frame: Frame) -> Iterator[AtlasMap]:
    found = shape_map(sums, stratum, smallest)
    if found is None:
        return
    centre = frame.grid.affine[:3, :3] @ found.centre + frame.grid.affine[:3, 3]
    text = "Tumours with the voxel, divided by all, each moved by whole voxels onto the mean of their centres of mass"
    known = {
        "Region": "WT",
        "SampleSize": found.subjects,
        "WithheldVoxels": found.withheld,
        "MeanCentroid": [round(float(mm), 2) for mm in centre],
        "Description": text + (f"; 0 also where fewer than {smallest} have it" if smallest > 1 else ""),
    }
    yield AtlasMap(key="shape", values=found.share, facts=_facts(known, "tumor"))


def _files_of_mean(name: str) -> tuple[str, ...]:
    """Images of a template's brain are read as they are, statistics inside or around the tumour."""
    return (MEANS[name],) if name in ("image", "healthy") else (MEANS[name], "tumor")


def _means(sums: AtlasSums, stratum: str, min_cell: int) -> Iterator[AtlasMap]:
    for name in sums.means:
        most = int(sums.cells[stratum].moments[name].count.max(initial=0))
        if most < min_cell:
            continue
        known = {"SampleSize": sums.subjects(stratum, "WT"), "LargestCount": most}
        files = _files_of_mean(name)
        values = mean_map(sums, stratum, name, min_cell)
        if name in ("image", "healthy"):
            text = f"{MEAN_TEXTS[name]}; 0 outside its brain"
            facts = _facts({**known, "Description": text, "SkullStripped": True}, *files)
            key = "mean" if name == "image" else "mean_healthy"
            yield AtlasMap(key=key, values=np.nan_to_num(values, nan=0.0), facts=facts)
            continue
        withheld = "; NaN where fewer than {} have a value"
        text = f"Mean {MEAN_TEXTS[name]}{withheld.format(min_cell)}"
        facts = _facts(known | {"Description": text}, *files)
        yield AtlasMap(key=f"{name}_mean", values=values, facts=facts)
        least = max(min_cell, 2)
        text = f"Standard deviation (n − 1) of the {MEAN_TEXTS[name]}{withheld.format(least)}"
        deviation = deviation_map(sums, stratum, name, least)
        facts = _facts(known | {"Description": text}, *files)
        yield AtlasMap(key=f"{name}_sd", values=deviation, facts=facts)


def contrast_maps(
    sums: AtlasSums, stratum: str, reference: str, shown: Release, min_coverage: float
) -> Iterator[AtlasMap]:
    """Differences and odds ratios of two strata that exclude each other.

    Parameters
    ----------
    sums : AtlasSums
    stratum, reference : str
    shown : Release
    min_coverage : float
        As for :func:`stratum_maps`, of each of the two.
    """
    unknown = f"NaN where, in either, {_unknown(shown.cells.of(stratum), min_coverage)}"
    for region in REGIONS:
        found = contrast(sums, stratum, reference, region, shown, min_coverage)
        if found is None:
            continue
        known = {"Region": region, "SampleSize": found.subjects}
        for key, values, text in (
            ("difference", found.difference, f"Frequency in {stratum} minus that in {reference}"),
            (
                "oddsratio",
                found.odds_ratio,
                f"Odds in {stratum} over those in {reference}, ½ added to all cells where one is empty "
                "(Haldane-Anscombe); NaN where nobody has it, or everybody",
            ),
        ):
            facts = _facts(known | {"Description": f"{text}; {unknown}"}, "tumor", region=region)
            yield AtlasMap(key=f"{key}_{region}", values=values, facts=facts)
