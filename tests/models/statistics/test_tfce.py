"""TFCE against its definition, voxel by voxel, and its laws."""

import numpy as np
import pytest
from random_lesions import identity, lesion_matrix

from gliomorph.models.statistics import find_patterns, linear_model, permutation_test, tfce, tfce_of_patterns


def cluster_extent(values, voxel, height, connectivity):
    """Voxels at or above the height that are reached from ``voxel``, by flood filling."""
    reached, front = {voxel}, [voxel]
    while front:
        here = front.pop()
        for offset in np.ndindex(3, 3, 3):
            step = np.array(offset) - 1
            there = tuple(int(i) for i in np.array(here) + step)
            near = connectivity == 26 or np.abs(step).sum() == 1
            inside = all(0 <= i < n for i, n in zip(there, values.shape, strict=True))
            if near and inside and there not in reached and values[there] >= height:
                reached.add(there)
                front.append(there)
    return len(reached)


def slow_tfce(values, connectivity, steps):
    """The sum over heights below the voxel, for one voxel after the other."""
    result, step = np.zeros(values.shape), values.max() / steps
    for voxel in np.ndindex(*values.shape):
        for height in step * np.arange(1, steps + 1):
            # 1e-12 keeps the maximum above the last height in spite of rounding
            height_ = height * (1 - 1e-12)
            if values[voxel] >= height_:
                extent = cluster_extent(values, voxel, height_, connectivity)
                result[voxel] += extent**0.5 * height**2 * step
    return result


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(13).normal(size=(5, 4, 3))


@pytest.mark.parametrize("connectivity", [6, 26])
def test_both_sides_are_enhanced_as_the_definition_says(image, connectivity):
    positive, negative = (slow_tfce(np.maximum(side, 0), connectivity, 10) for side in (image, -image))
    found = tfce(image, connectivity=connectivity, steps=10)
    np.testing.assert_allclose(found, positive - negative, atol=1e-10)


def test_a_lone_voxel_has_a_third_of_its_cubed_height():
    values = np.zeros((5, 5, 5))
    values[2, 2, 2] = 3.0
    found = tfce(values, steps=3000)
    assert found[2, 2, 2] == pytest.approx(3.0**3 / 3, rel=1e-3)
    assert np.count_nonzero(found) == 1


def test_support_raises_and_the_sign_flips(image):
    alone, together = np.zeros((6, 6, 6)), np.zeros((6, 6, 6))
    alone[2, 2, 2] = 1
    together[1:4, 1:4, 1:4] = 1
    assert tfce(together)[2, 2, 2] == pytest.approx(27**0.5 * tfce(alone)[2, 2, 2])
    np.testing.assert_allclose(tfce(-image), -tfce(image), atol=1e-12)
    assert not tfce(np.zeros((2, 2, 2))).any()


def test_corners_connect_with_26_neighbours_only():
    values = np.zeros((4, 4, 4))
    values[1, 1, 1] = values[2, 2, 2] = 1
    assert tfce(values, connectivity=26)[1, 1, 1] == pytest.approx(
        2**0.5 * tfce(values, connectivity=6)[1, 1, 1]
    )


def test_patterns_are_enhanced_where_their_voxels_are():
    mask = np.zeros((6, 5, 4), bool)
    mask[1:, 1:, 1:] = True
    lesions = lesion_matrix(24, 48)
    patterns = find_patterns(lesions)
    model = linear_model(patterns, np.random.default_rng(14).normal(size=24))
    image = np.zeros(mask.shape)
    image[mask] = patterns.expand(model(identity())[0])
    enhance = tfce_of_patterns(patterns, mask, steps=20)
    found = permutation_test(model, 24, permutations=5, enhance=enhance)
    np.testing.assert_allclose(found.observed, tfce(image, steps=20)[mask])
    assert found.p_fwer.shape == (mask.sum(),)


def test_other_maps_are_refused(image):
    with pytest.raises(ValueError, match=r"three dimensions.*\(5, 4\)"):
        tfce(image[..., 0])
    with pytest.raises(ValueError, match="finite"):
        tfce(np.full((2, 2, 2), np.nan))
    with pytest.raises(ValueError, match="6 or 26, got 18"):
        tfce(image, connectivity=18)
    with pytest.raises(ValueError, match="one step"):
        tfce(image, steps=0)
    with pytest.raises(ValueError, match="the 50 voxels of the patterns, got 60"):
        tfce_of_patterns(find_patterns(lesion_matrix()), np.ones((5, 4, 3)))
