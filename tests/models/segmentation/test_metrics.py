"""Each figure against counts and distances written out, its laws, and what empty regions give."""

import math

import numpy as np
import pytest

from gliomorph.models.segmentation.metrics import (
    REGIONS,
    hausdorff,
    mean_surface_distance,
    measure,
    measure_region,
)

SPACING = (1.0, 0.9, 2.5)
EMPTY = np.zeros((6, 5, 4), bool)
RATIOS = ("dice", "jaccard", "precision", "sensitivity", "specificity")


def box(shape, *slices):
    mask = np.zeros(shape, bool)
    mask[slices] = True
    return mask


def random_masks(seed, shape=(9, 8, 7)):
    """Two lumpy masks, some of whose voxels lie on the image's border."""
    numbers = np.random.default_rng(seed)
    one = numbers.random(shape) < 0.3
    return one, np.roll(one, 2, axis=0) ^ (numbers.random(shape) < 0.1)


def surface_points(mask, spacing):
    """In mm: voxels with one of their six neighbours outside the mask or outside the image."""
    points = []
    for voxel in np.argwhere(mask):
        neighbours = [voxel + sign * step for step in np.eye(3, dtype=int) for sign in (-1, 1)]
        inside = [((n >= 0) & (n < mask.shape)).all() and mask[tuple(n)] for n in neighbours]
        if not all(inside):
            points.append(voxel * np.asarray(spacing))
    return np.array(points)


def brute_force(one, other, spacing, percentile):
    first, second = surface_points(one, spacing), surface_points(other, spacing)
    distances = np.linalg.norm(first[:, None] - second[None], axis=2)
    return max(np.percentile(distances.min(axis), percentile) for axis in (0, 1))


@pytest.mark.parametrize("seed", range(4))
def test_hausdorff_is_that_of_all_pairs_of_surface_voxels(seed):
    one, other = random_masks(seed)
    expected = [brute_force(one, other, SPACING, percentile) for percentile in (100, 95)]
    assert hausdorff(one, other, SPACING) == pytest.approx(expected)


def test_hausdorff_of_solid_masks_sees_their_surfaces_only():
    """A cavity's wall is far from the surface of the filled one, though no voxel of either is far from the other."""
    filled = box((13, 13, 13), *3 * (slice(1, 12),))
    hollow = filled & ~box(filled.shape, *3 * (slice(5, 8),))
    expected = [brute_force(filled, hollow, (1, 1, 1), percentile) for percentile in (100, 95)]
    assert hausdorff(filled, hollow, (1, 1, 1)) == pytest.approx(expected)
    assert expected[0] == pytest.approx(3), (
        "(4, 6, 6) beside the cavity to (1, 6, 6); (6, 6, 6) in it is 2 away"
    )


def test_hausdorff_is_in_mm_along_each_axis():
    here = box((8, 8, 8), 2, 2, 2)
    for axis, mm in enumerate(SPACING):
        assert hausdorff(here, np.roll(here, 3, axis), SPACING) == pytest.approx((3 * mm, 3 * mm))


def test_one_stray_voxel_moves_the_largest_distance_and_not_the_95th_percentile():
    truth = box((40, 20, 20), slice(4, 14), slice(4, 14), slice(4, 14))
    stray = truth.copy()
    stray[38, 9, 9] = True
    assert hausdorff(stray, truth, (1, 1, 1)) == pytest.approx((25, 0))


def test_ratios_are_the_counts_of_voxels():
    """Truth 0 … 5, prediction 3 … 10 of a row of 20: 3 hits, 3 misses, 5 false alarms, 9 rightly left."""
    row = np.arange(20)[:, None, None]
    figures = measure_region((row >= 3) & (row < 11), row < 6, (1, 1, 1))
    expected = {
        "dice": 6 / 14,
        "jaccard": 3 / 11,
        "precision": 3 / 8,
        "sensitivity": 3 / 6,
        "specificity": 9 / 14,
    }
    assert {name: figures[name] for name in RATIOS} == pytest.approx(expected)


def test_specificity_is_counted_inside_the_brain():
    row = np.arange(20)[:, None, None]
    prediction, truth, brain = (row >= 3) & (row < 11), row < 6, row < 9
    figures = measure_region(prediction, truth, (1, 1, 1), brain)
    whole = measure_region(prediction, truth, (1, 1, 1))
    assert figures.pop("specificity") == 0, "all three healthy voxels of the brain are called tumour"
    assert whole.pop("specificity") == pytest.approx(9 / 14)
    assert figures == whole


def test_specificity_without_healthy_brain_is_nan():
    truth = box(EMPTY.shape, slice(2, 4))
    assert math.isnan(measure_region(truth, truth, SPACING, brain=truth)["specificity"])


@pytest.mark.parametrize("seed", range(3))
def test_exchanging_prediction_and_truth_exchanges_precision_and_sensitivity(seed):
    one, other = random_masks(seed)
    there, back = measure_region(one, other, SPACING), measure_region(other, one, SPACING)
    for name in ("dice", "jaccard", "hausdorff", "hausdorff95"):
        assert there[name] == pytest.approx(back[name])
    assert (there["precision"], there["sensitivity"]) == (back["sensitivity"], back["precision"])
    assert there["jaccard"] == pytest.approx(there["dice"] / (2 - there["dice"]))


def test_figures_do_not_depend_on_the_order_or_direction_of_the_axes():
    one, other = random_masks(0)
    figures = measure_region(one, other, SPACING)
    turned = [mask.transpose(2, 0, 1)[::-1, :, ::-1] for mask in (one, other)]
    assert measure_region(*turned, [SPACING[i] for i in (2, 0, 1)]) == pytest.approx(figures)


def test_perfect_prediction():
    truth, _ = random_masks(0)
    expected = dict.fromkeys(RATIOS, 1.0) | {"hausdorff": 0.0, "hausdorff95": 0.0}
    assert measure_region(truth, truth, SPACING) == expected


@pytest.mark.parametrize(
    ("predicted", "true", "expected"),
    [
        (False, False, (1, 1, math.nan, math.nan, 1, 0, 0)),
        (True, False, (0, 0, 0, math.nan, 1 - 8 / 120, math.nan, math.nan)),
        (False, True, (0, 0, math.nan, 0, 1, math.nan, math.nan)),
    ],
    ids=["both empty", "nothing to be found", "missed"],
)
def test_empty_regions(predicted, true, expected):
    cube = box(EMPTY.shape, slice(1, 3), slice(1, 3), slice(1, 3))
    figures = measure_region(cube if predicted else EMPTY, cube if true else EMPTY, SPACING)
    assert tuple(figures.values()) == pytest.approx(expected, nan_ok=True)
    assert tuple(figures) == (*RATIOS, "hausdorff", "hausdorff95")


def test_label_maps_are_measured_as_their_nested_regions():
    numbers = np.random.default_rng(0)
    prediction, truth = numbers.integers(0, 4, (2, 6, 7, 5), dtype=np.uint8)
    brain = numbers.random(truth.shape) < 0.7
    figures = measure(prediction, truth, SPACING, brain)
    members = {
        "ET": lambda labels: labels == 3,
        "TC": lambda labels: (labels == 1) | (labels == 3),
        "WT": lambda labels: labels > 0,
    }
    assert list(REGIONS) == list(members)
    for region, of in members.items():
        for name, value in measure_region(of(prediction), of(truth), SPACING, brain).items():
            assert figures.pop(f"{region}_{name}") == value
    assert figures == {}


def test_tumour_without_enhancement():
    """Called so rightly, it counts as agreement for ET and spoils neither TC nor WT."""
    labels = np.where(box(EMPTY.shape, slice(1, 4)), 2, 0)
    labels[2] = 1
    figures = measure(labels, labels, SPACING)
    assert (figures["ET_dice"], figures["ET_hausdorff95"]) == (1, 0)
    assert math.isnan(figures["ET_sensitivity"])
    assert figures["TC_sensitivity"] == figures["WT_precision"] == 1


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (np.full((4, 4), 4), "int64 values from 4 to 4"),
        (np.full((4, 4), -1), "int64 values from -1 to -1"),
        (np.ones((4, 4)), "float64 values"),
        (np.ones((4, 4), bool), "bool values"),
    ],
    ids=["BraTS' ET", "negative", "float", "mask"],
)
def test_what_is_no_class_index_is_refused(labels, found):
    valid = np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match=f"the prediction has {found}"):
        measure(labels, valid, (1, 1))
    with pytest.raises(ValueError, match=f"the truth has {found}"):
        measure(valid, labels, (1, 1))


def test_masks_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match=r"boolean masks are required, got .*'prediction': 'uint8'"):
        measure_region(EMPTY.astype(np.uint8), EMPTY, SPACING)
    with pytest.raises(ValueError, match=r"masks of equal shape are required, got .*'brain': \(5, 5, 4\)"):
        measure_region(EMPTY, EMPTY, SPACING, EMPTY[1:])
    for spacing in ((1, 1), (1, 1, 0)):
        with pytest.raises(ValueError, match=r"3 spacings above 0 mm are required, got \(1, 1"):
            measure_region(EMPTY, EMPTY, spacing)


@pytest.mark.parametrize("seed", range(4))
def test_mean_surface_distance_is_that_of_all_pairs_of_surface_voxels(seed):
    one, other = random_masks(seed)
    first, second = surface_points(one, SPACING), surface_points(other, SPACING)
    apart = np.linalg.norm(first[:, None] - second[None], axis=2)
    expected = (apart.min(axis=1).mean() + apart.min(axis=0).mean()) / 2
    assert mean_surface_distance(one, other, SPACING) == pytest.approx(expected)


def test_mean_surface_distance_of_what_is_equal_shifted_or_empty():
    voxel = box((9, 8, 7), slice(2, 3), slice(2, 3), slice(2, 3))
    assert mean_surface_distance(voxel, voxel, SPACING) == 0
    for axis, mm in enumerate(SPACING):
        assert mean_surface_distance(voxel, np.roll(voxel, 3, axis), SPACING) == pytest.approx(3 * mm)
    assert mean_surface_distance(EMPTY, EMPTY, SPACING) == 0
    assert math.isnan(mean_surface_distance(EMPTY, ~EMPTY, SPACING))
