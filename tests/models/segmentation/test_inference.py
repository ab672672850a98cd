"""From scores to labels: laws of the probabilities, and a slow judge of the decision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gliomorph.models.segmentation.inference import (
    ED,
    ET,
    NCR,
    SMALL_ET_MM3,
    decide,
    probabilities,
    region_probabilities,
)
from gliomorph.models.unet import SegmentationSettings


def images(*shape: int) -> Tensor:
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(1))


def convolution(width: int) -> nn.Conv3d:
    """A network that sees ``width`` voxels along each axis."""
    torch.manual_seed(2)
    return nn.Conv3d(1, 4, width, padding=width // 2)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("window", [None, (16, 16, 16), (32, 16, 24)])
def test_probabilities_sum_to_one(window: tuple[int, ...] | None, mirrored: bool) -> None:
    torch.manual_seed(0)
    network = SegmentationSettings(modalities=("T1w",), width=2).build().eval()
    found = probabilities(network, images(24, 16, 32), window, mirrored)
    assert found.shape == (4, 24, 16, 32)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    torch.testing.assert_close(found.sum(0), torch.ones(24, 16, 32))


def test_a_window_as_large_as_the_head_is_the_whole_pass() -> None:
    torch.manual_seed(0)
    network = SegmentationSettings(modalities=("T1w",), width=2).build().eval()
    head = images(16, 24, 16)
    whole = probabilities(network, head)
    for window in ((16, 24, 16), (64, 64, 64)):
        assert torch.equal(probabilities(network, head, window), whole)


def test_windows_do_not_matter_to_a_network_that_sees_single_voxels() -> None:
    network, head = convolution(1), images(40, 24, 18)
    found = probabilities(network, head, (16, 16, 16))
    torch.testing.assert_close(found, probabilities(network, head), atol=1e-5, rtol=0)


def test_windows_matter_little_to_a_network_that_sees_little() -> None:
    # it goes wrong in the outermost layer of a window, which has 1/50 of another window's weight there; more only
    # within a quarter window of the head's border, where every window's weight is the least one of 1e-3
    network, head = convolution(3), images(40, 24, 24)
    difference = probabilities(network, head, (16, 16, 16)) - probabilities(network, head)
    assert difference[:, 4:-4, 4:-4, 4:-4].abs().max() < 0.02
    assert difference.abs().mean() < 0.005


@pytest.mark.parametrize("window", [None, (16, 16, 16)])
def test_mirrored_probabilities_are_those_of_the_mirror_image(window: tuple[int, ...] | None) -> None:
    network, head = convolution(3), images(24, 16, 16)
    found = probabilities(network, head, window, mirrored=True)
    other = probabilities(network, head.flip(1), window, mirrored=True).flip(1)
    torch.testing.assert_close(found, other, atol=1e-6, rtol=0)
    alone = probabilities(network, head, window)
    assert (found - alone).abs().max() > 0.01  # this network knows left from right


def judge(probabilities: np.ndarray) -> np.ndarray:
    """:func:`decide`, voxel by voxel."""
    classes = np.zeros(probabilities.shape[1:], np.uint8)
    for voxel in np.ndindex(classes.shape):
        _, ncr, ed, et = (float(p) for p in probabilities[(slice(None), *voxel)])
        if ncr + ed + et < 0.5:
            continue
        if ed > ncr + et:
            classes[voxel] = ED
        elif et > ncr:
            classes[voxel] = ET
        else:
            classes[voxel] = NCR
    if (classes == ET).sum() < 20:
        classes[classes == ET] = NCR
    return classes


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 8.0])
def test_decision_is_the_judges(sharpness: float) -> None:
    scores = sharpness * np.random.default_rng(3).standard_normal((4, 9, 8, 7))
    found = np.exp(scores) / np.exp(scores).sum(axis=0)
    classes = decide(found)
    assert classes.dtype == np.uint8
    np.testing.assert_array_equal(classes, judge(found))
    assert set(np.unique(classes)) == {0, NCR, ED, ET}


def voxels(*columns: tuple[float, float, float, float]) -> np.ndarray:
    """Probabilities of some voxels, and of enough others that enhance."""
    enhancing = [(0.0, 0.0, 0.0, 1.0)] * SMALL_ET_MM3
    return np.array([*columns, *enhancing]).T[..., None, None]


def test_parts_are_decided_within_the_whole_and_ties_go_to_tumor_core_and_necrosis() -> None:
    cases = {
        (0.4, 0.2, 0.2, 0.2): NCR,  # background is the largest, yet most of it is tumour
        (0.5, 0.0, 0.5, 0.0): ED,  # one half is enough
        (0.51, 0.0, 0.49, 0.0): 0,
        (0.0, 0.3, 0.4, 0.3): NCR,  # oedema is the largest, yet most of the tumour is core
        (0.0, 0.25, 0.5, 0.25): NCR,
        (0.0, 0.2, 0.5, 0.3): ET,
    }
    assert decide(voxels(*cases))[: len(cases)].ravel().tolist() == list(cases.values())


@pytest.mark.parametrize(("count", "label"), [(SMALL_ET_MM3 - 1, NCR), (SMALL_ET_MM3, ET)])
def test_few_enhancing_voxels_are_necrosis(count: int, label: int) -> None:
    found = np.zeros((4, 30, 1, 1))
    found[3, :count] = 1
    found[2, count:] = 1
    assert decide(found).ravel().tolist() == [label] * count + [ED] * (30 - count)


@pytest.mark.parametrize(("voxel_mm3", "label"), [(64.0, ET), (0.5, NCR)])
def test_what_counts_is_the_volume_that_enhances(voxel_mm3: float, label: int) -> None:
    found = np.zeros((4, 30, 1, 1))
    found[3] = 1
    assert set(decide(found, voxel_mm3).ravel().tolist()) == {label}


def test_regions_are_nested_sums() -> None:
    found = np.random.default_rng(0).dirichlet([1, 1, 1, 1], (4, 5, 6)).transpose(3, 0, 1, 2)
    regions = region_probabilities(found)
    assert list(regions) == ["WT", "TC", "ET"]
    np.testing.assert_allclose(regions["WT"], 1 - found[0])
    np.testing.assert_allclose(regions["WT"] - regions["TC"], found[ED])
    np.testing.assert_allclose(regions["TC"] - regions["ET"], found[NCR])


class Places(nn.Module):
    """A network whose score of class 1 is, in the first voxel it sees, how far that is up the first axis."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.seen: list[int] = []

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(windows))
        scores = windows.new_zeros(len(windows), 4, *windows.shape[2:])
        scores[:, 1] = torch.where(windows[:, :1, :1, :1, :1] > 0, 1e3, -1e3)[:, 0]
        return scores


@pytest.mark.parametrize(("batch", "seen"), [(1, [1, 1, 1]), (2, [2, 1])])
def test_windows_overlap_by_half_and_count_by_their_gaussians(batch: int, seen: list[int]) -> None:
    """Three windows of 16 on 32 voxels: the first says class 1, the others do not; weights as of σ = 16 / 8."""
    network, head = Places(), torch.zeros(1, 32, 16, 16)
    head[:, 0] = 1
    found = probabilities(network, head, (16, 16, 16), batch=batch)[1, :, 8, 8].numpy()
    distance = (np.arange(16) - 7.5) / 2
    weight = np.maximum(np.exp(-(distance**2) / 2) * np.exp(-(0.25**2)), 1e-3)
    said = np.ones(16)
    said[8:] = weight[8:] / (weight[8:] + weight[:8])
    assert network.seen == seen
    np.testing.assert_allclose(found[:16], said, atol=1e-6)
    assert found[16:].max() < 1e-6


def test_a_head_shorter_than_the_window_has_zeros_around_it() -> None:
    network, head = convolution(3), images(24, 8, 16)
    padded = torch.nn.functional.pad(head, (0, 0, 4, 4))
    found = probabilities(network, head, (16, 16, 16))
    torch.testing.assert_close(found, probabilities(network, padded, (16, 16, 16))[:, :, 4:-4])


SETTINGS = SegmentationSettings(modalities=("T1w",), width=2, voxel_mm=4.0)


def test_heads_in_one_batch_are_segmented_as_one_by_one() -> None:
    torch.manual_seed(0)
    network, images = SETTINGS.build().eval(), torch.randn(1, 32, 24, 16)
    for window in (None, (16, 16, 16)):
        alone = probabilities(network, images, window, mirrored=True)
        together = probabilities(network, images, window, mirrored=True, batch=4)
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
