"""A problem on voxels of twice the size is the same problem, and its answer lies on the wanted grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, to_array
from gliomorph.interfaces.registration.problem import Answer, Problem
from gliomorph.interfaces.registration.torch_methods import _refined, halved, restored
from gliomorph.models.registration.pair import Registration, pair_of


def problem(size: tuple[int, int, int], axes: np.ndarray) -> Problem:
    like = phantoms.grid(size, (4.0, 4.0, 4.0), axes)
    labels = (phantoms.labels_at(phantoms.positions(like)) > 0).astype(np.uint8)
    return Problem(
        method="metamorphosis",
        moving=phantoms.brain_image(like),
        fixed=phantoms.brain_image(like),
        tumor=from_array(labels, like),
        brain=sitk.Cast(phantoms.brain_mask(like), sitk.sitkUInt8),
        rigid=sitk.Transform(),
        affine=sitk.Transform(),
        weights=Path("w"),
        seed=1,
        gpu="none",
    )


def middle(mask: sitk.Image) -> np.ndarray:
    """The middle of a mask, in mm."""
    return phantoms.positions(mask)[:, to_array(mask) > 0].mean(axis=1)


SIZES = [(40, 48, 32), (39, 48, 33)]
AXES = [np.eye(3), np.diag([-1.0, 1.0, 1.0])]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("axes", AXES)
def test_half_problem_shows_the_same_places(size: tuple[int, int, int], axes: np.ndarray) -> None:
    whole = problem(size, axes)
    half = halved(whole)
    assert half.fixed.GetSize() == tuple(-(-side // 2) for side in size)
    assert half.fixed.GetSpacing() == (8.0, 8.0, 8.0)
    back = to_array(sitk.Resample(half.fixed, whole.fixed, sitk.Transform(), sitk.sitkLinear))
    inside = to_array(sitk.BinaryErode(whole.brain, [3] * 3)) > 0
    assert np.corrcoef(back[inside], to_array(whole.fixed)[inside])[0, 1] > 0.9
    for mask, small in ((whole.tumor, half.tumor), (whole.brain, half.brain)):
        assert small.GetPixelID() == sitk.sitkUInt8
        assert 8 * (to_array(small) > 0).sum() == pytest.approx((to_array(mask) > 0).sum(), rel=0.1)
        np.testing.assert_allclose(middle(small), middle(mask), atol=2.0)
    assert (half.weights, half.seed) == (whole.weights, whole.seed)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("axes", AXES)
def test_answer_maps_the_same_points_wherever_they_lie(size: tuple[int, int, int], axes: np.ndarray) -> None:
    whole = problem(size, axes)
    half = halved(whole)
    smooth = sitk.DisplacementFieldTransform(phantoms.smooth_displacement(half.fixed, 9.0))
    shift = sitk.TranslationTransform(3, (1.0, -2.0, 3.0))
    appearance = to_array(half.fixed)
    answer = restored(Answer(forward=smooth, inverse=shift, appearance=appearance), half, whole.fixed)
    assert answer.appearance is not None and answer.appearance.shape == size
    edge = whole.fixed.TransformIndexToPhysicalPoint([side - 1 for side in size])
    first = whole.fixed.TransformIndexToPhysicalPoint((0, 0, 0))
    centre = whole.fixed.TransformIndexToPhysicalPoint([side // 2 for side in size])
    for point in (edge, first, centre):
        np.testing.assert_allclose(answer.inverse.TransformPoint(point), np.add(point, (1, -2, 3)), atol=1e-6)
        np.testing.assert_allclose(
            answer.forward.TransformPoint(point), smooth.TransformPoint(point), atol=1e-6
        )
    assert restored(Answer(forward=smooth, inverse=shift), half, whole.fixed).appearance is None


def test_a_flow_counts_a_modality_that_is_given_twice_once() -> None:
    like = phantoms.grid((20, 24, 16), (8.0, 8.0, 8.0))
    fixed = to_array(phantoms.brain_image(like))
    moving, brain = np.roll(fixed, 1, axis=1), (fixed > 0).astype(np.uint8)
    mask = np.zeros_like(brain)
    mask[8:11, 9:12, 7:10] = 1
    rest = Registration(
        displacement=np.zeros((3, *fixed.shape), np.float32),
        inverse_displacement=np.zeros((3, *fixed.shape), np.float32),
        appearance=np.zeros(fixed.shape, np.float32),
        energy=[],
    )

    def found(copies: int) -> np.ndarray:
        images = (np.stack([image] * copies) for image in (moving, fixed))
        pair = pair_of(*images, mask, like.GetSpacing(), brain)
        answer, _ = _refined(rest, pair, (20, 10, 5), "local", lambda _: None)
        return answer.displacement

    once, twice = found(1), found(2)
    assert np.abs(once).max() > 0.5
    np.testing.assert_allclose(twice, once, atol=1e-3)
