"""The page of a registered pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...pairs.records import PairFiles, PairImages
from ..pages import Album, Measure, as_json, render, shown
from .pictures import PairNames, pair_pictures

MEASURES = {
    "ncc_linear": Measure("Correlation outside the lesions, linear map"),
    "ncc": Measure("Correlation outside the lesions, registered"),
    "brain_dice_linear": Measure("Dice of the brains, linear map"),
    "brain_dice": Measure("Dice of the brains, registered"),
    "jacobian_min": Measure("det J of the deformation, minimum"),
    "jacobian_max": Measure("det J of the deformation, maximum"),
    "folds": Measure("Folded voxels"),
    "inconsistency_mm_mean": Measure("Inconsistency outside the lesion, mean", "mm"),
    "inconsistency_mm_p95": Measure("Inconsistency outside the lesion, 95 %", "mm"),
    "no_counterpart_ml": Measure("Without counterpart", "ml"),
    "outside_view_ml": Measure("Of this outside the moving image", "ml"),
}
"""Figures of a pair's record, as its page calls them."""


def pair_page(
    images: PairImages,
    files: PairFiles,
    names: PairNames,
    notices: Sequence[str],
    record: dict[str, Any],
    folder: Path,
) -> Path:
    """``report.html`` and its pictures in ``figures``.

    Parameters
    ----------
    images : PairImages
    files : PairFiles
    names : PairNames
    notices : sequence of str
    record : dict
        What the pair's JSON says.
    folder : Path

    Returns
    -------
    page : Path
    """
    album = Album("pair", folder / "figures")
    return render(
        "pair.html.j2",
        folder / "report.html",
        title=f"{names.moving} registered to {names.fixed}",
        notices=list(notices),
        summary=summary_of(record),
        measures=measures_of(record),
        pictures=pair_pictures(album, images.moving, images.fixed, images.fixed_lesion, files, names),
        used=[("record", as_json(record))],
    )


def summary_of(record: dict[str, Any]) -> list[tuple[str, str]]:
    """How a pair was registered, for the top of its page."""
    masks = [name for name, given in record["masks"].items() if given]
    rows = [
        *methods_of(record),
        ("Left out", f"the lesion of the {' and of the '.join(masks)} image" if masks else "nothing"),
    ]
    if volumes := record.get("lesion_ml"):
        rows.append(("Lesion", f"{volumes['moving']:.1f} ml, as carried {volumes['carried']:.1f} ml"))
    return rows


def methods_of(record: dict[str, Any]) -> list[tuple[str, str]]:
    """By which methods a pair was registered, and on what voxels."""
    how = [record["linear"], *([record["deformable"]] if record["deformable"] else [])]
    return [
        ("Registered by", ", then ".join(how)),
        ("Compared on", f"voxels of {record['voxel_mm']:g} mm"),
    ]


def measures_of(record: dict[str, Any]) -> list[tuple[Measure, str]]:
    """Figures of a pair by their names."""
    return [(measure, shown(record[name])) for name, measure in MEASURES.items()]
