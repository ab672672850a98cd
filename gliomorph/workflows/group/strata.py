"""The strata and the tests of a run: columns of the dataset's ``participants.tsv``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...config.atlas import Atlas
from ...config.option import SettingsError
from ...interfaces.files.tables import read_table
from ...interfaces.group.associations.options import TestOptions
from ...interfaces.group.associations.samples import Sample
from ...interfaces.group.associations.stage import read_samples
from ...interfaces.group.associations.words import Association, AssociationError
from ...interfaces.group.strata.groups import Stratification, stratify


def find_strata(atlas: Atlas, table: Path, participants: Iterable[str]) -> Stratification:
    """Put the participants into the strata that ``--strata`` asks for.

    Parameters
    ----------
    atlas : Atlas
    table : Path
        The dataset's ``participants.tsv``.
    participants : iterable of str
        Labels of those with a scan, with or without ``sub-``.

    Returns
    -------
    strata : Stratification
        Without errors; none where no stratum was asked for.

    Raises
    ------
    SettingsError
        Without ``participants.tsv``, or with columns or rows that cannot be used.
    """
    if not atlas.strata:
        return Stratification()
    if not table.is_file():
        raise SettingsError(f"--strata: {table} is required, there is no such file")
    try:
        rows = read_table(table)
    except (OSError, ValueError) as error:
        raise SettingsError(f"--strata: {error}") from error
    found = stratify(atlas.variables, rows, participants, atlas.cells)
    if found.errors:
        raise SettingsError("--strata: " + "; ".join(error.text for error in found.errors))
    return found


def find_samples(
    associations: Sequence[Association], options: TestOptions, table: Path, participants: Iterable[str]
) -> list[Sample]:
    """The participants of every test that ``--tests`` asks for.

    Parameters
    ----------
    associations : sequence of Association
        What ``--tests`` asks for.
    options : TestOptions
    table : Path
        The dataset's ``participants.tsv``.
    participants : iterable of str
        Labels of those with a scan, with or without ``sub-``.

    Returns
    -------
    samples : list of Sample
        None where no test was asked for.

    Raises
    ------
    SettingsError
        Without ``participants.tsv``, or with all columns that cannot be used.
    """
    if not associations:
        return []
    try:
        return read_samples(associations, table, list(participants), options)
    except AssociationError as error:
        raise SettingsError(str(error)) from error
