"""Options of the tests at every voxel of the atlas."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import attrs

from ..interfaces.group.associations.defaults import MIN_LESIONS, PERMUTATIONS, Correction
from ..models.regions import REGIONS
from .option import SettingsError, option

if TYPE_CHECKING:
    from ..interfaces.group.associations.options import TestOptions
    from ..interfaces.group.associations.words import Association


@attrs.frozen(kw_only=True)
class Testing:
    """Which tests are made, and how."""

    tests: tuple[str, ...] = option(nargs="+", metavar="WORD", default=(), page="associations.md",
        help="whether lesions go with columns of participants.tsv: adiffi:COLUMN or liebermeister:COLUMN (two "
        "groups; COLUMN=VALUE: one against all others), glm:COLUMN (numbers), logrank:TIME,EVENT, "
        "cox:TIME,EVENT")  # fmt: skip
    test_regions: tuple[str, ...] = option(nargs="+", choices=tuple(REGIONS), metavar="REGION", default=("WT",),
        page="associations.md",
        help=f"what a lesion is, one or several of {', '.join(REGIONS)}; sub-regions leave out participants "
        "with a plain mask (default: WT, the whole tumour)")  # fmt: skip
    covariates: tuple[str, ...] = option(nargs="+", metavar="NAME", default=(), page="associations.md",
        help="columns of participants.tsv that glm and cox adjust for beside lesion volume: numbers, or "
        "two values")  # fmt: skip
    correction: Correction = option(choices=get_args(Correction), default="fwer", page="associations.md",
        help="of p for all voxels: fwer, by permutations, or fdr (default: %(default)s)")  # fmt: skip
    permutations: int = option(type=int, metavar="N", default=PERMUTATIONS, page="associations.md",
        help="of the participants, for fwer; the smallest p is 1 / (N + 1) (default: %(default)s)")  # fmt: skip
    tfce: bool = option(default=False, page="associations.md",
        help="threshold-free cluster enhancement, with fwer; much slower")  # fmt: skip
    min_lesions: int = option(type=int, metavar="N", default=MIN_LESIONS, page="associations.md",
        help="voxels are tested where at least N participants have a lesion and as many have none; not less than "
        "--min-cell, which holds for either group too (default: %(default)s)")  # fmt: skip

    def __attrs_post_init__(self) -> None:
        """Words and options; columns are read when the run starts."""
        if not self.tests:
            return
        # only now: these read scipy, for which a command line without tests does not wait
        from ..interfaces.group.associations.words import AssociationError
        from ..models.statistics import COVARIATES

        wrong = []
        if self.min_lesions < 1:
            wrong.append(f"--min-lesions: at least 1 participant is required, got {self.min_lesions}")
        try:
            kinds = {asked.kind for asked in self.associations}
            if self.covariates and kinds.isdisjoint(COVARIATES):
                wrong.append(
                    f"--covariates: {' and '.join(COVARIATES)} take covariates, --tests asks for "
                    f"{', '.join(sorted(kinds))} only: add one of those, or leave --covariates out"
                )
        except AssociationError as error:
            wrong.append(str(error))
        try:
            self.options()
        except AssociationError as error:
            wrong.append(f"--tests: {error}")
        if wrong:
            raise SettingsError("; ".join(wrong))

    @cached_property
    def associations(self) -> tuple[Association, ...]:
        """What ``--tests`` asks for."""
        from ..interfaces.group.associations.words import parse_associations

        return parse_associations(self.tests)

    def options(self, **shared: Any) -> TestOptions:
        """How the tests are made; ``shared`` are options of other groups that they heed."""
        from ..interfaces.group.associations.options import TestOptions

        return TestOptions(
            permutations=self.permutations,
            correction=self.correction,
            tfce=self.tfce,
            covariates=self.covariates,
            **shared,
        )
