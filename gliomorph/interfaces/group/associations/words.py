"""The words of ``--tests``: which test of the lesions, and against which columns of ``participants.tsv``.

``adiffi:COLUMN``, ``liebermeister:COLUMN`` (two values, or ``COLUMN=VALUE`` against all others), ``glm:COLUMN``
(numbers), ``logrank:TIME,EVENT`` and ``cox:TIME,EVENT`` (without EVENT every time ends with the event). Columns whose
names hold ``=`` (groups) or ``,`` (survival) cannot be named.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import get_args

import attrs

from ....models.statistics import Kind
from ...files.text import plain, quoted

KINDS: tuple[Kind, ...] = get_args(Kind)
GROUPS: tuple[Kind, ...] = ("adiffi", "liebermeister")
SURVIVAL: tuple[Kind, ...] = ("logrank", "cox")
LONGEST_LABEL = 40


class AssociationError(ValueError):
    """A test that cannot be made: the message names it, what was required, what arrived and what to do."""


@attrs.frozen(kw_only=True)
class Association:
    """One word of ``--tests``."""

    kind: Kind
    column: str
    """The group, the number or the time."""
    value: str = ""
    """Who is in the group, against all others; empty where the column has two values."""
    event: str = ""
    """The column of events; empty where every time ends with one."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the test reads."""
        return tuple(filter(None, (self.column, self.event)))

    @property
    def word(self) -> str:
        """As it was asked for."""
        value, event = f"={self.value}" * bool(self.value), f",{self.event}" * bool(self.event)
        return f"{self.kind}:{self.column}{value}{event}"


def parse_associations(words: Sequence[str]) -> tuple[Association, ...]:
    """The words of ``--tests``.

    Parameters
    ----------
    words : sequence of str
        An empty one gives nothing.

    Returns
    -------
    associations : tuple of Association
        In the same order.

    Raises
    ------
    AssociationError
        With every word of another kind, without a column or a value that a sign announces, or asked for twice.

    Examples
    --------
    >>> [(a.kind, a.column, a.value, a.event) for a in parse_associations(["adiffi:idh=mutant", "cox:days,dead"])]
    [('adiffi', 'idh', 'mutant', ''), ('cox', 'days', '', 'dead')]
    """
    found, wrong = [], []
    for word in words:
        try:
            found.append(_parse(word))
        except AssociationError as error:
            wrong.append(str(error))
    counts = Counter(found)
    wrong += [
        f"takes a test once, got {quoted(a.word)} more than once" for a, count in counts.items() if count > 1
    ]
    if wrong:
        raise AssociationError(f"--tests {'; '.join(wrong)}")
    return tuple(found)


def _parse(word: str) -> Association:
    name, _, rest = word.partition(":")
    kind = next((known for known in KINDS if known == name), None)
    if kind is None:
        raise AssociationError(f"requires TEST:COLUMN with one of {', '.join(KINDS)}, got {quoted(word)}")
    sign = "=" if kind in GROUPS else "," if kind in SURVIVAL else ""
    column, announced, tail = rest.partition(sign) if sign else (rest, "", "")
    parts = [column, *([tail] if announced else [])]
    if not all(part.strip() for part in parts) or (kind in SURVIVAL and "," in tail):
        raise AssociationError(f"requires {_usage(kind)}, got {quoted(word)}")
    association = (
        Association(kind=kind, column=column, value=tail.strip())
        if kind in GROUPS
        else Association(kind=kind, column=column, event=tail)
    )
    if "participant_id" in association.columns:
        raise AssociationError(f"{quoted(word)}: participant_id tells participants apart, nothing else")
    if association.event == association.column:
        raise AssociationError(f"{quoted(word)}: time and event have to be two columns")
    return association


def _usage(kind: Kind) -> str:
    tail = {"adiffi": "COLUMN[=VALUE]", "liebermeister": "COLUMN[=VALUE]", "glm": "COLUMN"}
    return f"{kind}:{tail.get(kind, 'TIME[,EVENT]')}"


def association_labels(associations: Sequence[Association]) -> tuple[str, ...]:
    """The ``contrast-`` label of each: ASCII letters and digits, unique even where capitals do not count.

    Where a sign of a column or value is lost, or labels collide, a digest of the word is added.

    Examples
    --------
    >>> association_labels(parse_associations(["adiffi:sex=F", "glm:age"]))
    ('adiffisexF', 'glmage')
    """
    texts = [(a.kind, a.column, a.value, a.event) for a in associations]
    wishes = ["".join(map(plain, text)) for text in texts]
    counts = Counter(wish.casefold() for wish in wishes)
    return tuple(
        wish
        if counts[wish.casefold()] == 1 and wish == "".join(text) and len(wish) <= LONGEST_LABEL
        else wish[: LONGEST_LABEL - 9] + "x" + hashlib.sha256("\t".join(text).encode()).hexdigest()[:8]
        for wish, text in zip(wishes, texts, strict=True)
    )
