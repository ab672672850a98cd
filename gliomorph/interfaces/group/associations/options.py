"""How lesions are tested against variables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator

import attrs

from ....models.regions import REGIONS
from ....models.small_cells import MIN_CELL
from ...files.text import quoted
from .defaults import MIN_COVERAGE, MIN_LESIONS, PERMUTATIONS, Correction
from .words import AssociationError


def _names(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class TestOptions:
    """Options of all tests of a run.

    Raises
    ------
    AssociationError
        On construction, with all values out of range and combinations that cannot be.
    """

    __test__ = False  # pytest would take the class for a test

    permutations: int = PERMUTATIONS
    """Random orders of ``fwer``; the smallest corrected p is 1 / (permutations + 1)."""
    seed: int = 0
    """Seed of the orders, at least 0."""
    correction: Correction = "fwer"
    """One of ``"fwer"``, ``"fdr"``. By the largest statistic of each permutation, or Benjamini and Hochberg's rate of
    the tests' own p."""
    tfce: bool = False
    """Threshold-free cluster enhancement, with ``fwer`` only."""
    alpha: float = 0.05
    """Largest corrected p that is significant."""
    min_lesions: int = MIN_LESIONS
    """Participants lesioned, and as many spared, in every voxel that is tested."""
    min_coverage: float = MIN_COVERAGE
    """Share of a test's participants whose field of view has to hold a voxel, for tests of groups; the others require
    all of them."""
    min_cell: int = MIN_CELL
    """Participants in either group (in every voxel too) or with the event; difference and odds ratio are shown where
    as many of either group are lesioned. 1 shows everything."""
    volume: bool = True
    """Whether lesion volume is a covariate of the tests that take covariates."""
    covariates: tuple[str, ...] = attrs.field(converter=_names, default=())
    """Further columns of ``participants.tsv`` that are covariates of the same tests."""
    region: str = "WT"
    """What a lesion is: ``WT``, the whole tumour, or a sub-region."""
    threads: int = 1
    """The result does not depend on it."""

    def __attrs_post_init__(self) -> None:
        if wrong := [*self._out_of_range(), *self._unknown(), *self._contradictions()]:
            raise AssociationError("; ".join(wrong))

    def _out_of_range(self) -> Iterator[str]:
        for name in ("permutations", "min_lesions", "min_cell", "threads"):
            if getattr(self, name) < 1:
                yield f"{name}: at least 1 is required, got {getattr(self, name)}"
        if self.seed < 0:
            yield f"seed: at least 0 is required, got {self.seed}"
        if self.correction not in ("fwer", "fdr"):
            yield f"correction: fwer or fdr is required, got {self.correction!r}"
        if not 0 < self.alpha < 1:
            yield f"alpha: a p between 0 and 1 is required, got {self.alpha}"
        if not 0 <= self.min_coverage <= 1:
            yield f"min_coverage: a share, 0 to 1, is required, got {self.min_coverage}"

    def _unknown(self) -> Iterator[str]:
        if self.region not in REGIONS:
            yield f"region: one of {', '.join(REGIONS)} is required, got {quoted(self.region)}"
        for name, count in Counter(self.covariates).items():
            if not name.strip() or name == "participant_id":
                yield f"covariates: columns with numbers or two values are required, got {quoted(name)}"
            elif count > 1:
                yield f"covariates: a column counts once, got {quoted(name)} more than once"

    def _contradictions(self) -> Iterator[str]:
        if self.tfce and self.correction == "fdr":
            yield "tfce is corrected by permutations: leave it out, or take fwer"
        if self.correction == "fwer" and self.permutations > 0 and 1 / (self.permutations + 1) > self.alpha:
            least = math.ceil(1 / self.alpha) - 1
            yield (
                f"{self.permutations} permutations give no p below {1 / (self.permutations + 1):.3g}, and {self.alpha} "
                f"is required: take at least {least}"
            )
