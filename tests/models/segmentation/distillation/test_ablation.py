"""What a zeroed layer changes, and what it leaves."""

import pytest
import torch

from gliomorph.models.segmentation.distillation.ablation import LAYERS, zeroed
from gliomorph.models.unet import UNet


@pytest.fixture
def network():
    torch.manual_seed(0)
    return UNet(modalities=1, width=2).eval()


@pytest.fixture
def image():
    return torch.rand(2, 1, 16, 24, 16, generator=torch.Generator().manual_seed(1))


def weights_that_read_nothing(network, layer):
    """The same network with the first convolution that reads the layer blind to it."""
    level = 3 if layer == "bottleneck" else int(layer[-1])
    weight = network.up[3 - level][0][0].weight
    skipped = network.down[level - 1][0][0].out_channels
    with torch.no_grad():
        weight[:, :-skipped] *= layer != "bottleneck"
        weight[:, -skipped:] *= layer == "bottleneck"
    return network


@pytest.mark.parametrize("layer", LAYERS)
def test_zeroed_layer_is_one_that_no_weight_reads(network, image, layer):
    scores = zeroed(network, image, layer)
    with torch.inference_mode():
        blind = weights_that_read_nothing(network, layer)(image)
    torch.testing.assert_close(scores, blind)


@pytest.mark.parametrize("layer", LAYERS)
def test_network_is_left_as_it_was(network, image, layer):
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    before = network(image)
    scores = zeroed(network, image, layer)
    assert scores.shape == before.shape and not scores.requires_grad
    assert not torch.allclose(scores, before)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(network(image), before)


def test_layers_differ(network, image):
    scores = [zeroed(network, image, layer) for layer in LAYERS]
    assert not any(torch.allclose(scores[i], scores[j]) for i in range(4) for j in range(i))


def test_all_that_the_decoder_reads_can_be_zeroed(network, image):
    encoded = network.encode(image)
    assert set(encoded) == set(LAYERS)


@pytest.mark.parametrize("layer", ["skip4", "up1", "scores"])
def test_other_layers_are_refused(network, image, layer):
    with pytest.raises(ValueError, match=rf"one of \('bottleneck', .*'skip1'\), got '{layer}'"):
        zeroed(network, image, layer)


def test_network_without_skips_has_only_a_bottleneck(image):
    network = UNet(modalities=1, width=2, skips=False)
    assert not torch.allclose(zeroed(network, image, "bottleneck"), network(image))
    with pytest.raises(ValueError, match=r"one of \('bottleneck',\), got 'skip3'"):
        zeroed(network, image, "skip3")
