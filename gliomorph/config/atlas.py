"""Options of the atlas: strata, regions, and how few participants a map may show."""

from __future__ import annotations

from functools import cached_property

import attrs

from ..interfaces.group.associations.defaults import MIN_COVERAGE
from ..interfaces.group.strata.bins import Variable
from ..interfaces.group.strata.groups import parse_strata
from ..models.small_cells import MIN_CELL, SmallCells, small_cells
from .inputs import without
from .option import SettingsError, option


@attrs.frozen(kw_only=True)
class Atlas:
    """Which maps there are, and what they withhold."""

    strata: tuple[str, ...] = option(nargs="+", metavar="WORD", default=(), page="atlas.md",
        help="maps of groups of participants as well: NAME makes one of each category of a column of "
        "participants.tsv, NAME:40,60 of the numbers below 40, from 40 to below 60, and from 60 up")  # fmt: skip
    parcellation: str = option(metavar="WORD", default="", page="atlas.md#regions-of-the-brain",
        help="maps of the tumours of each region as well, and their overlap with it: hemispheres, the path of a label "
        "map in the template's space with a _dseg.tsv beside it, or the atlas- or seg- name of one in the template's "
        "folder")  # fmt: skip
    atlas_session: tuple[str, ...] = option(nargs="+", metavar="LABEL", default=(), converter=without("ses-"),
        page="atlas.md#which-scan-counts",
        help="the session that counts of a participant with several, such as preop, or several by preference (default: "
        "the earliest by acq_time of sessions.tsv, else the first by its label)")  # fmt: skip
    confirm: tuple[str, ...] = option(nargs="+", metavar="LABEL", default=(), converter=without("sub-"),
        page="atlas.md#doubtful-scans",
        help="scans that were kept out as doubtful and that you have found to be right, such as sub-02 sub-03_ses-1: "
        "they count")  # fmt: skip
    min_cell: int | None = option(type=int, metavar="N", default=None, page="atlas.md",
        help="maps, of all participants too, show nothing that fewer than N participants share; 1 shows everything, "
        f"for simulated patients or maps that nobody else will see (default: {MIN_CELL} in strata, while the maps of "
        "all participants show everything)")  # fmt: skip
    min_coverage: float = option(type=float, metavar="SHARE", default=MIN_COVERAGE, page="atlas.md",
        help="frequencies are left out where the fields of view of fewer than this share of the participants hold the "
        "voxel (default: %(default)s)")  # fmt: skip

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.min_coverage <= 1:
            raise SettingsError(f"--min-coverage: a share, 0 to 1, is required, got {self.min_coverage}")
        try:
            self.cells  # noqa: B018 (made once, and checked by that)
        except ValueError as error:
            raise SettingsError(f"--min-cell: {error}") from error
        try:
            self.variables  # noqa: B018 (as above)
        except ValueError as error:
            raise SettingsError(str(error)) from error

    @cached_property
    def cells(self) -> SmallCells:
        """How few participants a map may be of."""
        return small_cells(self.min_cell)

    def confirms(self, scan: str) -> bool:
        """Whether ``--confirm`` names a scan, or its participant with all scans."""
        label = scan.removeprefix("sub-")
        return label in self.confirm or label.split("_")[0] in self.confirm

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """What ``--strata`` divides the participants by."""
        return parse_strata(self.strata)
