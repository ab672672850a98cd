"""Tables of tumours in a parcellation: columns of every patient, and a row for each region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...files.images import write_text
from ..strata.groups import Stratum, withhold
from .parcellation import Parcellation

Places = Mapping[str, Mapping[str, Any]]


def patient_columns(places: Places, parcellation: Parcellation) -> dict[str, dict[str, Any]]:
    """What ``group_patients.tsv`` says of each scan: ``region``, and ``overlap_<label>`` of every region.

    An overlap is the share, 0 to 1, of the whole tumour's voxels that are in the region; without a tumour it is
    missing, as the region is of one that belongs to none.
    """
    labels = [parcel.label for parcel in parcellation.parcels]
    columns = {}
    for scan, place in places.items():
        size = place["size"]
        shares = [round(voxels / size, 4) if size else None for voxels in place["voxels"]]
        columns[scan] = {
            "region": labels[place["region"] - 1] if place["region"] else None,
            **{f"overlap_{label}": share for label, share in zip(labels, shares, strict=True)},
        }
    return columns


def parcellation_rows(
    places: Places, parcellation: Parcellation, regions: Sequence[Stratum], min_cell: int
) -> list[dict[str, Any]]:
    """The rows of ``group_parcellation.tsv``.

    Parameters
    ----------
    places : mapping of str to mapping
        By scan: ``region``, ``voxels`` of the tumour in every region.
    parcellation : Parcellation
    regions : sequence of Stratum
        One for each region, in the same order.
    min_cell : int
        With more than 1, numbers of fewer participants are missing, and those by which they could be told: the
        participants in all regions and in none are as many as there are.

    Returns
    -------
    rows : list of dict
        ``label``, ``name``, ``volume_ml``, ``participants`` who belong there, ``participants_touching`` it,
        ``share_involved_mean``: over the latter, the share of the region's volume that the tumour takes.
    """
    voxels = np.array([place["voxels"] for place in places.values()]).reshape(len(places), len(regions))
    told = _told(regions, len(places), min_cell)
    rows = []
    for number, (parcel, region) in enumerate(zip(parcellation.parcels, regions, strict=True)):
        size, here = parcellation.sizes[number], voxels[:, number]
        touching = int((here > 0).sum())
        enough = touching >= max(1, min_cell)
        rows.append(
            {
                "label": parcel.label,
                "name": parcel.name,
                "volume_ml": size * parcellation.voxel_ml,
                "participants": len(region.participants) if region.label in told else None,
                "participants_touching": touching if enough or min_cell == 1 else None,
                "share_involved_mean": float(here[here > 0].mean() / size) if enough else None,
            }
        )
    return rows


def _told(regions: Sequence[Stratum], everybody: int, min_cell: int) -> set[str]:
    """Regions whose number of participants may be told: one alone that may not would be the rest of all."""
    if min_cell == 1:
        return {region.label for region in regions}
    decided = withhold(regions, everybody, min_cell)
    return {s.label for s in decided if not s.withheld or len(s.participants) == everybody >= min_cell}


def write_parcellation(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """``group_parcellation.tsv``."""
    text: str = pd.DataFrame(rows).to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.5g")
    return write_text(text, path)
