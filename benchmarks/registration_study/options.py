"""What a study was asked to do, beside how methods are run: the cohort, and who has twins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from ..pipeline import Pipeline, decided
from .twins import DEFAULT as TWINS


@attrs.frozen(kw_only=True)
class Options(Pipeline):
    """What a study does; made by :meth:`parsed`.

    Attributes
    ----------
    subjects, seed : int
    twins : tuple of str
        Methods that register the twins, too.
    """

    subjects: int
    seed: int
    twins: tuple[str, ...]

    @classmethod
    def parsed(
        cls, *, twins: Sequence[str] | None, registration_weights: Sequence[Path], **given: Any
    ) -> Options:
        """The options of the command line, with what was left open decided.

        Raises
        ------
        ValueError
            Methods without weights, weights without a method, or methods of ``twins`` or ``against`` that are not run.
        """
        fields = decided(registration_weights=registration_weights, **given)
        known = fields["methods"]
        chosen = [method for method in TWINS if method in known] if twins is None else twins
        if missing := [method for method in chosen if method not in known]:
            raise ValueError(f"--twins {missing[0]}: choose from what is run: {', '.join(known)}")
        options = cls(twins=tuple(dict.fromkeys(chosen)), **fields)
        return options.checked(registration_weights)

    @property
    def twin_bids(self) -> Path:
        """Where the patients' twins are."""
        return self.out / "twins"
