"""Notices about options of the atlas, before a run."""

from __future__ import annotations

import attrs

from ...config.settings import Settings, SettingsError
from ...interfaces.group.associations.words import parse_associations
from ...interfaces.group.strata.groups import Stratification
from ...models.statistics import COVARIATES
from ..group.strata import find_samples, find_strata


def _without_effect(settings: Settings) -> list[str]:
    """Options that do nothing in this run."""
    known = attrs.fields_dict(Settings)
    names = ("test_regions", "covariates", "permutations", "correction", "tfce", "min_lesions")
    changed = [name for name in names if getattr(settings, name) != known[name].default]
    if "group" not in settings.levels:
        asked = [name for name in ("strata", "parcellation", "tests") if getattr(settings, name)]
        return [f"--{name} has no effect without the level group" for name in asked]
    if not settings.tests:
        return [f"--{name.replace('_', '-')} has no effect without --tests" for name in changed]
    told = ["--permutations has no effect with --correction fdr"]
    told = told if settings.correction == "fdr" and "permutations" in changed else []
    if settings.covariates:
        without = [a.word for a in parse_associations(settings.tests) if a.kind not in COVARIATES]
        told += [f"--covariates has no effect on {word}, which takes none" for word in without]
    return told


def atlas_notices(settings: Settings, dry_run: bool = False) -> list[str]:
    """What should be known of the atlas before a run, from the dataset's folders of subjects.

    What follows from who has an image is said when the atlas is made; at the start with ``dry_run`` only.

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
    found, samples, wrong = Stratification(), [], []
    try:
        found = find_strata(settings, people)
    except SettingsError as error:
        wrong.append(str(error))
    try:
        samples = find_samples(settings, known)
    except SettingsError as error:
        wrong.append(str(error))
    if wrong:
        raise SettingsError("; ".join(wrong))
    notices.append(settings.cells.refusal(len(people)))
    if dry_run:
        notices += [settings.cells.warning(len(people)), *(finding.text for finding in found.notices)]
        notices += [text for sample in samples for text in sample.notices]
    return [text for text in notices if text]
