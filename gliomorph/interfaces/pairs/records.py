"""Records that the stages of a pair hand to one another, to its page and to its publishing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from ..records import Ports, Record


@attrs.frozen(kw_only=True)
class PairImages(Ports):
    """Two brains, each with its masks in a frame of its own."""

    moving: Path
    fixed: Path
    """``moving``, ``fixed``: Bias-corrected images, 0 outside the brain."""
    moving_brain: Path | None
    fixed_brain: Path | None
    """``moving_brain``, ``fixed_brain``: Masks; None: what is not background."""
    moving_lesion: Path | None
    fixed_lesion: Path | None
    """``moving_lesion``, ``fixed_lesion``: Masks or labels, every value above 0 of which is left out of the
    comparison: tumour, cavity."""


@attrs.frozen(kw_only=True)
class PairFiles(Record):
    """What the registration of a pair gives; images lie on the fixed image's grid."""

    warped: Path
    """The moving image, interpolated once (linear)."""
    forward_xfm: Path
    """Fixed points to moving points (ITK): resamples the moving image."""
    inverse_xfm: Path
    """Moving points to fixed points."""
    inconsistency: Path
    """float32: how far, in mm, a point comes back from its place by the map there and the one back, which were found
    apart; 0 outside the brain."""
    no_counterpart: Path
    """uint8: where that is more than the threshold, or the moving image does not reach."""
    lesion: Path | None = None
    """uint8: the moving lesion, where there is one."""
    used: Path
    """JSON: settings, versions, figures."""

    def registration(self) -> dict[str, Any]:
        """What the registration recorded."""
        record: dict[str, Any] = json.loads(self.used.read_text())
        return record
