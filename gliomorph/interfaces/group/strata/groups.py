"""Groups of participants by columns of ``participants.tsv``: exhaustive bins that do not overlap.

A word ``NAME`` makes a stratum of every category of a column, ``NAME:40,60`` the bins below 40, from 40 to below 60,
and from 60 up. Who cannot be assigned is counted and named, with the reason. Text of the table reaches a label only
through :func:`~gliomorph.interfaces.files.text.plain`, a message only quoted: neither can become a path.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import attrs

from ....models.small_cells import EVERYBODY, SmallCells, small_cells
from ...files.text import listed, people, plain
from ..records import Stratum
from .bins import Finding, NotAssigned, Part, Variable, number, split

BY_PLACE = "--parcellation"
"""In place of a column, of strata made by where the tumours are: no column that can be asked for has this name."""
LONGEST_LABEL = 40
UNASKED = small_cells()


@attrs.frozen(kw_only=True)
class Stratification:
    """All that is known of the strata."""

    strata: tuple[Stratum, ...] = ()
    """By column in the order asked for; categories sorted, bins increasing. Empty bins and withheld strata are among
    them."""
    not_assigned: tuple[NotAssigned, ...] = ()
    errors: tuple[Finding, ...] = ()
    """A caller stops at these; their columns have no strata."""
    notices: tuple[Finding, ...] = ()

    @property
    def published(self) -> tuple[Stratum, ...]:
        """Strata of which maps may be written."""
        return tuple(stratum for stratum in self.strata if not stratum.withheld)

    def labels_of(self, participant: str) -> tuple[str, ...]:
        """Labels of the published strata that a participant is in."""
        return tuple(stratum.label for stratum in self.published if participant in stratum.participants)


def contrasts_of(strata: Iterable[Stratum]) -> list[tuple[str, str, str]]:
    """What is compared: within each column, every stratum with the first one.

    Strata made by where the tumours are differ in where the tumours are: they are not compared.

    Parameters
    ----------
    strata : iterable of Stratum
        Those to be published.

    Returns
    -------
    contrasts : list of (str, str, str)
        Its label, those of the stratum and of the reference.

    Examples
    --------
    >>> of_sex = {"column": "sex", "description": "", "participants": ()}
    >>> contrasts_of([Stratum(label="sexF", **of_sex), Stratum(label="sexM", **of_sex)])
    [('sexMVSsexF', 'sexM', 'sexF')]
    """
    references: dict[str, str] = {}
    found = []
    for stratum in strata:
        label, reference = stratum.label, references.setdefault(stratum.column, stratum.label)
        if label != reference and stratum.column != BY_PLACE:
            found.append((f"{label}VS{reference}", label, reference))
    return found


def parse_strata(words: Sequence[str]) -> tuple[Variable, ...]:
    """The words of ``--strata``.

    Parameters
    ----------
    words : sequence of str
        ``NAME`` or ``NAME:edge,edge``; an empty sequence gives nothing.

    Returns
    -------
    variables : tuple of Variable
        In the same order.

    Raises
    ------
    ValueError
        Without a name, with edges that are not increasing finite numbers, or with a column named twice.

    Examples
    --------
    >>> parse_strata(["sex", "age:40,60"])
    (Variable(column='sex', edges=()), Variable(column='age', edges=(40.0, 60.0)))
    """
    variables = tuple(_parse(word) for word in words)
    counts = Counter(variable.column for variable in variables)
    if twice := [column for column, count in counts.items() if count > 1]:
        raise ValueError(f"--strata takes a column once, got {twice[0]!r} more than once")
    return variables


def _parse(word: str) -> Variable:
    name, colon, tail = word.partition(":")
    if not name.strip():
        raise ValueError(f"--strata requires NAME or NAME:edge,edge, got {word!r}")
    if name == BY_PLACE:
        raise ValueError(f"--strata requires columns of participants.tsv, and {name} is an option of its own")
    if name == "participant_id":
        raise ValueError("--strata cannot group by participant_id: every participant would be a stratum")
    edges = [number(text) for text in tail.split(",")] if colon else []
    if None in edges or any(not first < second for first, second in pairwise(edges)):  # type: ignore[operator]
        raise ValueError(f"--strata requires increasing numbers after {name!r}:, got {tail!r}")
    return Variable(column=name, edges=tuple(edge for edge in edges if edge is not None))


def stratify(
    variables: Sequence[Variable],
    rows: Sequence[Mapping[str, str]],
    participants: Iterable[str],
    cells: SmallCells = UNASKED,
) -> Stratification:
    """Put every participant that has a scan into one bin of every variable, or say why not.

    A bin holds its lower edge and not its upper one. Missing is what :data:`~.bins.MISSING` lists; in a column with
    edges, other text than a finite number is "not a number". Which strata are published is decided by
    :func:`withhold`.

    Parameters
    ----------
    variables : sequence of Variable
    rows : sequence of mapping
        Of ``participants.tsv``, with ``participant_id``.
    participants : iterable of str
        Those with a scan, with or without ``sub-``.
    cells : SmallCells

    Returns
    -------
    stratification : Stratification
        Independent of the order of rows and participants.
    """
    present = sorted({name.removeprefix("sub-") for name in participants})
    table, twice = by_participant(rows)
    errors, notices = _of_table(table, twice, present)
    columns = sorted({column for row in rows for column in row} - {"participant_id"})
    parts = []
    for variable in variables:
        if variable.column in columns:
            parts.append(split(variable, table, twice, present))
        else:
            text = f"participants.tsv has no column {variable.column!r}; it has {listed(columns)}"
            errors.append(Finding(kind="unknown column", text=text, column=variable.column))
    named = _named([part for part in parts if not part.errors])
    strata = [stratum for column in named for stratum in withhold(column, len(present), cells)]
    for part in parts:
        errors += part.errors
        notices += part.notices
    notices += withheld_notices(strata)
    lost = tuple(group for part in parts if not part.errors for group in part.not_assigned)
    return Stratification(
        strata=tuple(strata), not_assigned=lost, errors=tuple(errors), notices=tuple(notices)
    )


def by_participant(rows: Sequence[Mapping[str, str]]) -> tuple[dict[str, Mapping[str, str]], set[str]]:
    """Rows by label, and labels with more than one."""
    names = [row["participant_id"].strip().removeprefix("sub-") for row in rows]
    twice = {name for name, count in Counter(names).items() if count > 1}
    return dict(zip(names, rows, strict=True)), twice


def _of_table(
    table: Mapping[str, Mapping[str, str]], twice: set[str], present: Sequence[str]
) -> tuple[list[Finding], list[Finding]]:
    errors, notices = [], []
    if twice:
        text = f"participants.tsv has more than one row of {listed(sorted(twice))}: leave one of each"
        errors.append(Finding(kind="duplicated participants", text=text, participants=tuple(sorted(twice))))
    if table and present and not set(table) & set(present):
        own, theirs = (
            listed([f"sub-{name}" for name in sorted(names)], 3) for names in (set(table), set(present))
        )
        text = f"no participant_id of participants.tsv is that of a scan: it has {own}; scans are of {theirs}"
        errors.append(Finding(kind="no participant in common", text=text))
    for kind, found, what in (
        ("no scan", set(table) - set(present), "in participants.tsv without a scan in the atlas"),
        ("no row", set(present) - set(table), "with a scan but no row in participants.tsv"),
    ):
        if found:
            names = tuple(sorted(found))
            text = f"{people(len(names))} {what}: {listed(names)}"
            notices.append(Finding(kind=kind, text=text, participants=names))
    return errors, notices


def _named(parts: Sequence[Part]) -> list[list[Stratum]]:
    """Strata of every variable; labels that collide all get a digest of column and value, whatever others there are."""
    wishes = [[plain(part.column + found.text) for found in part.bins] for part in parts]
    counts = Counter(wish.casefold() for column in wishes for wish in column)
    counts[EVERYBODY] += 1
    return [
        [
            Stratum(
                label=_label(
                    wish, f"{part.column}\t{found.text}", counts[wish.casefold()] > 1 or not plain(found.text)
                ),
                column=part.column,
                description=found.description,
                participants=found.participants,
            )
            for wish, found in zip(column, part.bins, strict=True)
        ]
        for part, column in zip(parts, wishes, strict=True)
    ]


def _label(wish: str, identity: str, ambiguous: bool) -> str:
    if wish and not ambiguous and len(wish) <= LONGEST_LABEL:
        return wish
    return wish[: LONGEST_LABEL - 9] + "x" + hashlib.sha256(identity.encode()).hexdigest()[:8]


def withhold(
    strata: Sequence[Stratum], everybody: int, cells: SmallCells, alone: bool = False
) -> list[Stratum]:
    """Strata that exclude each other, with the reason at those that are not published.

    Withheld are strata of too few participants; and further the smallest, for as long as all participants without the
    published strata are too few, but not none: their map would be the difference of maps that are published.

    Parameters
    ----------
    strata : sequence of Stratum
    everybody : int
        Participants with a scan, those in no stratum too.
    cells : SmallCells
    alone : bool
        Whether one that everybody is in is published: regions have maps that everybody does not, the average shape.
    """
    min_cell = cells.strata
    reasons = {s.label: _too_small(len(s.participants), everybody, min_cell, alone) for s in strata}
    while True:
        shown = [s for s in strata if not reasons[s.label]]
        rest = everybody - sum(len(s.participants) for s in shown)
        if not shown or not 0 < rest < min_cell:
            return [attrs.evolve(s, withheld=reasons[s.label]) for s in strata]
        smallest = min(shown, key=lambda s: (len(s.participants), s.label))
        reasons[smallest.label] = (
            f"the other published strata and all participants would show {people(rest)} by subtraction"
        )


def _too_small(count: int, everybody: int, min_cell: int, alone: bool) -> str:
    if count == 0:
        return "no participants"
    if count < min_cell:
        return f"{people(count)}, fewer than {min_cell}"
    return "the same as all participants" if count == everybody and not alone else ""


def withheld_notices(strata: Iterable[Stratum]) -> list[Finding]:
    """A notice for every stratum with participants that is not published, why."""
    return [
        Finding(
            kind="withheld",
            text=f"no maps of {stratum.description}: {stratum.withheld}",
            column=stratum.column,
            participants=stratum.participants,
        )
        for stratum in strata
        if stratum.withheld and stratum.participants
    ]
