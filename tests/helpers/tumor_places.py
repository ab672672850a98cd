"""A parcellation of a few regions, and tumours in them, without images."""

from __future__ import annotations

from pathlib import Path

from gliomorph.interfaces.group.regions.label_map import Parcel
from gliomorph.interfaces.group.regions.parcellation import Parcellation
from gliomorph.models.atlas import Place


def parcellation(count: int) -> Parcellation:
    return Parcellation(
        name="quarters",
        path=Path("none"),
        parcels=tuple(Parcel(label=f"L{n}", name=f"label {n}") for n in range(count)),
        sizes=(100,) * count,
        voxel_ml=0.5,
        digest="abc",
    )


def places_of(*counts: int, none: int = 0) -> dict[str, Place]:
    """So many tumours of ten voxels wholly in each region, and others outside of all."""
    regions = [n + 1 for n, count in enumerate(counts) for _ in range(count)] + [0] * none
    return {
        f"{number:02}": Place(
            region=region, size=10, voxels=tuple(10 * (region == n + 1) for n in range(len(counts)))
        )
        for number, region in enumerate(regions)
    }
