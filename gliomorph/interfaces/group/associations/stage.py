"""The tests of ``--tests`` as a stage of the group level: masks and a table in, maps and tables of clusters out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pandas as pd
from fileformats.generic import File

from ....models.atlas.records import PARTS, REGIONS
from ...files.images import write_image, write_text
from ...files.tables import read_table
from ...files.text import listed, people
from ...task import task
from .facts import CLUSTER_COLUMNS
from .maps import AssociationMaps, association_maps
from .masks import LesionMasks, read_masks
from .options import TestOptions
from .samples import Sample, read_sample
from .words import AssociationError, association_labels, parse_associations

CLUSTERS = tuple(CLUSTER_COLUMNS)
"""Columns of the table of clusters; a table without clusters has them too."""


def associate(
    words: list[str],
    participants: Path,
    scans: list[str],
    tumors: list[Path],
    kinds: list[str],
    coverages: list[Path],
    template: Path,
    options: dict[str, Any],
) -> tuple[dict[str, File], dict[str, dict[str, Any]], dict[str, File], list[str]]:
    """Make every test.

    Parameters
    ----------
    words : list of str
        As :func:`~gliomorph.interfaces.group.associations.words.parse_associations` takes them.
    participants : Path
        ``participants.tsv``.
    scans : list of str
        ``sub-X`` or ``sub-X_ses-Y``, in any order; of each participant the first counts.
    tumors, coverages : list of Path
        In the order of the scans, on the template's grid: tumours (BraTS labels, or not 0) and fields of view. No
        coverages at all mean that everybody is covered everywhere.
    kinds : list of str
        In the order of the scans: ``dseg``, with labels, or ``mask``; plain masks are left out of tests of sub-regions.
    template : Path
        The grid.
    options : dict
        Of :class:`~gliomorph.interfaces.group.associations.options.TestOptions`.

    Returns
    -------
    maps : dict of str to File
        By ``<label>/<key>``: the label of
        :func:`~gliomorph.interfaces.group.associations.words.association_labels`, the keys of
        :class:`~gliomorph.interfaces.group.associations.maps.AssociationMaps`.
    facts : dict of str to dict
        For the sidecar of each map.
    clusters : dict of str to File
        Tables by label.
    notices : list of str
        Who and what is left out, and warnings.

    Raises
    ------
    AssociationError
        If one of the tests cannot be made; the columns of all are read before the first mask.
    """
    asked, chosen = parse_associations(words), TestOptions(**options)
    told = {scan for scan, kind in zip(scans, kinds, strict=True) if kind == "dseg" or chosen.region == "WT"}
    files = {scan: Path(path) for scan, path in zip(scans, tumors, strict=True) if scan in told}
    seen = dict(zip(scans, map(Path, coverages), strict=True)) if coverages else {}
    samples = _samples_of_region(words, Path(participants), scans, told, chosen)
    labels = () if chosen.region == "WT" else tuple(PARTS[part] for part in REGIONS[chosen.region])
    masks = read_masks(files, seen, template, chosen.min_lesions, labels)
    maps: dict[str, File] = {}
    facts: dict[str, dict[str, Any]] = {}
    tables: dict[str, File] = {}
    notices = list(masks.notices)
    for label, sample in zip(association_labels(asked), samples, strict=True):
        found = association_maps(sample, masks, chosen)
        # Pydra links the files of all tests and regions into one folder: no two may share a name
        stem = Path.cwd() / f"{label}_{chosen.region}"
        maps |= _write_maps(label, stem, found, masks)
        facts |= {f"{label}/{key}": known for key, known in found.facts.items()}
        tables[label] = File(write_clusters(found.clusters, Path(f"{stem}_clusters.tsv")))
        notices += found.notices
    if chosen.region != "WT":
        notices = [f"{chosen.region}: {text}" for text in notices]
    return maps, facts, tables, notices


def _samples_of_region(
    words: list[str], participants: Path, scans: list[str], told: set[str], options: TestOptions
) -> list[Sample]:
    """The participants of every test, without those whose plain masks tell nothing of a sub-region."""
    of_region = {_participant(scan) for scan in told}
    plain = tuple(sorted({_participant(scan) for scan in scans} - of_region))
    if not plain:
        return read_samples(words, participants, scans, options)
    left_out = f"a plain mask tells nothing of {options.region}"
    try:
        samples = read_samples(words, participants, sorted(told), options)
    except AssociationError as error:
        raise AssociationError(
            f"{error}; {people(len(plain))} left out, {left_out}: {listed(plain)}"
        ) from error
    return [attrs.evolve(sample, left_out={**sample.left_out, left_out: plain}) for sample in samples]


def _participant(scan: str) -> str:
    return scan.split("_")[0].removeprefix("sub-")


def read_samples(
    words: Sequence[str], participants: Path, scans: Sequence[str], options: TestOptions
) -> list[Sample]:
    """The participants of every test: what a run can check before anything is computed.

    Parameters
    ----------
    words : sequence of str
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
        With all that is wrong with words and columns.
    """
    asked = parse_associations(words)
    if not participants.is_file():
        raise AssociationError(f"--tests: {participants} is required, there is no such file")
    try:
        rows = read_table(participants)
    except (OSError, ValueError) as error:
        raise AssociationError(f"--tests: {error}") from error
    names = {scan.split("_")[0] for scan in scans}
    samples, wrong = [], []
    for association in asked:
        try:
            samples.append(read_sample(association, rows, names, options.min_cell, options.covariates))
        except AssociationError as error:
            wrong.append(str(error))
    if wrong:
        raise AssociationError("--tests: " + "; ".join(dict.fromkeys(wrong)))
    return samples


def _write_maps(label: str, stem: Path, found: AssociationMaps, masks: LesionMasks) -> dict[str, File]:
    return {
        f"{label}/{key}": File(write_image(masks.image(values), Path(f"{stem}_{key}.nii.gz")))
        for key, values in found.maps.items()
    }


def write_clusters(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """The table of clusters, by descending absolute statistic of the peak."""
    table = pd.DataFrame(rows, columns=list(CLUSTERS))
    return write_text(table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.5g"), path)


Associate = task(associate, "maps", "facts", "clusters", "notices")
