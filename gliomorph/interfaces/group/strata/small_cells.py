"""How few participants a map may be of: one rule, for the whole cohort and for its strata."""

from __future__ import annotations

import attrs

from ...files.text import people

MIN_CELL = 5
"""Of strata, unless ``--min-cell`` says otherwise."""


@attrs.frozen(kw_only=True)
class SmallCells:
    """What fewer participants share is not shown.

    Attributes
    ----------
    everybody : int
        In the maps of the whole cohort; 1 shows everything.
    strata : int
        In those of a stratum.
    """

    everybody: int
    strata: int

    def of(self, stratum: str) -> int:
        """The smallest cell of a stratum, or of ``all``."""
        return self.everybody if stratum == "all" else self.strata

    def refusal(self, participants: int) -> str:
        """Why there is no atlas of so few; empty if there is one."""
        if self.everybody == 1 or participants >= self.everybody:
            return ""
        return (
            f"an atlas of {people(participants)} would show nothing: --min-cell is {self.everybody}; "
            "without --min-cell the maps of the whole cohort show everything"
        )

    def warning(self, participants: int) -> str:
        """What those should know who have the maps of a small cohort; empty for another."""
        if self.everybody > 1 or not 0 < participants < MIN_CELL:
            return ""
        patients = f"{participants} patient{'s' * (participants != 1)}"
        return f"{patients}: single patients can be read from these maps; do not share them"


def small_cells(asked: int | None = None) -> SmallCells:
    """The rule of ``--min-cell``.

    What is asked for holds for the whole cohort and for strata. Unasked, the whole cohort's maps show everything, and
    strata nothing that fewer than :data:`MIN_CELL` participants share.

    Parameters
    ----------
    asked : int, optional
        At least 1.

    Returns
    -------
    cells : SmallCells

    Raises
    ------
    ValueError
        Below 1.

    Examples
    --------
    >>> small_cells()
    SmallCells(everybody=1, strata=5)
    >>> small_cells(3)
    SmallCells(everybody=3, strata=3)
    """
    if asked is None:
        return SmallCells(everybody=1, strata=MIN_CELL)
    if asked < 1:
        raise ValueError(f"at least 1 participant is required, got {asked}")
    return SmallCells(everybody=asked, strata=asked)
