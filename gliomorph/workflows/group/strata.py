"""The strata and the tests of a run: columns of the dataset's ``participants.tsv``."""

from __future__ import annotations

from collections.abc import Iterable

from ...config.option import SettingsError
from ...config.settings import Settings
from ...interfaces.files.tables import read_table
from ...interfaces.group.associations.samples import Sample
from ...interfaces.group.associations.stage import read_samples
from ...interfaces.group.associations.words import AssociationError
from ...interfaces.group.strata.groups import Stratification, stratify


def find_strata(settings: Settings, participants: Iterable[str]) -> Stratification:
    """Put the participants into the strata that ``--strata`` asks for.

    Parameters
    ----------
    settings : Settings
    participants : iterable of str
        Those with a scan, with or without ``sub-``.

    Returns
    -------
    strata : Stratification
        Without errors; none where no stratum was asked for.

    Raises
    ------
    SettingsError
        Without ``participants.tsv``, or with columns or rows that cannot be used.
    """
    if not settings.atlas.strata:
        return Stratification()
    path = settings.bids_dir / "participants.tsv"
    if not path.is_file():
        raise SettingsError(f"--strata: {path} is required, there is no such file")
    try:
        rows = read_table(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"--strata: {error}") from error
    found = stratify(settings.atlas.variables, rows, participants, settings.atlas.cells)
    if found.errors:
        raise SettingsError("--strata: " + "; ".join(error.text for error in found.errors))
    return found


def find_samples(settings: Settings, participants: Iterable[str]) -> list[Sample]:
    """The participants of every test that ``--tests`` asks for.

    Parameters
    ----------
    settings : Settings
    participants : iterable of str
        Those with a scan, with or without ``sub-``.

    Returns
    -------
    samples : list of Sample
        None where no test was asked for.

    Raises
    ------
    SettingsError
        Without ``participants.tsv``, or with all columns that cannot be used.
    """
    if not settings.testing.tests:
        return []
    table = settings.bids_dir / "participants.tsv"
    try:
        return read_samples(settings.testing.tests, table, list(participants), settings.test_options())
    except AssociationError as error:
        raise SettingsError(str(error)) from error
