"""Columns of ``participants.tsv`` as covariates: numbers as they are, two other values as 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs
import numpy as np

from ...files.text import listed, quoted
from ..strata.bins import number, value_of
from .words import AssociationError

Row = Mapping[str, str]


@attrs.frozen(kw_only=True, eq=False)
class Covariates:
    """Covariates of N participants."""

    names: tuple[str, ...]
    """Names of q columns, and for those of two values what 1 and 0 are."""
    values: np.ndarray
    """(N, q) float64."""


NONE = Covariates(names=(), values=np.empty((0, 0)))


def read_covariates(
    columns: Sequence[str], table: Mapping[str, Row], participants: Iterable[str], word: str
) -> tuple[dict[str, tuple[float, ...]], dict[str, list[str]], tuple[str, ...]]:
    """Covariates of the participants who have all of them.

    A column without any number and with two values is 1 where the second in alphabetical order is, and 0 elsewhere.
    With any number it is one of numbers.

    Parameters
    ----------
    columns : sequence of str
        Of the table.
    table : mapping of str to mapping
        Rows by participant.
    participants : iterable of str
        With a row, in any order.
    word : str
        The test, for errors.

    Returns
    -------
    found : dict of str to tuple of float
        By participant, in their order.
    lost : dict of str to list of str
        The others by reason.
    names : tuple of str
        Of the columns, as in :class:`Covariates`.

    Raises
    ------
    AssociationError
        If a column holds neither numbers nor two values.
    """
    people = list(participants)
    read = [_column(column, table, people, word) for column in columns]
    found: dict[str, tuple[float, ...]] = {}
    lost: dict[str, list[str]] = {}
    for name in people:
        cells = [(column, *values[name]) for column, (_, values) in zip(columns, read, strict=True)]
        wrong = next((f"covariate {quoted(column)} is {why}" for column, _, why in cells if why), "")
        if wrong:
            lost.setdefault(wrong, []).append(name)
        else:
            found[name] = tuple(value for _, value, _ in cells)
    return found, lost, tuple(name for name, _ in read)


def joined(found: Mapping[str, tuple[float, ...]], names: Sequence[str], word: str) -> Covariates:
    """Covariates of those whom :func:`read_covariates` has found, in their order.

    Raises
    ------
    AssociationError
        If a column is constant.
    """
    values = np.array(list(found.values()), float)
    for name, column in zip(names, values.T, strict=True):
        if len(np.unique(column)) == 1:
            raise AssociationError(
                f"{word}: covariate {name} has to differ between participants, it is the same for all "
                f"{len(column)}: leave it out"
            )
    return Covariates(names=tuple(names), values=values)


def _column(
    column: str, table: Mapping[str, Row], people: Sequence[str], word: str
) -> tuple[str, dict[str, tuple[float, str]]]:
    """What it is called, and each participant's value, or why there is none."""
    cells = {name: value_of(column, False, table[name]) for name in people}
    texts = sorted({str(text) for text, _ in cells.values() if text is not None})
    if any(number(text) is not None for text in texts) or not texts:
        numbers = {name: value_of(column, True, table[name]) for name in people}
        # 0 stands where a reason says that there is no value
        return column, {name: (float(value or 0), reason or "") for name, (value, reason) in numbers.items()}
    if len(texts) > 2:
        raise AssociationError(
            f"{word}: covariate {quoted(column)} has to hold numbers or two values, it holds {listed(texts)}: make "
            "columns of 0 and 1 of its categories"
        )
    name = f"{column} (1: {quoted(texts[-1])}, 0: {quoted(texts[0])})"
    return name, {name: (float(text == texts[-1]), reason or "") for name, (text, reason) in cells.items()}
