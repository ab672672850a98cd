"""Similarity of layers against other ways to compute it, the laws that it keeps, and those that it does not."""

import math

import numpy as np
import pytest
import torch

from gliomorph.models.segmentation.distillation.svcca import layer_similarity, network_similarity
from gliomorph.models.unet import UNet

SHAPE = (10, 9, 8)


def noise(channels, seed, batch=2, shape=SHAPE):
    return torch.randn(batch, channels, *shape, generator=torch.Generator().manual_seed(seed))


def mixed(layer, matrix):
    """Channels through a linear map, (out, in)."""
    return torch.einsum("ij,nj...->ni...", torch.as_tensor(matrix, dtype=layer.dtype), layer)


def related(channels=4, others=6, strength=1.0):
    """Two layers that have two directions in common."""
    common, rest, other_rest = noise(2, 0), noise(channels, 1), noise(others, 2)
    maps = np.random.default_rng(0).normal(size=(2, max(channels, others), 2))
    one = strength * mixed(common, maps[0, :channels]) + rest
    return one, strength * mixed(common, maps[1, :others]) + other_rest


def matrix(layer):
    return layer.movedim(1, -1).flatten(0, -2).double().numpy()


def truncated(layer, variance):
    """Samples × kept principal components, by the covariance's eigenvectors."""
    centred = matrix(layer) - matrix(layer).mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = next(k for k in range(1, len(values) + 1) if values[:k].sum() >= variance * values.sum())
    return centred @ vectors[:, :kept]


@pytest.mark.parametrize("variance", [0.6, 0.9, 0.99])
def test_similarity_is_that_of_scikit_learn_after_truncation(variance):
    """Its CCA is iterative: one pair of directions after the other, deflated."""
    from sklearn.cross_decomposition import CCA

    layers = related()
    parts = [truncated(layer, variance) for layer in layers]
    count = min(part.shape[1] for part in parts)
    pairs = CCA(n_components=count, max_iter=20_000, tol=1e-12).fit_transform(*parts)
    expected = np.mean([abs(np.corrcoef(pairs[0][:, i], pairs[1][:, i])[0, 1]) for i in range(count)])
    assert layer_similarity(*layers, variance=variance) == pytest.approx(expected, abs=1e-3)  # its deflation


@pytest.mark.parametrize("variance", [0.6, 0.9, 0.99])
def test_similarity_is_that_of_whitened_covariances(variance):
    """ρ² are the eigenvalues of Σ₁₁⁻¹ Σ₁₂ Σ₂₂⁻¹ Σ₂₁."""
    layers = related()
    x, y = (truncated(layer, variance) for layer in layers)
    product = np.linalg.solve(x.T @ x, x.T @ y) @ np.linalg.solve(y.T @ y, y.T @ x)
    squares = np.sort(np.linalg.eigvals(product).real)[::-1][: min(x.shape[1], y.shape[1])]
    expected = np.sqrt(squares.clip(0)).mean()
    assert layer_similarity(*layers, variance=variance) == pytest.approx(expected, abs=1e-6)


def test_layer_is_wholly_similar_to_itself():
    assert layer_similarity(noise(5, 0), noise(5, 0)) == pytest.approx(1)


def test_similarity_is_symmetric():
    one, other = related()
    assert layer_similarity(one, other) == pytest.approx(layer_similarity(other, one))


def test_rotation_scale_and_offset_of_channels_change_nothing():
    one, other = related()
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))
    moved = 30 * mixed(one, rotation) + 5
    assert layer_similarity(moved, other) == pytest.approx(layer_similarity(one, other), abs=1e-5)  # float32


def test_invertible_map_changes_nothing_if_all_variance_is_kept():
    one, other = related()
    skew = np.random.default_rng(1).normal(size=(4, 4)) + np.diag([1, 2, 4, 8])
    whole = layer_similarity(one, other, variance=1)
    assert layer_similarity(mixed(one, skew), other, variance=1) == pytest.approx(whole, abs=1e-5)  # float32


def test_truncation_drops_a_direction_that_has_become_small():
    """It alone is shared; at a thousandth of the others' size it holds a millionth of the variance."""
    shared = noise(1, 0)
    one, other = torch.cat([shared, noise(1, 1)], 1), torch.cat([shared, noise(1, 2)], 1)
    faint = mixed(one, np.diag([1e-3, 1]))
    assert layer_similarity(one, other) == pytest.approx(0.5, abs=0.05)
    assert layer_similarity(faint, other) < 0.1
    assert layer_similarity(faint, other, variance=1) == pytest.approx(0.5, abs=0.05)


def test_repeated_channels_add_no_direction():
    one, other = related()
    doubled = torch.cat([one, one, 0 * one + 3], 1)
    for variance in (0.99, 1):
        expected = layer_similarity(one, other, variance=variance)
        assert layer_similarity(doubled, other, variance=variance) == pytest.approx(expected, abs=1e-6)


def test_more_in_common_is_more_similar():
    values = [layer_similarity(*related(strength=s)) for s in (0.0, 0.5, 1.0, 3.0)]
    assert values == sorted(values)


def test_independent_noise_is_as_similar_as_chance_makes_it():
    """The mean singular value of a random square matrix is 8/3π of √(channels / samples)."""
    one, other = noise(20, 0, shape=(20, 20, 10)), noise(20, 1, shape=(20, 20, 10))
    chance = 8 / (3 * math.pi) * math.sqrt(20 / 8000)
    assert layer_similarity(one, other) == pytest.approx(chance, rel=0.1) and chance < 0.05


def test_constant_layer_has_no_similarity():
    assert math.isnan(layer_similarity(torch.full((2, 3, *SHAPE), 0.1), noise(3, 0)))
    assert math.isnan(layer_similarity(noise(3, 0), torch.zeros(2, 3, *SHAPE)))


def test_layers_of_images_in_the_plane():
    one = noise(3, 0, shape=(30, 20))
    assert layer_similarity(one, 2 - one) == pytest.approx(1)


def test_voxels_are_drawn_alike_from_both_and_repeatably():
    one, other = related()
    assert layer_similarity(one, one, points=100) == pytest.approx(1), "the same voxels of both"
    drawn = [layer_similarity(one, other, points=100) for _ in range(2)]
    seeded = [
        layer_similarity(one, other, points=100, generator=torch.Generator().manual_seed(s)) for s in (0, 1)
    ]
    assert drawn[0] == drawn[1] == seeded[0] != seeded[1]
    assert layer_similarity(one, other, points=one[:, 0].numel()) == layer_similarity(one, other)


def test_sample_estimates_the_whole():
    one, other = related()
    whole = layer_similarity(one, other)
    assert layer_similarity(one, other, points=1000) == pytest.approx(whole, abs=0.05)  # ≈ 1 / √1000


def test_half_precision_and_gradients_are_taken():
    one, other = related()
    expected = layer_similarity(one, other)
    assert layer_similarity(one.half(), other.requires_grad_()) == pytest.approx(expected, abs=1e-3)


def test_what_cannot_be_compared_is_refused():
    one = noise(3, 0)
    with pytest.raises(
        ValueError, match=r"same images and grid are required, got \(2, 3, 10.* and \(2, 3, 9"
    ):
        layer_similarity(one, noise(3, 1, shape=(9, 9, 8)))
    with pytest.raises(
        ValueError, match="more voxels than the 3 and 3 channels together are required, got 6"
    ):
        layer_similarity(one, one, points=6)
    for variance in (0, 1.01):
        with pytest.raises(
            ValueError, match=rf"a share of the variance in \(0, 1\] is required, got {variance}"
        ):
            layer_similarity(one, one, variance=variance)


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    return UNet(modalities=4, width=2)


@pytest.fixture(scope="module")
def student():
    torch.manual_seed(1)
    return UNet(modalities=1, width=3)


@pytest.fixture(scope="module")
def images():
    """Two batches, of two patients and of one."""
    patients = noise(4, 5, batch=3, shape=(32, 24, 24))
    return [(part, part[:, 1:2]) for part in (patients[:2], patients[2:])]


def test_networks_are_compared_layer_by_layer(teacher, student, images):
    found = network_similarity((teacher, student), images)
    layers = ["skip1", "skip2", "skip3", "bottleneck", "up3", "up2", "up1", "scores"]
    assert list(found) == [*layers, "class0", "class1", "class2", "class3"]
    with torch.no_grad():
        whole = [
            network.features(torch.cat([pair[i] for pair in images]))
            for i, network in enumerate((teacher, student))
        ]
    for name in ("skip2", "bottleneck"):
        # fewer voxels than points, so all of them; float32, summed in another order
        assert found[name] == pytest.approx(layer_similarity(whole[0][name], whole[1][name]), abs=1e-5)
    assert all(0 < value < 1 for value in found.values())


def test_one_class_is_compared_by_its_correlation(teacher, student, images):
    found = network_similarity((teacher, student), images, points=10**9)
    with torch.no_grad():
        scores = [
            torch.cat([network(pair[i])[:, 2].flatten() for pair in images]).double()
            for i, network in enumerate((teacher, student))
        ]
    assert found["class2"] == pytest.approx(abs(np.corrcoef(*scores)[0, 1]), abs=1e-6)


def test_network_is_wholly_similar_to_itself(student, images):
    twice = [(image, image) for _, image in images]
    found = network_similarity((student, student), twice, points=2000)
    assert found == pytest.approx(dict.fromkeys(found, 1.0))


def test_networks_comparison_is_repeatable(teacher, student, images):
    first, second = (network_similarity((teacher, student), images, points=1000) for _ in range(2))
    other = network_similarity(
        (teacher, student), images, points=1000, generator=torch.Generator().manual_seed(1)
    )
    assert first == second
    assert first["skip1"] != other["skip1"]


def test_networks_without_images_are_refused(teacher, student):
    with pytest.raises(ValueError, match="at least one patient"):
        network_similarity((teacher, student), [])
