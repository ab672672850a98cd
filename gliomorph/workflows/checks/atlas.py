"""Notices about options of the atlas, before a run."""

from __future__ import annotations

import attrs

from ...config.option import SettingsError
from ...config.settings import Settings
from ...interfaces.group.strata.groups import Stratification
from ...models.statistics import COVARIATES
from ..group.strata import find_samples, find_strata


def _without_effect(settings: Settings) -> list[str]:
    """Options that do nothing in this run."""
    testing, atlas = settings.testing, settings.atlas
    changed = [
        field.name
        for field in attrs.fields(type(testing))
        if field.name != "tests" and getattr(testing, field.name) != field.default
    ]
    if "group" not in settings.levels:
        given = {"strata": atlas.strata, "parcellation": atlas.parcellation, "tests": testing.tests}
        given |= {"atlas-session": atlas.atlas_session, "confirm": atlas.confirm}
        asked = [name for name, value in given.items() if value]
        return [f"--{name} has no effect without the level group" for name in asked]
    if not settings.testing.tests:
        return [f"--{name.replace('_', '-')} has no effect without --tests" for name in changed]
    told = ["--permutations has no effect with --correction fdr"]
    told = told if settings.testing.correction == "fdr" and "permutations" in changed else []
    if settings.testing.covariates:
        without = [a.word for a in testing.associations if a.kind not in COVARIATES]
        told += [f"--covariates has no effect on {word}, which takes none" for word in without]
    return told


def _unknown_scans(settings: Settings) -> list[str]:
    """What is wrong with the labels of ``--confirm`` and ``--atlas-session``."""
    folders = (settings.bids_dir, settings.output_dir)
    subjects = [path for folder in folders for path in folder.glob("sub-*")]
    wrong = []
    for label in settings.atlas.confirm:
        if not any((folder / f"sub-{label}".replace("_", "/")).is_dir() for folder in folders):
            wrong.append(
                f"--confirm sub-{label}: no such scan; give sub-X or sub-X_ses-Y, as the page has it"
            )
    for label in settings.atlas.atlas_session:
        if not any((path / f"ses-{label}").is_dir() for path in subjects):
            wrong.append(f"--atlas-session {label}: nobody has a session ses-{label} in {folders[0]}")
    return wrong


def atlas_notices(settings: Settings) -> list[str]:
    """What should be known of the atlas before a run, from the dataset's folders of subjects.

    What follows from who has an image is said when the atlas is made; at the start of a dry run only.

    Raises
    ------
    SettingsError
        With all that :func:`find_strata` and :func:`find_samples` refuse.
    """
    notices = _without_effect(settings)
    if "group" not in settings.levels:
        return notices
    people = [path.name for path in settings.bids_dir.glob("sub-*") if path.is_dir()]
    # those of earlier runs count, too
    known = {*people, *(path.name for path in settings.output_dir.glob("sub-*") if path.is_dir())}
    table = settings.bids_dir / "participants.tsv"
    found, samples, wrong = Stratification(), [], _unknown_scans(settings)
    try:
        found = find_strata(settings.atlas, table, people)
    except SettingsError as error:
        wrong.append(str(error))
    try:
        samples = find_samples(settings.testing.associations, settings.test_options, table, known)
    except SettingsError as error:
        wrong.append(str(error))
    if wrong:
        raise SettingsError("; ".join(wrong))
    notices.append(settings.atlas.cells.refusal(len(people)))
    if settings.dry_run:
        notices += [settings.atlas.cells.warning(len(people)), *(finding.text for finding in found.notices)]
        notices += [text for sample in samples for text in sample.notices]
    return [text for text in notices if text]
