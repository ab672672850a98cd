"""Laws of a simulated patient, on a small artificial head (brain a ball of white matter in a shell of grey)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from gliomorph.models import synthesis


@pytest.mark.parametrize("patient", ["isotropic"], indirect=True)
def test_same_parameters_replay_the_same_patient_even_through_json(
    patient: synthesis.Patient, anatomy: synthesis.Anatomy
) -> None:
    again = synthesis.simulate_patient(anatomy, json.loads(json.dumps(patient.parameters)))
    for contrast in synthesis.CONTRASTS:
        np.testing.assert_array_equal(patient.images[contrast], again.images[contrast])
    np.testing.assert_array_equal(patient.forward, again.forward)
    assert patient.measured == again.measured


def test_maps_are_diffeomorphic_and_inverse_to_each_other(patient: synthesis.Patient) -> None:
    assert min(patient.measured["smallest_jacobian"].values()) > 0
    assert patient.measured["round_trip_mm"]["mean"] < 0.1
    assert 2 < patient.measured["displacement_mm"]["mean"] < 7


def test_unknown_grid_is_refused(anatomy: synthesis.Anatomy) -> None:
    with pytest.raises(ValueError, match="grid must be one of isotropic, anisotropic, las, got 'round'"):
        synthesis.sample_parameters(anatomy, np.random.default_rng(0), "round")


def test_a_folding_map_is_an_error() -> None:
    from gliomorph.models.synthesis.patient import _map_figures

    folding = -2.0 * np.indices((5, 5, 5), dtype=np.float32)
    with pytest.raises(synthesis.FoldingError, match="the deformation folds"):
        _map_figures(folding, folding, np.ones((5, 5, 5), bool), 1.0)


def test_twin_has_the_patients_map_and_tissues_and_healthy_tissue_in_place_of_the_tumor(
    patient: synthesis.Patient, anatomy: synthesis.Anatomy
) -> None:
    twin = synthesis.simulate_patient(anatomy, patient.parameters, visible=False)
    for name in ("forward", "inverse", "tissues", "brain", "native_to_world", "native_from_patient"):
        np.testing.assert_array_equal(getattr(twin, name), getattr(patient, name))
    assert not twin.regions.any() and not twin.template_regions.any()
    # the blur reaches two voxels; wisps of oedema that fill less than half of a voxel have no label
    far = ~ndimage.binary_dilation(patient.regions > 0, iterations=3)
    core = ndimage.binary_erosion(patient.regions > 0)
    for contrast, image in twin.images.items():
        change = np.abs(image.astype(float) - patient.images[contrast])
        change /= patient.parameters["contrast"][contrast]["gain"]
        assert (change[far] > 0).mean() < 1e-3 and change[far].max() < 0.25
        assert (change[core] > 0).mean() > 0.9
