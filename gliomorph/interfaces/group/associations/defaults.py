"""Numbers that hold for tests where nothing else is asked for; read without loading what computes the tests."""

from __future__ import annotations

from typing import Literal

from ....models.small_cells import MIN_CELL

Correction = Literal["fwer", "fdr"]

PERMUTATIONS = 1000
MIN_LESIONS = MIN_CELL
"""Participants lesioned, and as many spared, in a voxel: fewer tell little and show patients."""
MIN_COVERAGE = 0.5
"""Share of the participants whose field of view has to hold a voxel."""
