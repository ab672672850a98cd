"""A patient's later sessions in the space of a reference session, and what has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import SimpleITK as sitk

from ...models.regions import CAVITY, LABELS, REGIONS
from ..files.images import read_image, to_array, voxel_volume_ml, write_image, write_text
from ..files.labels import resample_labels
from ..files.transforms import compose, read_transform, write_transform
from ..records import Ports, Record
from ..task import task
from .records import PairFiles

COLUMNS = (
    "session_id",
    "region",
    "volume_ml",
    "change_ml",
    "change_percent",
    "reference_space_ml",
    "overlap_ml",
    "growth_ml",
    "shrinkage_ml",
)
"""Columns of a subject's table of change."""


@attrs.frozen(kw_only=True)
class Visit(Record):
    """A session as its scan's outputs have it."""

    session: str
    """Without ``ses-``."""
    image: Path
    """Native, bias-corrected, brain only."""
    labels: Path
    """Native BraTS labels, and 5 for a cavity; or a mask of the whole tumour."""
    sub_regions: bool
    """Whether they are labels."""


@attrs.frozen(kw_only=True)
class TemplateMaps(Ports):
    """The reference session's way to the template."""

    forward: Path
    """Template points to its native points."""
    inverse: Path
    """Its native points to template points."""


@attrs.frozen(kw_only=True)
class Followed(Record):
    """What a later session has in the space of the reference session, and its way to the template through it."""

    pair: PairFiles
    labels: Path
    """On the reference's grid."""
    to_template: Path
    """Template points to this session's native points: resamples its images."""
    from_template: Path
    """This session's native points to template points."""


def follow(
    reference: Visit, later: list[Visit], pairs: list[PairFiles], template: TemplateMaps
) -> tuple[list[Followed], Path]:
    """Carry the later sessions' labels to the reference session, join their maps with its own, measure the change.

    Parameters
    ----------
    reference : Visit
    later : list of Visit
    pairs : list of PairFiles
        Each of these registered to the reference, in this order.
    template : TemplateMaps

    Returns
    -------
    followed : list of Followed
        In the order of the sessions.
    change : Path
        JSON, a list of rows with :data:`COLUMNS`: those of the reference first.
    """
    before = read_image(reference.labels, sitk.sitkUInt8)
    natives = [read_image(visit.labels, sitk.sitkUInt8) for visit in later]
    there, back = read_transform(template.forward), read_transform(template.inverse)
    regions = _regions([reference, *later], [before, *natives])
    rows, followed = _rows(reference, before, regions), []
    for visit, native, pair in zip(later, natives, pairs, strict=True):
        forward, inverse = read_transform(pair.forward_xfm), read_transform(pair.inverse_xfm)
        carried = resample_labels(native, before, forward)
        stem = Path.cwd() / visit.session
        followed.append(
            Followed(
                pair=pair,
                labels=write_image(carried, stem.with_name(f"{visit.session}_labels.nii.gz")),
                to_template=write_transform(
                    compose(forward, there), stem.with_name(f"{visit.session}_to.h5")
                ),
                from_template=write_transform(
                    compose(back, inverse), stem.with_name(f"{visit.session}_from.h5")
                ),
            )
        )
        rows += _rows(visit, native, regions, (reference, before, carried))
    return followed, write_text(json.dumps(rows, indent=1), Path.cwd() / "change.json")


Follow = task(follow, "followed", "change")


def _regions(visits: list[Visit], labels: list[sitk.Image]) -> dict[str, tuple[str, ...]]:
    """The regions that all sessions tell apart, a cavity where one has any."""
    if not all(visit.sub_regions for visit in visits):
        return {"WT": REGIONS["WT"]}
    cavity = any((to_array(each) == CAVITY).any() for each in labels)
    return REGIONS | ({"RC": ("RC",)} if cavity else {})


def _rows(
    visit: Visit,
    native: sitk.Image,
    regions: dict[str, tuple[str, ...]],
    against: tuple[Visit, sitk.Image, sitk.Image] | None = None,
) -> list[dict[str, Any]]:
    """A session's row for each region; against the reference, its labels and the carried ones."""
    rows = []
    for region, parts in regions.items():
        volume = _ml(_inside(native, parts, visit.sub_regions), native)
        row: dict[str, Any] = dict.fromkeys(COLUMNS) | {
            "session_id": f"ses-{visit.session}",
            "region": region,
            "volume_ml": volume,
        }
        if against:
            reference, before, carried = against
            old = _inside(before, parts, reference.sub_regions)
            new, first = _inside(carried, parts, visit.sub_regions), _ml(old, before)
            row |= {
                "change_ml": volume - first,
                "change_percent": 100 * (volume / first - 1) if first else None,
                "reference_space_ml": _ml(new, before),
                "overlap_ml": _ml(old & new, before),
                "growth_ml": _ml(new & ~old, before),
                "shrinkage_ml": _ml(old & ~new, before),
            }
        rows.append({name: round(v, 3) if isinstance(v, float) else v for name, v in row.items()})
    return rows


def _inside(labels: sitk.Image, parts: tuple[str, ...], sub_regions: bool) -> np.ndarray:
    voxels = to_array(labels)
    if not sub_regions:
        return np.asarray(voxels > 0)
    return np.isin(voxels, [(LABELS | {"RC": CAVITY})[part] for part in parts])


def _ml(inside: np.ndarray, image: sitk.Image) -> float:
    return float(inside.sum()) * voxel_volume_ml(image)
