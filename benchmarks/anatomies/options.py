"""What is compared: whose anatomies, and how methods are run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from ..pipeline import Pipeline, decided

ENDING = "_dseg.nii.gz"


@attrs.frozen(kw_only=True)
class Options(Pipeline):
    """What is done; made by :meth:`parsed`.

    Attributes
    ----------
    maps : mapping of str to Path
        The label map of each person, by BIDS label without ``sub-``.
    seed : int
    """

    maps: Mapping[str, Path]
    seed: int

    @classmethod
    def parsed(
        cls,
        *,
        maps: Path,
        subjects: Sequence[str],
        registration_weights: Sequence[Path],
        **given: Any,
    ) -> Options:
        """The options of the command line, with what was left open decided.

        Raises
        ------
        ValueError
            No label maps of these names, methods without weights, weights without a method, or a reference that is
            not run.
        """
        fields = decided(registration_weights=registration_weights, **given)
        found = label_maps(maps, subjects)
        return cls(maps=found, **fields).checked(registration_weights)

    @property
    def anatomies(self) -> Path:
        """Where the structures of the painted people are."""
        return self.bids / "derivatives" / "anatomies"


def label_maps(folder: Path, subjects: Sequence[str]) -> dict[str, Path]:
    """The label maps of a folder whose names end so, all of them where no name is given, by BIDS label.

    Raises
    ------
    ValueError
        Fewer than two maps, or a name that none or several have.
    """
    known = {path.name.removesuffix(ENDING): path.resolve() for path in sorted(folder.glob(f"*{ENDING}"))}
    chosen = []
    for subject in subjects or known:
        ending = [name for name in known if name.endswith(subject)]
        if len(ending) != 1:
            there = ", ".join(known) or "none"
            raise ValueError(
                f"--subjects {subject}: one map is required, {folder} has {len(ending)} of {there}"
            )
        chosen += ending
    if len(set(chosen)) < 2:
        raise ValueError(f"--maps {folder}: at least two *{ENDING} are required, to compare people with")
    return {re.sub("[^A-Za-z0-9]", "", name): known[name] for name in dict.fromkeys(chosen)}
