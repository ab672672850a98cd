"""The segmentation network: shapes, refusals, and what the standardisation does."""

import pytest
import torch

from gliomorph.models.unet import CLASSES, SegmentationSettings, UNet, standardize


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return UNet(modalities=1, width=2).eval()


@pytest.mark.parametrize("shape", [(16, 16, 16), (24, 16, 32)])
def test_scores_have_the_images_shape(network, shape):
    with torch.inference_mode():
        assert network(torch.rand(1, 1, *shape)).shape == (1, CLASSES, *shape)


@pytest.mark.parametrize("shape", [(16, 12, 16), (20, 16, 16)])
def test_side_that_is_no_multiple_of_eight_is_refused(network, shape):
    with pytest.raises(ValueError, match=rf"sides divisible by 8 are required, got \({shape[0]}, {shape[1]}"):
        network(torch.rand(1, 1, *shape))


@pytest.mark.parametrize("voxel_mm", [0.5, 1, 8.0])
def test_voxel_sizes_of_heads_are_taken(voxel_mm):
    assert SegmentationSettings(modalities=("T1w",), voxel_mm=voxel_mm).voxel_mm == voxel_mm


@pytest.mark.parametrize("voxel_mm", [0.49, 8.1, 0, -1, float("nan"), float("inf")])
def test_voxel_sizes_that_would_exhaust_the_memory_or_show_nothing_are_refused(voxel_mm):
    with pytest.raises(ValueError, match=r"'voxel_mm' must be (>= 0\.5|<= 8)"):
        SegmentationSettings(modalities=("T1w",), voxel_mm=voxel_mm)


def test_batch_equals_single(network):
    images = torch.rand(3, 1, 16, 16, 16)
    with torch.inference_mode():
        batch = network(images)
        single = torch.cat([network(image[None]) for image in images])
    # float32, summed in another order
    torch.testing.assert_close(batch, single, atol=1e-5, rtol=1e-5)


def test_teacher_takes_four_modalities():
    teacher = UNet(modalities=4, width=2)
    assert teacher(torch.rand(1, 4, 16, 16, 16)).shape == (1, CLASSES, 16, 16, 16)


def test_every_parameter_learns(network):
    network(torch.rand(1, 1, 16, 16, 16)).square().sum().backward()
    without = [
        name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()
    ]
    network.zero_grad()
    assert without == []


def test_features_are_named_in_the_order_of_computation(network):
    image = torch.rand(1, 1, 16, 24, 16)
    features = network.features(image)
    names = ["skip1", "skip2", "skip3", "bottleneck", "up3", "up2", "up1", "scores"]
    assert list(features) == names
    assert [features[name].shape[3] for name in names] == [24, 12, 6, 3, 6, 12, 24, 24]
    assert torch.equal(features["scores"], network(image))
    assert torch.equal(network.head(features["up1"]), features["scores"])


def test_decoder_reads_another_encoding(network):
    one, other = torch.rand(2, 1, 1, 16, 16, 16)
    mixed = network.encode(one) | {"bottleneck": network.encode(other)["bottleneck"]}
    assert not torch.allclose(network.decode(mixed)["scores"], network(one))


def test_without_skips_only_the_bottleneck_is_decoded():
    torch.manual_seed(0)
    blind = UNet(modalities=1, width=2, skips=False)
    encoded = blind.encode(torch.rand(1, 1, 16, 16, 16))
    emptied = {name: torch.zeros_like(layer) for name, layer in encoded.items()}
    emptied["bottleneck"] = encoded["bottleneck"]
    assert torch.equal(blind.decode(emptied)["scores"], blind.decode(encoded)["scores"])


def test_standardized_brain_has_mean_zero_and_variance_one():
    image = torch.zeros(1, 20, 20, 20)
    image[:, 4:16, 4:16, 4:16] = 3 + 2 * torch.rand(12, 12, 12)
    result = standardize(image)
    inside = result[image != 0]
    assert abs(float(inside.mean())) < 1e-5  # float32
    assert float(inside.std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert not result[image == 0].any()


@pytest.mark.parametrize("gain", [0.01, 250.0])
def test_standardized_brain_does_not_depend_on_the_scale(gain):
    image = torch.rand(8, 8, 8) + 0.5
    torch.testing.assert_close(standardize(gain * image), standardize(image), atol=1e-4, rtol=1e-4)


def test_empty_and_constant_images_stay_finite():
    assert not standardize(torch.zeros(4, 4, 4)).any()
    assert standardize(torch.full((4, 4, 4), 5.0)).isfinite().all()


def test_a_single_voxel_is_standardised_to_a_number() -> None:
    image = torch.zeros(1, 4, 4, 4)
    image[0, 1, 1, 1] = 3.0
    assert torch.isfinite(standardize(image)).all()
