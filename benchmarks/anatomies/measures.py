"""Overlap of people's structures in the template, pair by pair, and what the records of their registrations say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import attrs
import numpy as np
import SimpleITK as sitk

from gliomorph.evaluation.labels import carried
from gliomorph.interfaces.datasets.templates import Template, load_template
from gliomorph.interfaces.derivatives.registrations import EvaluationError, Registration
from gliomorph.interfaces.files.images import read_image, to_array
from gliomorph.interfaces.files.transforms import read_transform
from gliomorph.interfaces.reports.pages import Measure, as_number

from ..comparison import Row
from ..records import RECORDED, recorded
from .cohort import NAMES
from .options import Options

OVERLAP = Measure(f"Dice of {len(NAMES)} structures", "", "higher")
STRUCTURES = {name: Measure(name[0].upper() + name[1:], "", "higher") for name in NAMES}
PAIR_MEASURES = {"dice": OVERLAP, **STRUCTURES}
"""Columns of ``pairs.tsv`` after the pair and the method."""
MEASURES = {"dice": OVERLAP, **RECORDED, **STRUCTURES}
"""Columns of ``anatomies.tsv`` after person and method; Dice with all others, on average."""

Found = Mapping[str, Mapping[str, Registration]]
"""Method, as tables name it, then scan."""


@attrs.frozen(kw_only=True, eq=False)
class Carried:
    """One person in template space.

    Attributes
    ----------
    labels : ndarray of uint8, (X, Y, Z)
        :data:`~.cohort.NAMES`, from 1.
    tumor : ndarray of bool, (X, Y, Z)
    """

    labels: np.ndarray
    tumor: np.ndarray


def measure_all(found: Found, options: Options) -> tuple[list[Row], list[Row]]:
    """Every person and method, every pair and method.

    Returns
    -------
    people, pairs : list of dict
        ``participant_id``, ``method``, and :data:`MEASURES` or :data:`PAIR_MEASURES`; the ``participant_id`` of a
        pair is both, with a space between.

    Raises
    ------
    EvaluationError
        Fewer than two people could be registered by some method.
    """
    template = load_template(options.template, options.resolution, options.template_folders)
    brain_voxels = int(np.count_nonzero(to_array(template.brain_mask)))
    people: list[Row] = []
    pairs: list[Row] = []
    for label, scans in found.items():
        if len(scans) < 2:
            raise EvaluationError(
                f"{label}: {len(scans)} of {len(options.maps)} people could be registered, two are required; "
                f"{options.out}/derivatives*/logs say why"
            )
        there = {scan: carry(one, template, options) for scan, one in scans.items()}
        of_method: list[Row] = [
            {
                "participant_id": f"{one} {other}",
                "method": label,
                **overlaps(there[one], there[other]),
            }
            for one, other in combinations(there, 2)
        ]
        pairs += of_method
        for scan, registration in scans.items():
            own = [row for row in of_method if scan in str(row["participant_id"]).split()]
            people.append(
                {
                    "participant_id": scan,
                    "method": label,
                    **_mean_of(own),
                    **recorded(registration, brain_voxels),
                }
            )
        print(f"{label}: measured", flush=True)
    return [_ordered(row, MEASURES) for row in people], pairs


def carry(one: Registration, template: Template, options: Options) -> Carried:
    """A person's structures and tumour in the template: every label interpolated linearly, the largest share wins."""
    subject = one.where.split("/")[0]
    structures = read_image(
        options.anatomies / one.where / f"{subject}_desc-structures_dseg.nii.gz", sitk.sitkUInt8
    )
    truth = options.bids / "derivatives" / "truth" / one.where / f"{subject}_seg-brats_dseg.nii.gz"
    tumor = sitk.Cast(read_image(truth, sitk.sitkUInt8) > 0, sitk.sitkFloat32)
    transform = read_transform(one.native_from_template)
    labels = sitk.Resample(structures, template.image, transform, sitk.sitkLabelLinear, 0, sitk.sitkUInt8)
    return Carried(labels=to_array(labels), tumor=carried(tumor, one, template.image))


def overlaps(one: Carried, other: Carried) -> dict[str, float | None]:
    """Dice of every structure of two people outside both tumours, and their mean; None for one that both lack."""
    outside = ~(one.tumor | other.tumor)
    size = len(NAMES) + 1
    both = size * one.labels[outside].astype(np.int64) + other.labels[outside]
    counts = np.bincount(both, minlength=size**2).reshape(size, size)
    sums = counts.sum(axis=0) + counts.sum(axis=1)
    dice = {
        name: float(2 * counts[k, k] / sums[k]) if sums[k] else None for k, name in enumerate(NAMES, start=1)
    }
    known = [value for value in dice.values() if value is not None]
    return {"dice": float(np.mean(known)) if known else None, **dice}


def _mean_of(rows: Sequence[Row]) -> Row:
    means: Row = {}
    for name in PAIR_MEASURES:
        known = [number for row in rows if (number := as_number(row[name])) is not None]
        means[name] = float(np.mean(known)) if known else None
    return means


def _ordered(row: Row, measures: Mapping[str, Measure]) -> Row:
    return {name: row[name] for name in ("participant_id", "method", *measures)}
