"""The tests of ``--tests`` as a stage of the group level: masks and a table in, maps and tables of clusters out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pandas as pd

from ....models.regions import LABELS, REGIONS
from ...files.images import write_image, write_text
from ...files.tables import read_table
from ...files.text import listed, people
from ...task import task
from ..records import GroupScan, participant_of
from .facts import CLUSTER_COLUMNS, TestFacts
from .maps import AssociationMaps, association_maps
from .masks import LesionMasks, read_masks
from .options import TestOptions
from .samples import Sample, read_sample
from .words import Association, AssociationError, association_labels

CLUSTERS = tuple(CLUSTER_COLUMNS)
"""Columns of the table of clusters; a table without clusters has them too."""


def associate(
    associations: tuple[Association, ...],
    participants: Path,
    scans: tuple[GroupScan, ...],
    template: Path,
    options: TestOptions,
) -> tuple[dict[str, Path], dict[str, TestFacts], list[str]]:
    """Make every test.

    Parameters
    ----------
    associations : tuple of Association
        What ``--tests`` asks for.
    participants : Path
        ``participants.tsv``.
    scans : tuple of GroupScan
        In any order; of each participant the first counts. On the template's grid are their ``tumor`` (BraTS labels, or
        not 0) and ``coverage``, the field of view; who has none is covered everywhere. Plain masks are left out of
        tests of sub-regions.
    template : Path
        The grid.
    options : TestOptions
        How the tests are made, and of which region.

    Returns
    -------
    files : dict of str to Path
        By ``<label>/<key>``: the label of
        :func:`~gliomorph.interfaces.group.associations.words.association_labels`; the keys of the maps of
        :class:`~gliomorph.interfaces.group.associations.maps.AssociationMaps`, and ``clusters``, their table.
    facts : dict of str to TestFacts
        By label.
    notices : list of str
        Who and what is left out, and warnings.

    Raises
    ------
    AssociationError
        If one of the tests cannot be made; the columns of all are read before the first mask.
    """
    known = {scan.label: scan for scan in scans if scan.kind == "dseg" or options.region == "WT"}
    samples = _samples_of_region(
        associations, participants, [scan.label for scan in scans], set(known), options
    )
    masks = read_masks(
        {label: scan.files["tumor"] for label, scan in known.items()},
        {label: scan.files["coverage"] for label, scan in known.items() if "coverage" in scan.files},
        template,
        options.min_lesions,
        () if options.region == "WT" else tuple(LABELS[part] for part in REGIONS[options.region]),
    )
    files: dict[str, Path] = {}
    facts: dict[str, TestFacts] = {}
    notices = list(masks.notices)
    for label, sample in zip(association_labels(associations), samples, strict=True):
        found = association_maps(sample, masks, options)
        # Pydra links the files of all tests and regions into one folder: no two may share a name
        stem = Path.cwd() / f"{label}_{options.region}"
        files |= _write_maps(label, stem, found, masks)
        files[f"{label}/clusters"] = write_clusters(found.clusters, Path(f"{stem}_clusters.tsv"))
        facts[label] = found.facts
        notices += found.notices
    if options.region != "WT":
        notices = [f"{options.region}: {text}" for text in notices]
    return files, facts, notices


def _samples_of_region(
    associations: Sequence[Association],
    participants: Path,
    scans: list[str],
    known: set[str],
    options: TestOptions,
) -> list[Sample]:
    """The participants of every test, without those whose plain masks tell nothing of a sub-region."""
    of_region = {participant_of(scan) for scan in known}
    plain = tuple(sorted({participant_of(scan) for scan in scans} - of_region))
    if not plain:
        return read_samples(associations, participants, scans, options)
    left_out = f"a plain mask tells nothing of {options.region}"
    try:
        samples = read_samples(associations, participants, sorted(known), options)
    except AssociationError as error:
        raise AssociationError(
            f"{error}; {people(len(plain))} left out, {left_out}: {listed(plain)}"
        ) from error
    return [attrs.evolve(sample, left_out={**sample.left_out, left_out: plain}) for sample in samples]


def read_samples(
    associations: Sequence[Association], participants: Path, scans: Sequence[str], options: TestOptions
) -> list[Sample]:
    """The participants of every test: what a run can check before anything is computed.

    Parameters
    ----------
    associations : sequence of Association
    participants : Path
        ``participants.tsv``.
    scans : sequence of str
        Those with a mask.
    options : TestOptions

    Returns
    -------
    samples : list of Sample

    Raises
    ------
    AssociationError
        With all that is wrong with columns.
    """
    if not participants.is_file():
        raise AssociationError(f"--tests: {participants} is required, there is no such file")
    try:
        rows = read_table(participants)
    except (OSError, ValueError) as error:
        raise AssociationError(f"--tests: {error}") from error
    names = {scan.split("_")[0] for scan in scans}
    samples, wrong = [], []
    for association in associations:
        try:
            samples.append(read_sample(association, rows, names, options.min_cell, options.covariates))
        except AssociationError as error:
            wrong.append(str(error))
    if wrong:
        raise AssociationError("--tests: " + "; ".join(dict.fromkeys(wrong)))
    return samples


def _write_maps(label: str, stem: Path, found: AssociationMaps, masks: LesionMasks) -> dict[str, Path]:
    return {
        f"{label}/{key}": write_image(masks.image(values), Path(f"{stem}_{key}.nii.gz"))
        for key, values in found.maps.items()
    }


def write_clusters(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """The table of clusters, by descending absolute statistic of the peak."""
    table = pd.DataFrame(rows, columns=list(CLUSTERS))
    return write_text(table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.5g"), path)


Associate = task(associate, "files", "facts", "notices")
