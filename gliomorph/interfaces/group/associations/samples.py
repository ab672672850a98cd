"""Who enters a test, with which values, and who is left out and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs
import numpy as np

from ....models.statistics import COVARIATES
from ...files.text import listed, people, quoted
from ..strata.bins import value_of
from ..strata.groups import by_participant
from .covariates import NONE, Covariates, joined, read_covariates
from .words import GROUPS, SURVIVAL, Association, AssociationError

Row = Mapping[str, str]

SEEN, CENSORED = "the event", "no event seen"
EVENTS = {"1": 1.0, "yes": 1.0, "true": 1.0, "0": 0.0, "no": 0.0, "false": 0.0}


@attrs.frozen(kw_only=True, eq=False)
class Sample:
    """The participants of a test."""

    association: Association
    participants: tuple[str, ...]
    """N sorted labels without ``sub-``."""
    values: np.ndarray
    """(N,) float64: 1 in the group and 0 otherwise, the number, or the time."""
    events: np.ndarray | None
    """(N,) 1 where the event was seen; None for tests without events."""
    positive: str
    """What a positive statistic says."""
    sizes: Mapping[str, int]
    """Participants of either group, or with the event and without; empty of numbers."""
    left_out: Mapping[str, tuple[str, ...]]
    """Participants by the reason."""
    covariates: Covariates = NONE
    """Covariates of those participants; none for tests that take none."""

    @property
    def notices(self) -> tuple[str, ...]:
        """Who is left out, in words."""
        return tuple(
            f"{self.association.word}: {people(len(names))} left out, {reason}: {listed(names)}"
            for reason, names in self.left_out.items()
        )


def read_sample(
    association: Association,
    rows: Sequence[Row],
    participants: Iterable[str],
    min_cell: int,
    covariates: Sequence[str] = (),
) -> Sample:
    """Read the columns of a test for those who have a mask.

    Missing is what :data:`~gliomorph.interfaces.group.strata.bins.MISSING` lists. Events are 1, yes, true and 0, no,
    false, whatever the capitals.

    Parameters
    ----------
    association : Association
    rows : sequence of mapping
        Of ``participants.tsv``, as :func:`~gliomorph.interfaces.files.tables.read_table` gives them.
    participants : iterable of str
        Those with a mask, with or without ``sub-``.
    min_cell : int
        Participants required in either group, or with the event; twice as many in all.
    covariates : sequence of str
        Columns with numbers or two values: who misses one is left out of tests that take covariates.

    Returns
    -------
    sample : Sample
        Independent of the order of rows and participants.

    Raises
    ------
    AssociationError
        With an unknown column, a participant in two rows, a negative time, a column without two groups or without
        variation, too few participants, or with a covariate that holds neither numbers nor two values, is constant or
        is the column of the test.
    """
    table, twice = by_participant(rows)
    if twice:
        raise AssociationError(
            f"participants.tsv has more than one row of {listed(sorted(twice))}: leave one of each"
        )
    further = tuple(covariates) if association.kind in COVARIATES else ()
    _require_columns(association, further, rows)
    present = sorted({name.removeprefix("sub-") for name in participants})
    found, lost = _read(association, table, present)
    adjusted, missing, names = read_covariates(further, table, found, association.word)
    found = {name: found[name] for name in adjusted}
    left_out = {reason: tuple(who) for reason, who in sorted((lost | missing).items())}
    _require_enough(
        (*association.columns, *further), association.word, table, len(found), left_out, 2 * min_cell
    )
    make = (
        _of_groups if association.kind in GROUPS else _of_times if _is_survival(association) else _of_numbers
    )
    sample = make(association, found, left_out)
    for description, size in sample.sizes.items():
        if size < min_cell and description != CENSORED:
            raise AssociationError(
                f"{association.word} requires at least {people(min_cell)} with {description}, got {size}: "
                "merge categories, add participants, or lower the smallest cell"
            )
    return attrs.evolve(sample, covariates=joined(adjusted, names, association.word))


def _require_columns(association: Association, covariates: Sequence[str], rows: Sequence[Row]) -> None:
    known = sorted({column for row in rows for column in row} - {"participant_id"})
    for column in (*association.columns, *covariates):
        if column not in known:
            raise AssociationError(
                f"{association.word}: participants.tsv has no column {quoted(column)}; it has {listed(known)}"
            )
    for column in covariates:
        if column in association.columns:
            raise AssociationError(
                f"{association.word}: {quoted(column)} cannot be its own covariate: make this test in a run without it"
            )


def _is_survival(association: Association) -> bool:
    return association.kind in SURVIVAL


def _read(
    association: Association, table: Mapping[str, Row], present: Sequence[str]
) -> tuple[dict[str, tuple[str | float, float]], dict[str, list[str]]]:
    """Value and event by participant; who has none, by the reason."""
    found: dict[str, tuple[str | float, float]] = {}
    lost: dict[str, list[str]] = {}
    for name in present:
        row = table.get(name)
        value, reason = value_of(association.column, association.kind not in GROUPS, row)
        event, why = _event(association, row)
        if value is None or event is None:
            column = association.column if value is None else association.event
            lost.setdefault(f"{quoted(column)} is {reason or why}" if row else str(reason), []).append(name)
        else:
            found[name] = value, event
    return found, lost


def _event(association: Association, row: Row | None) -> tuple[float | None, str]:
    if not association.event:
        return 1.0, ""
    text, reason = value_of(association.event, False, row)
    if text is None:
        return None, str(reason)
    return EVENTS.get(str(text).casefold()), "neither 0 nor 1"


def _require_enough(
    columns: Sequence[str],
    word: str,
    table: Mapping[str, Row],
    count: int,
    left_out: Mapping[str, Sequence[str]],
    least: int,
) -> None:
    if count >= least:
        return
    reasons = [f"{people(len(names))}: {reason}" for reason, names in left_out.items()]
    usable = " and ".join(map(quoted, columns))
    texts = {
        table[name].get(column, "").strip()
        for names in left_out.values()
        for name in names
        if name in table
        for column in columns
    }
    held = f"; those hold {listed(sorted(texts))}" if texts else ""
    raise AssociationError(
        f"{word} requires at least {people(least)} with a mask and a usable {usable}, "
        f"got {count}{'; ' * bool(reasons)}{', '.join(reasons)}{held}: complete participants.tsv"
    )


def _of_groups(
    association: Association,
    found: Mapping[str, tuple[str | float, float]],
    left_out: Mapping[str, tuple[str, ...]],
) -> Sample:
    texts = {name: str(value) for name, (value, _) in found.items()}
    categories, column = sorted(set(texts.values())), association.column
    if association.value and association.value not in categories:
        raise AssociationError(
            f"{association.word}: nobody has {quoted(association.value)} in {quoted(column)}; "
            f"it holds {listed(categories)}"
        )
    if len(categories) < 2 or (not association.value and len(categories) > 2):
        raise AssociationError(
            f"{association.word}: {quoted(column)} has to divide the participants in two, it holds "
            f"{listed(categories)}: name one against the rest, {association.kind}:{column}=VALUE"
        )
    group = association.value or categories[1]
    others = [text for text in categories if text != group]
    inside = np.array([texts[name] == group for name in found])
    one = f"{column} = {quoted(group)}"
    other = f"{column} = {quoted(others[0])}" if len(others) == 1 else f"{column} ≠ {quoted(group)}"
    return Sample(
        association=association,
        participants=tuple(found),
        values=inside.astype(float),
        events=None,
        positive=f"lesioned more often with {one} than with {other}",
        sizes={one: int(inside.sum()), other: int((~inside).sum())},
        left_out=left_out,
    )


def _of_numbers(
    association: Association,
    found: Mapping[str, tuple[str | float, float]],
    left_out: Mapping[str, tuple[str, ...]],
) -> Sample:
    values = np.array([value for value, _ in found.values()], float)
    if len(np.unique(values)) == 1:
        raise AssociationError(
            f"{association.word}: {quoted(association.column)} has to differ between participants, "
            f"got {values[0]:g} for all {len(values)}"
        )
    return Sample(
        association=association,
        participants=tuple(found),
        values=values,
        events=None,
        positive=f"larger {association.column} in the lesioned than in the spared",
        sizes={},
        left_out=left_out,
    )


def _of_times(
    association: Association,
    found: Mapping[str, tuple[str | float, float]],
    left_out: Mapping[str, tuple[str, ...]],
) -> Sample:
    times, events = np.array(list(found.values()), float).T
    if negative := [name for name, time in zip(found, times, strict=True) if time < 0]:
        raise AssociationError(
            f"{association.word}: times of {quoted(association.column)} have to be 0 or more, "
            f"got {times.min():g}; mend {listed(negative)}, or write n/a"
        )
    return Sample(
        association=association,
        participants=tuple(found),
        values=times,
        events=events,
        positive=f"events earlier (shorter {association.column}) in the lesioned than in the spared",
        sizes={SEEN: int(events.sum()), CENSORED: int((1 - events).sum())},
        left_out=left_out,
    )
