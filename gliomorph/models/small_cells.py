"""How few participants a map may be of: one rule, for the whole cohort and for its strata.

Three places apply it, each once: to groups of participants
(:func:`~gliomorph.interfaces.group.strata.groups.withhold`), to voxels
(:func:`~gliomorph.models.atlas.privacy.release`), and to single numbers (:meth:`SmallCells.shows`).
"""

from __future__ import annotations

import attrs

EVERYBODY = "all"
"""The label of all participants; no stratum gets it."""
MIN_CELL = 5
"""Smallest cell of strata, unless ``--min-cell`` says otherwise."""


@attrs.frozen(kw_only=True)
class SmallCells:
    """What fewer participants share is not shown.

    Raises
    ------
    ValueError
        On construction, with other numbers.
    """

    everybody: int
    """In the maps of the whole cohort: 1, which shows everything, or as in those of strata."""
    strata: int
    """In the maps of a stratum; at least 1."""

    def __attrs_post_init__(self) -> None:
        if self.strata < 1:
            raise ValueError(f"the smallest cell must be at least 1, got {self.strata}")
        if self.everybody not in (1, self.strata):
            raise ValueError(
                f"the smallest cell of everybody must be 1 or {self.strata}, got {self.everybody}"
            )

    def of(self, stratum: str) -> int:
        """The smallest cell of a stratum, or of ``all``."""
        return self.everybody if stratum == EVERYBODY else self.strata

    def shows(self, participants: int, stratum: str) -> bool:
        """Whether the number of those who share something in a stratum, or in ``all``, may be shown."""
        return self.of(stratum) == 1 or participants >= self.of(stratum)

    def refusal(self, participants: int) -> str:
        """Why there is no atlas of so few; empty if there is one."""
        if self.shows(participants, EVERYBODY):
            return ""
        return (
            f"an atlas of {participants} participant{'s' * (participants != 1)} would show nothing: --min-cell is "
            f"{self.everybody}; without --min-cell the maps of the whole cohort show everything"
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
