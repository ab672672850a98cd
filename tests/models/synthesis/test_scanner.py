"""The grid that a patient is scanned on."""

from __future__ import annotations

import numpy as np

from gliomorph.models import synthesis


def test_grids_have_their_spacing_and_handedness(patient: synthesis.Patient) -> None:
    kind = patient.parameters["grid"]["kind"]
    spacing = np.linalg.norm(patient.native_to_world[:3, :3], axis=0)
    np.testing.assert_allclose(spacing, patient.parameters["grid"]["spacing_mm"])
    assert (np.ptp(spacing) > 1) == (kind == "anisotropic")
    assert (np.linalg.det(patient.native_to_world[:3, :3]) < 0) == (kind == "las")
