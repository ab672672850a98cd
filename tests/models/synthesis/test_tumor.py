"""A tumour's regions, volume and place."""

from __future__ import annotations

import numpy as np
import pytest

from gliomorph.models import synthesis
from gliomorph.models.synthesis import tumor


def test_labels_are_the_largest_share() -> None:
    shares = np.array([[0.0, 0.6, 0.2, 0.1], [0.3, 0.1, 0.7, 0.1], [0.2, 0.2, 0.1, 0.8]])
    assert tumor.label_regions(shares).tolist() == [0, 1, 2, 4]


def test_tumor_has_its_regions_its_volume_and_lies_in_the_brain(patient: synthesis.Patient) -> None:
    assert set(np.unique(patient.regions)) == {0, 1, 2, 4}
    assert not (patient.regions[patient.brain == 0]).any()
    wanted = patient.parameters["tumor"]["volume_ml"]
    # 4 mm voxels and thick slices lose thin parts of the oedema
    assert patient.measured["regions_ml"]["WT"] == pytest.approx(wanted, rel=0.3)


def test_mass_effect_makes_the_tumor_larger_than_where_it_came_from(patient: synthesis.Patient) -> None:
    assert patient.measured["template_regions_ml"]["WT"] < patient.measured["regions_ml"]["WT"]
