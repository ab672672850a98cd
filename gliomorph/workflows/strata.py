"""The strata of a run: columns of the dataset's ``participants.tsv``."""

from __future__ import annotations

from collections.abc import Iterable

from ..interfaces.strata import Stratification, read_table, stratify
from ..settings import Settings, SettingsError


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
    if not settings.strata:
        return Stratification()
    path = settings.bids_dir / "participants.tsv"
    if not path.is_file():
        raise SettingsError(f"--strata: {path} is required, there is no such file")
    try:
        rows = read_table(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"--strata: {error}") from error
    found = stratify(settings.variables, rows, participants, settings.cells.strata)
    if found.errors:
        raise SettingsError("--strata: " + "; ".join(error.text for error in found.errors))
    return found


def atlas_notices(settings: Settings, dry_run: bool = False) -> list[str]:
    """What should be known of the atlas before a run, from the dataset's folders of subjects.

    What follows from who has an image is said when the atlas is made; at the start with ``dry_run`` only.

    Raises
    ------
    SettingsError
        As :func:`find_strata`.
    """
    if "group" not in settings.levels:
        return ["--strata has no effect without the level group"] if settings.strata else []
    people = [path.name for path in settings.bids_dir.glob("sub-*") if path.is_dir()]
    found = find_strata(settings, people)
    notices = [settings.cells.refusal(len(people))]
    if dry_run:
        notices += [settings.cells.warning(len(people)), *(finding.text for finding in found.notices)]
    return [text for text in notices if text]
