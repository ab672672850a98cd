"""Who is who in several datasets, and who is held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...interfaces.files.tables import read_tsv
from ..scans import TrainingDataError, example_seed


def read_persons(table: Path | None) -> dict[str, str]:
    """The person of each subject that a table (TSV) names, without ``sub-``; empty without a table.

    Raises
    ------
    TrainingDataError
        No columns ``participant_id`` and ``person_id``.
    """
    if table is None:
        return {}
    columns, rows = read_tsv(table)
    if not {"participant_id", "person_id"} <= set(columns):
        raise TrainingDataError(
            f"{table.name}: columns participant_id and person_id are required, found {', '.join(columns)}"
        )
    return {row.cells["participant_id"].removeprefix("sub-"): row.cells["person_id"] for row in rows}


def deal(sources: Mapping[str, str], folds: int, seed: int) -> dict[str, int]:
    """The fold of each person: the persons of each source shuffled, then dealt out one by one.

    Parameters
    ----------
    sources : mapping of str to str
        By person, the dataset that has them; of several the first.
    folds : int
    seed : int
        Of the shuffles.

    Returns
    -------
    fold : dict of str to int
        From 0; every fold has as many of every source as the others, give or take one.

    Examples
    --------
    >>> sorted(deal({"a": "x", "b": "x", "c": "y", "d": "y"}, 2, 0).values())
    [0, 0, 1, 1]
    """
    order: list[str] = []
    for number, source in enumerate(sorted(set(sources.values()))):
        names = sorted(person for person, its in sources.items() if its == source)
        chance = np.random.default_rng(example_seed(seed, number))
        order += [names[i] for i in chance.permutation(len(names))]
    return {person: place % folds for place, person in enumerate(order)}


def parts_of(fold_of: Mapping[str, int], fold: int | None) -> dict[str, Sequence[str]]:
    """Persons of ``train`` and of ``test``, which is the fold that is held out, or empty."""
    held = [person for person in sorted(fold_of) if fold_of[person] == fold]
    return {"train": [person for person in sorted(fold_of) if person not in held], "test": held}
