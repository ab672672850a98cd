"""Laws of the simulation, on a small artificial head (brain a ball of white matter in a shell of grey)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from gliomorph.models import synthesis
from gliomorph.models.jacobians import jacobian_determinant
from gliomorph.models.synthesis import deformation, tumor

SIDE, VOXEL_MM = 40, 4.0


@pytest.fixture(scope="module")
def anatomy() -> synthesis.Anatomy:
    radius = np.linalg.norm(np.indices((SIDE,) * 3) - (SIDE - 1) / 2, axis=0) * VOXEL_MM
    brain = radius < 64
    csf, white = (radius < 10) | (radius >= 60), (radius >= 10) & (radius < 50)
    grey = (radius >= 50) & (radius < 60)
    tissues = np.stack([csf & brain, grey, white]).astype(np.float32)
    t1w = np.tensordot([0.3, 0.7, 1.0], tissues, axes=1)
    world = np.diag([-VOXEL_MM, -VOXEL_MM, VOXEL_MM, 1.0])
    world[:3, 3] = 80, 75, -70
    return synthesis.prepare_anatomy(t1w, brain, tissues, world)


@pytest.fixture(scope="module", params=synthesis.GRIDS)
def patient(request: pytest.FixtureRequest, anatomy: synthesis.Anatomy) -> synthesis.Patient:
    parameters = synthesis.sample_parameters(anatomy, np.random.default_rng(5), request.param)
    return synthesis.simulate_patient(anatomy, parameters)


def test_noise_has_zero_mean_and_unit_variance_at_every_scale() -> None:
    for sigma in (0.5, 4.0, 9.0):
        noise = deformation.smooth_noise((30, 24, 20), sigma, np.random.default_rng(0))
        assert noise.shape == (30, 24, 20)
        assert noise.mean() == pytest.approx(0, abs=1e-4)
        assert noise.std() == pytest.approx(1, abs=1e-4)


def test_upsampling_reproduces_a_cubic_and_keeps_the_knots() -> None:
    x = np.arange(21.0)
    fine = 1e-3 * x[:, None, None] ** 3 + x[None, :, None] - 0.5 * x[None, None, :] ** 2
    coarse = fine[::4, ::4, ::4]
    assert deformation.coarse_shape(fine.shape, 4) == coarse.shape
    np.testing.assert_allclose(deformation.upsample(coarse, 4, fine.shape), fine, atol=1e-4)


def test_zero_velocity_is_the_identity() -> None:
    assert not deformation.exponential(np.zeros((3, 6, 5, 4))).any()


def test_constant_velocity_moves_everything_by_itself() -> None:
    velocity = np.ones((3, 8, 8, 8)) * np.array([1.5, -0.5, 0.25])[:, None, None, None]
    np.testing.assert_allclose(deformation.exponential(velocity), velocity, atol=1e-6)


def test_opposite_velocities_are_inverse_and_do_not_fold() -> None:
    velocity = 0.6 * deformation.random_velocity((30, 30, 30), [4.0, 8.0], np.random.default_rng(1))
    forward = deformation.exponential(velocity)
    round_trip = deformation.compose(deformation.exponential(-velocity), forward)
    assert np.abs(forward).max() > 1
    assert np.abs(round_trip).max() < 0.2  # voxels: what linear interpolation loses
    assert jacobian_determinant(forward).min() > 0


def test_fixed_point_inverse_undoes_the_map() -> None:
    velocity = deformation.random_velocity((30, 30, 30), [4.0, 8.0], np.random.default_rng(2))
    forward = deformation.exponential(velocity)
    inverse = deformation.invert(forward, start=deformation.exponential(-velocity), iterations=20)
    assert np.abs(deformation.compose(forward, inverse)).max() < 1e-2


def test_determinant_of_a_stretch_is_its_volume() -> None:
    stretch = np.indices((6, 6, 6)) * np.array([0.5, -0.2, 0.1])[:, None, None, None]
    np.testing.assert_allclose(jacobian_determinant(stretch), 1.5 * 0.8 * 1.1)


def test_radial_push_leaves_the_centre_and_peaks_at_its_reach() -> None:
    center = np.array([15.0, 15.0, 15.0])
    room = np.ones((31, 31, 31))
    velocity = deformation.radial_velocity((31, 31, 31), center, reach=5.0, push=2.0, room=room)
    assert not velocity[:, 15, 15, 15].any()
    np.testing.assert_allclose(velocity[:, 20, 15, 15], [2.0, 0, 0])
    assert np.linalg.norm(velocity, axis=0).max() == pytest.approx(2.0)


def test_labels_are_the_largest_share() -> None:
    shares = np.array([[0.0, 0.6, 0.2, 0.1], [0.3, 0.1, 0.7, 0.1], [0.2, 0.2, 0.1, 0.8]])
    assert tumor.label_regions(shares).tolist() == [0, 1, 2, 4]


def test_same_parameters_replay_the_same_patient_even_through_json(anatomy: synthesis.Anatomy) -> None:
    parameters = synthesis.sample_parameters(anatomy, np.random.default_rng(3))
    first = synthesis.simulate_patient(anatomy, parameters)
    second = synthesis.simulate_patient(anatomy, json.loads(json.dumps(parameters)))
    for contrast in synthesis.CONTRASTS:
        np.testing.assert_array_equal(first.images[contrast], second.images[contrast])
    np.testing.assert_array_equal(first.forward, second.forward)
    assert first.measured == second.measured


def test_maps_are_diffeomorphic_and_inverse_to_each_other(patient: synthesis.Patient) -> None:
    assert min(patient.measured["smallest_jacobian"].values()) > 0
    assert patient.measured["round_trip_mm"]["mean"] < 0.1
    assert 2 < patient.measured["displacement_mm"]["mean"] < 7


def test_images_are_zero_exactly_outside_the_brain(patient: synthesis.Patient) -> None:
    for image in patient.images.values():
        assert image.dtype == np.int16
        np.testing.assert_array_equal(image > 0, patient.brain > 0)
        assert image.min() == 0
    for side in (0, -1):
        assert not any(np.take(patient.brain, side, axis=axis).any() for axis in range(3))


def test_tumor_has_its_regions_its_volume_and_lies_in_the_brain(patient: synthesis.Patient) -> None:
    assert set(np.unique(patient.regions)) == {0, 1, 2, 4}
    assert not (patient.regions[patient.brain == 0]).any()
    wanted = patient.parameters["tumor"]["volume_ml"]
    # 4 mm voxels and thick slices lose thin parts of the oedema
    assert patient.measured["regions_ml"]["WT"] == pytest.approx(wanted, rel=0.3)


def test_tumor_regions_look_as_they_do_in_patients(patient: synthesis.Patient) -> None:
    def mean(contrast: str, where: np.ndarray) -> float:
        return float(patient.images[contrast][where].mean())

    necrosis, edema, enhancing = (patient.regions == label for label in (1, 2, 4))
    white = (patient.tissues == 3) & (patient.regions == 0)
    assert mean("T1ce", enhancing) > mean("T1ce", white) > mean("T1ce", necrosis)
    assert mean("FLAIR", edema) > mean("FLAIR", white)
    assert mean("T2w", edema) > mean("T2w", white)
    assert mean("T1w", necrosis) < mean("T1w", white)


def test_mass_effect_makes_the_tumor_larger_than_where_it_came_from(patient: synthesis.Patient) -> None:
    assert patient.measured["template_regions_ml"]["WT"] < patient.measured["regions_ml"]["WT"]


def test_grids_have_their_spacing_and_handedness(patient: synthesis.Patient) -> None:
    kind = patient.parameters["grid"]["kind"]
    spacing = np.linalg.norm(patient.native_to_world[:3, :3], axis=0)
    np.testing.assert_allclose(spacing, patient.parameters["grid"]["spacing_mm"])
    assert (np.ptp(spacing) > 1) == (kind == "anisotropic")
    assert (np.linalg.det(patient.native_to_world[:3, :3]) < 0) == (kind == "las")


def test_unknown_grid_is_refused(anatomy: synthesis.Anatomy) -> None:
    with pytest.raises(ValueError, match="grid must be one of isotropic, anisotropic, las, got 'round'"):
        synthesis.sample_parameters(anatomy, np.random.default_rng(0), "round")


def test_template_without_brain_or_with_long_voxels_is_refused() -> None:
    nothing = np.zeros((4, 4, 4))
    with pytest.raises(ValueError, match="brain mask is empty"):
        synthesis.prepare_anatomy(nothing, nothing, np.zeros((3, 4, 4, 4)), np.eye(4))
    with pytest.raises(ValueError, match=r"isotropic template voxels are required, got \[1.0, 1.0, 2.0\]"):
        synthesis.prepare_anatomy(nothing, nothing + 1, np.ones((3, 4, 4, 4)), np.diag([1.0, 1.0, 2.0, 1.0]))


def test_a_folding_map_is_an_error() -> None:
    from gliomorph.models.synthesis.patient import _map_figures

    folding = -2.0 * np.indices((5, 5, 5), dtype=np.float32)
    with pytest.raises(synthesis.FoldingError, match="the deformation folds"):
        _map_figures(folding, folding, np.ones((5, 5, 5), bool), 1.0)


def test_survival_falls_with_age_and_volume() -> None:
    def median(age: int, volume_ml: float) -> float:
        draws = [
            synthesis.sample_survival(age, volume_ml, None, np.random.default_rng(k))["survival_days"]
            for k in range(300)
        ]
        return float(np.median(draws))

    assert median(75, 50) < median(58, 12) < median(30, 2)


def test_demographics_stay_in_range() -> None:
    rng = np.random.default_rng(0)
    people = [synthesis.sample_demographics(rng) for _ in range(300)]
    assert all(20 <= person["age"] <= 85 for person in people)
    assert {person["sex"] for person in people} == {"F", "M"}


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
