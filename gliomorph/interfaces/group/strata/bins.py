"""The bins of one column of ``participants.tsv``, and who is in none of them."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import attrs

from ...files.text import listed, people, plain, quoted

MOST_CATEGORIES = 20
"""Every stratum holds maps in memory: a column with more categories needs bins."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

MISSING = (
    "", "n/a", "na", "n.a.", "#n/a", "<na>", "nan", "null", "none", "-", "--", ".", "?", "missing", "unknown",
)  # fmt: skip
"""What says in a cell, in any case, that there is no value. BIDS has ``n/a`` alone, tables have all of them."""


@attrs.frozen(kw_only=True)
class Variable:
    """One word of ``--strata``."""

    column: str
    edges: tuple[float, ...] = ()
    """Increasing; empty for categories."""


@attrs.frozen(kw_only=True)
class NotAssigned:
    """Participants with a scan that are in no bin of a column, for one reason."""

    column: str
    reason: str
    """Missing, perhaps with the word that says so; not a number; not in the table; more than one row."""
    participants: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Finding:
    """Something about the table that a reader should know."""

    kind: str
    """``unknown column``, ``duplicated participants``, ``no participant in common``, ``no values``,
    ``too many categories`` (errors); ``constant``,
    ``not numbers``, ``not assigned``, ``similar categories``, ``withheld``, ``no scan``, ``no row`` (notices)."""
    text: str
    """One sentence."""
    column: str = ""
    """Empty where it is about the whole table."""
    participants: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Bin:
    """Participants that share a category or lie between two edges."""

    text: str
    """The category, or the edges in words: follows the column's name in the label."""
    description: str
    participants: tuple[str, ...]
    """Sorted."""


@attrs.define(kw_only=True)
class Part:
    """One variable's bins and what was found on the way; with errors, the bins are not to be used."""

    column: str
    bins: list[Bin] = attrs.field(factory=list)
    not_assigned: list[NotAssigned] = attrs.field(factory=list)
    errors: list[Finding] = attrs.field(factory=list)
    notices: list[Finding] = attrs.field(factory=list)


def split(
    variable: Variable, table: Mapping[str, Mapping[str, str]], twice: set[str], present: Sequence[str]
) -> Part:
    """The bins of one variable and who is in none."""
    values: dict[str, str | float] = {}
    lost: dict[str, list[str]] = {}
    for name in present:
        value, reason = value_of(variable.column, bool(variable.edges), table.get(name), name in twice)
        if value is None:
            assert reason is not None
            lost.setdefault(reason, []).append(name)
        else:
            values[name] = value
    part = Part(column=variable.column)
    part.not_assigned = [
        NotAssigned(column=variable.column, reason=reason, participants=tuple(names))
        for reason, names in sorted(lost.items())
    ]
    if not values:
        text = f"no participant with a scan has a {'number' if variable.edges else 'value'} of {variable.column!r}"
        part.errors.append(Finding(kind="no values", text=text, column=variable.column))
        return part
    part.bins = _numeric_bins(variable, values) if variable.edges else _categories(variable, values)
    _describe(part, variable, table)
    return part


def value_of(
    column: str, numeric: bool, row: Mapping[str, str] | None, ambiguous: bool = False
) -> tuple[str | float | None, str | None]:
    """A participant's category or number, or why there is none."""
    if row is None:
        return None, "not in the table"
    if ambiguous:
        return None, "more than one row"
    text = (row.get(column) or "").strip()
    if text.casefold() in MISSING[:2]:
        return None, "missing"
    if text.casefold() in MISSING:
        return None, f"missing (written {quoted(text)}, which counts as no value)"
    if not numeric:
        return text, None
    found = number(text)
    return found, None if found is not None else "not a number"


def _numeric_bins(variable: Variable, values: Mapping[str, str | float]) -> list[Bin]:
    """Below the first edge, between edges, from the last edge up."""
    edges, name = variable.edges, variable.column
    members: list[list[str]] = [[] for _ in range(len(edges) + 1)]
    for participant, value in values.items():
        members[bisect_right(edges, value)].append(participant)  # type: ignore[type-var]
    shown = [repr(edge).removesuffix(".0") for edge in edges]
    texts = [f"under{shown[0]}", *(f"{a}to{b}" for a, b in pairwise(shown)), f"{shown[-1]}up"]
    described = [
        f"{name} < {shown[0]}",
        *(f"{a} ≤ {name} < {b}" for a, b in pairwise(shown)),
        f"{name} ≥ {shown[-1]}",
    ]
    return [
        Bin(
            text=text.replace("-", "m").replace(".", "p"),
            description=description,
            participants=tuple(sorted(inside)),
        )
        for text, description, inside in zip(texts, described, members, strict=True)
    ]


def _categories(variable: Variable, values: Mapping[str, str | float]) -> list[Bin]:
    members: dict[str, list[str]] = {}
    for participant, value in values.items():
        members.setdefault(str(value), []).append(participant)
    return [
        Bin(
            text=text,
            description=f"{variable.column} = {quoted(text)}",
            participants=tuple(sorted(members[text])),
        )
        for text in sorted(members)
    ]


def _describe(part: Part, variable: Variable, table: Mapping[str, Mapping[str, str]]) -> None:
    """Add what a reader should know of one variable's bins."""
    column = variable.column

    def note(kind: str, text: str, participants: Iterable[str] = ()) -> None:
        part.notices.append(Finding(kind=kind, text=text, column=column, participants=tuple(participants)))

    if not variable.edges and len(part.bins) > MOST_CATEGORIES:
        text = f"{column!r} has {len(part.bins)} categories, more than {MOST_CATEGORIES}: give bins, {column}:edge,edge"
        part.errors.append(Finding(kind="too many categories", text=text, column=column))
        return
    filled = [found.description for found in part.bins if found.participants]
    if len(filled) == 1:
        note("constant", f"{column!r} does not divide the participants: all are in {filled[0]}")
    for group in part.not_assigned:
        names = group.participants
        note("not assigned", f"{people(len(names))} in no bin of {column!r}: {group.reason}", names)
        if group.reason == "not a number":
            found = sorted({table[name][column].strip() for name in names})
            note("not numbers", f"{column!r} has other text than numbers: {listed(found)}", names)
    folded = Counter(plain(found.text).casefold() for found in part.bins)
    if similar := [found.text for found in part.bins if folded[plain(found.text).casefold()] > 1]:
        note("similar categories", f"{column!r} has categories that differ in signs only: {listed(similar)}")


def number(text: str) -> float | None:
    """A finite number; ``float`` alone would take ``nan``, ``1_0`` and other scripts' digits."""
    text = text.strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None
