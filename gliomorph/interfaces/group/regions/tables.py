"""Tables of tumours in a parcellation: columns of every patient, and a row for each region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ....models.atlas import Place
from ....models.small_cells import SmallCells
from ...files.images import write_text
from ..records import Stratum
from ..strata.groups import withhold
from .parcellation import Parcellation


def patient_columns(places: Mapping[str, Place], parcellation: Parcellation) -> dict[str, dict[str, Any]]:
    """What ``group_patients.tsv`` says of each scan: ``region``, and ``overlap_<label>`` of every region.

    An overlap is the share, 0 to 1, of the whole tumour's voxels that are in the region; without a tumour it is
    missing, as the region is of one that belongs to none.
    """
    labels = [parcel.label for parcel in parcellation.parcels]
    columns = {}
    for scan, place in places.items():
        size = place.size
        shares = [round(voxels / size, 4) if size else None for voxels in place.voxels]
        columns[scan] = {
            "region": labels[place.region - 1] if place.region else None,
            **{f"overlap_{label}": share for label, share in zip(labels, shares, strict=True)},
        }
    return columns


def parcellation_rows(
    places: Mapping[str, Place], parcellation: Parcellation, regions: Sequence[Stratum], cells: SmallCells
) -> list[dict[str, Any]]:
    """The rows of ``group_parcellation.tsv``.

    Parameters
    ----------
    places : mapping of str to Place
        By scan.
    parcellation : Parcellation
    regions : sequence of Stratum
        One for each region, in the same order.
    cells : SmallCells
        Numbers of too few participants are missing, and those by which they could be told: the participants in all
        regions and in none are as many as there are.

    Returns
    -------
    rows : list of dict
        ``label``, ``name``, ``volume_ml``, ``participants`` who belong there, ``participants_touching`` it,
        ``share_involved_mean``: over the latter, the share of the region's volume that the tumour takes.
    """
    voxels = np.array([place.voxels for place in places.values()]).reshape(len(places), len(regions))
    # a region that has no maps only because others are larger is counted all the same
    decided = withhold(regions, len(places), cells, alone=True)
    counted = {s.label for s in decided if cells.strata == 1 or not s.withheld}
    rows = []
    for number, (parcel, region) in enumerate(zip(parcellation.parcels, regions, strict=True)):
        size, here = parcellation.sizes[number], voxels[:, number]
        touching = int((here > 0).sum())
        shown = cells.shows(touching, region.label)
        rows.append(
            {
                "label": parcel.label,
                "name": parcel.name,
                "volume_ml": size * parcellation.voxel_ml,
                "participants": len(region.participants) if region.label in counted else None,
                "participants_touching": touching if shown else None,
                "share_involved_mean": float(here[here > 0].mean() / size) if shown and touching else None,
            }
        )
    return rows


def write_parcellation(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """``group_parcellation.tsv``."""
    text: str = pd.DataFrame(rows).to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.5g")
    return write_text(text, path)
