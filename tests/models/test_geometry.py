"""Laws of displacement fields, in two and three dimensions."""

import pytest
import torch

from gliomorph.models import geometry

SHAPES = [(20, 17), (12, 15, 10)]


def smooth_field(shape, amplitude=1.5, seed=0):
    """A diffeomorphic displacement (1, D, …) that vanishes at the border, float64."""
    generator = torch.Generator().manual_seed(seed)
    window = torch.ones(shape, dtype=torch.float64)
    for axis, size in enumerate(shape):
        ramp = torch.sin(torch.pi * torch.arange(size, dtype=torch.float64) / (size - 1))
        window = window * ramp.view([-1 if a == axis else 1 for a in range(len(shape))])
    weights = torch.rand(len(shape), generator=generator, dtype=torch.float64) - 0.5
    return amplitude * torch.stack([w * window for w in weights])[None]


def affine_displacement(matrix, shape):
    """Displacement of x ↦ M x."""
    grid = geometry.identity_grid(torch.zeros(1, len(shape), *shape, dtype=torch.float64))
    return torch.einsum("ij,bj...->bi...", matrix - torch.eye(len(shape), dtype=torch.float64), grid)


@pytest.mark.parametrize("shape", SHAPES)
def test_identity_has_determinant_one_and_no_folds(shape):
    determinant = geometry.jacobian_determinant(torch.zeros(1, len(shape), *shape))
    assert torch.equal(determinant, torch.ones(1, 1, *shape))
    assert int((determinant <= 0).sum()) == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_affine_map_has_its_determinant(shape):
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(len(shape), len(shape), generator=generator, dtype=torch.float64)
    matrix = torch.eye(len(shape), dtype=torch.float64) + 0.3 * (noise - 0.5)
    determinant = geometry.jacobian_determinant(affine_displacement(matrix, shape))
    torch.testing.assert_close(determinant, torch.linalg.det(matrix).expand_as(determinant))


def test_mirrored_axis_folds_everywhere():
    determinant = geometry.jacobian_determinant(
        affine_displacement(torch.diag(torch.tensor([-1.0, 1.0, 1.0])).double(), (5, 6, 7))
    )
    assert bool((determinant < 0).all())


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_component_order_is_axis_order(axis, nearest):
    image = torch.rand(1, 2, 6, 7, 8)
    displacement = torch.zeros(1, 3, 6, 7, 8)
    displacement[:, axis] = 1.0
    inner = [slice(None)] * 5
    inner[axis + 2] = slice(0, -1)
    warped = geometry.warp(image, displacement, nearest)
    # float32 coordinates pass through [-1, 1] and back
    expected = image.roll(-1, axis + 2)[tuple(inner)]
    torch.testing.assert_close(warped[tuple(inner)], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_inverse_undoes(shape):
    displacement = smooth_field(shape)
    inverse = geometry.invert(displacement, iterations=30)
    assert geometry.compose(displacement, inverse).abs().max() < 1e-6
    # the other way it is the interpolation of the inverse that limits
    assert geometry.compose(inverse, displacement).abs().mean() < 0.02


def test_composition_with_identity_changes_nothing():
    displacement = smooth_field((9, 10, 11))
    zero = torch.zeros_like(displacement)
    torch.testing.assert_close(geometry.compose(displacement, zero), displacement)
    torch.testing.assert_close(geometry.compose(zero, displacement), displacement)


def test_warp_commutes_with_permutation_of_axes():
    image, displacement = torch.rand(1, 1, 8, 9, 10).double(), smooth_field((8, 9, 10))
    order = (2, 0, 1)
    spatial = (0, 1, *[axis + 2 for axis in order])
    permuted = geometry.warp(image.permute(spatial), displacement[:, list(order)].permute(spatial))
    torch.testing.assert_close(permuted, geometry.warp(image, displacement).permute(spatial))


def test_divergence_is_the_trace_of_the_derivative():
    matrix = torch.tensor([[1.2, 0.3], [-0.4, 0.7]], dtype=torch.float64)
    divergence = geometry.divergence(affine_displacement(matrix, (7, 9)))
    torch.testing.assert_close(divergence, torch.full_like(divergence, -0.1))
