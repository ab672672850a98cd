"""PICSL greedy: what it finds, which way its transforms map, and what its mask leaves out."""

from __future__ import annotations

import sys

import attrs
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from gliomorph.interfaces.files.images import from_array, to_array
from gliomorph.interfaces.files.transforms import apply_to_points, compose, jacobian_determinant
from gliomorph.interfaces.registration.greedy import greedy, greedy_cfm
from gliomorph.interfaces.registration.problem import Answer, Problem

SHAPE, SPACING_MM = (40, 44, 36), 2.0
TUMOR = (slice(12, 20), slice(14, 22), slice(12, 20))


def texture(seed: int) -> np.ndarray:
    """Noise as fine as sulci, in [0, 1]: every window of the comparison holds something to hold on to."""
    values = gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 2.5)
    return ((values - values.min()) / np.ptp(values)).astype(np.float32)


@pytest.fixture(scope="module")
def problem() -> Problem:
    """A patient, smoothly deformed, with a bright tumour, on a grid that is turned by half a turn."""
    like = phantoms.grid(SHAPE, (SPACING_MM,) * 3, np.diag([-1.0, -1.0, 1.0]))
    fixed = from_array(texture(0), like)
    warp = sitk.DisplacementFieldTransform(phantoms.smooth_displacement(like, 3.0))
    tumor = np.zeros(SHAPE, np.uint8)
    tumor[TUMOR] = 1
    moving = to_array(sitk.Resample(fixed, like, warp, sitk.sitkLinear)).copy()
    moving[TUMOR] = 1.0
    return Problem(
        method="greedy",
        moving=from_array(moving, like),
        fixed=fixed,
        tumor=from_array(tumor, like),
        brain=from_array(np.ones(SHAPE, np.uint8), like),
        rigid=sitk.Transform(),
        affine=sitk.Transform(),
        seed=0,
        gpu="none",
    )


def inner_points(problem: Problem) -> np.ndarray:
    """Positions (LPS, mm) away from the border and the tumour."""
    indices = [(28, 30, 18), (30, 12, 26), (8, 32, 27), (26, 36, 8)]
    return np.array([problem.fixed.TransformIndexToPhysicalPoint(index) for index in indices])


def error_of(problem: Problem, forward: sitk.Transform) -> float:
    """Root mean square difference to the template, away from the border and the tumour."""
    warped = to_array(sitk.Resample(problem.moving, problem.fixed, forward, sitk.sitkLinear))
    squares = (warped - to_array(problem.fixed)) ** 2
    return float(np.sqrt(squares[24:-6, 6:-6, 6:-6].mean()))


@pytest.fixture(scope="module")
def answers(problem: Problem) -> dict[str, Answer]:
    return {"greedy": greedy(problem), "greedy_cfm": greedy_cfm(problem)}


@pytest.fixture(params=["greedy", "greedy_cfm"])
def answer(request: pytest.FixtureRequest, answers: dict[str, Answer]) -> Answer:
    return answers[request.param]


def test_forward_brings_the_patient_onto_the_template_without_folds(problem: Problem, answer: Answer) -> None:
    assert error_of(problem, answer.forward) < 0.6 * error_of(problem, sitk.Transform())
    field = sitk.TransformToDisplacementField(
        answer.forward,
        sitk.sitkVectorFloat64,
        problem.fixed.GetSize(),
        problem.fixed.GetOrigin(),
        problem.fixed.GetSpacing(),
        problem.fixed.GetDirection(),
    )
    assert to_array(jacobian_determinant(field))[3:-3, 3:-3, 3:-3].min() > 0


def test_inverse_undoes_forward(problem: Problem, answer: Answer) -> None:
    points = inner_points(problem)
    there_and_back = apply_to_points(compose(answer.inverse, answer.forward), points)
    # a tenth of a voxel: greedy's inverse is an iteration on a sampled field
    assert np.linalg.norm(there_and_back - points, axis=1).max() < 0.25


def test_known_shift_is_found_with_its_sign(problem: Problem) -> None:
    shift = sitk.TranslationTransform(3, (4.0, 0.0, 0.0))
    patient = sitk.Resample(problem.fixed, problem.fixed, shift.GetInverse(), sitk.sitkLinear)
    # the patient lies 4 mm further along x, so that a template's point has its partner there
    points = inner_points(problem)
    found = apply_to_points(greedy(attrs.evolve(problem, moving=patient)).forward, points) - points
    np.testing.assert_allclose(found, np.tile([4.0, 0.0, 0.0], (len(points), 1)), atol=0.4)


def test_signal_of_a_masked_tumour_has_no_influence_and_runs_repeat(
    problem: Problem, answers: dict[str, Answer]
) -> None:
    dark = to_array(problem.moving).copy()
    dark[TUMOR] = 0.1
    other = attrs.evolve(problem, moving=from_array(dark, problem.moving))
    masked, seen = answers["greedy_cfm"].forward, answers["greedy"].forward
    np.testing.assert_array_equal(greedy_cfm(other).forward.GetParameters(), masked.GetParameters())
    assert np.abs(np.subtract(greedy(other).forward.GetParameters(), seen.GetParameters())).max() > 1


def test_masked_tumour_draws_the_map_to_itself_no_more(problem: Problem, answers: dict[str, Answer]) -> None:
    """Inside, where nothing is compared, the map follows what lies around: the patient is known there, too."""
    back = sitk.InvertDisplacementField(phantoms.smooth_displacement(problem.fixed, 3.0))
    expected, tumor = sitk.DisplacementFieldTransform(back), to_array(problem.tumor) > 0
    points = np.stack([axis[tumor] for axis in phantoms.positions(problem.fixed)], axis=1)
    plain, masked = (
        np.linalg.norm(
            apply_to_points(answers[name].forward, points) - apply_to_points(expected, points), axis=1
        )
        for name in ("greedy", "greedy_cfm")
    )
    assert masked.mean() < 0.25 * plain.mean()


def test_a_map_that_is_not_finite_is_an_error(problem: Problem) -> None:
    everything = from_array(np.ones(SHAPE, np.uint8), problem.fixed)
    with pytest.raises(RuntimeError, match="no finite map: do both images hold a brain"):
        greedy_cfm(attrs.evolve(problem, tumor=everything))


def test_missing_package_is_named(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picsl_greedy", None)
    with pytest.raises(ImportError, match="pip install picsl-greedy"):
        greedy(problem)


def test_error_of_greedy_says_what_to_look_at(problem: Problem) -> None:
    with pytest.raises(RuntimeError, match="fixed") as caught:
        greedy(attrs.evolve(problem, fixed=None))
    assert "do both hold a brain" in caught.value.__notes__[0]
