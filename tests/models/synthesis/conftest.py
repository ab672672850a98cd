"""A small artificial head (brain a ball of white matter in a shell of grey), and a patient on every grid."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from gliomorph.models import synthesis


@cache
def head() -> synthesis.Anatomy:
    """The head; read only."""
    side, voxel_mm = 40, 4.0
    radius = np.linalg.norm(np.indices((side,) * 3) - (side - 1) / 2, axis=0) * voxel_mm
    brain = radius < 64
    csf, white = (radius < 10) | (radius >= 60), (radius >= 10) & (radius < 50)
    grey = (radius >= 50) & (radius < 60)
    tissues = np.stack([csf & brain, grey, white]).astype(np.float32)
    t1w = np.tensordot([0.3, 0.7, 1.0], tissues, axes=1)
    world = np.diag([-voxel_mm, -voxel_mm, voxel_mm, 1.0])
    world[:3, 3] = 80, 75, -70
    return synthesis.prepare_anatomy(t1w, brain, tissues, world)


@cache
def patient_on(grid: str) -> synthesis.Patient:
    """A patient that was scanned on a grid; read only. Kept by grid, for tests of many files ask for all of them."""
    return synthesis.simulate_patient(
        head(), synthesis.sample_parameters(head(), np.random.default_rng(5), grid)
    )


@pytest.fixture
def anatomy() -> synthesis.Anatomy:
    return head()


@pytest.fixture(params=synthesis.GRIDS)
def patient(request: pytest.FixtureRequest) -> synthesis.Patient:
    return patient_on(request.param)
