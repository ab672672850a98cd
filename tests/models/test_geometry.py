"""Laws of displacement fields, in two and three dimensions."""

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

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


@pytest.mark.parametrize("interpolation", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_component_order_is_axis_order(axis, interpolation):
    image = torch.rand(1, 2, 6, 7, 8)
    displacement = torch.zeros(1, 3, 6, 7, 8)
    displacement[:, axis] = 1.0
    inner = [slice(None)] * 5
    inner[axis + 2] = slice(0, -1)
    warped = geometry.warp(image, displacement, interpolation)
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


def test_an_inverse_can_be_made_to_bring_the_voxels_back():
    generator = torch.Generator().manual_seed(7)
    rough = geometry.stretch(0.5 * torch.randn(1, 2, 10, 11, generator=generator), (40, 44))
    inverse = geometry.invert(rough, iterations=60)

    def missed(found: torch.Tensor) -> float:
        return float(geometry.compose(found, rough).norm(dim=1).mean())

    assert missed(geometry.returning(inverse, rough)) < 0.5 * missed(inverse)


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


@pytest.mark.parametrize("shape", SHAPES)
def test_cubic_interpolation_is_exact_for_quadratics(shape):
    grid = geometry.identity_grid(torch.zeros(1, len(shape), *shape, dtype=torch.float64))
    displacement = smooth_field(shape, 0.8)

    def quadratic(positions):
        weights = torch.arange(1.0, 1 + len(shape)).double().view(1, -1, *[1] * len(shape))
        return (weights * positions**2 - 3 * positions).sum(1, keepdim=True) + positions[:, :1] * positions[
            :, 1:2
        ]

    warped = geometry.warp(quadratic(grid), displacement, "cubic")
    inner = (..., *[slice(2, -2)] * len(shape))  # at the border the image is constant, not quadratic
    torch.testing.assert_close(warped[inner], quadratic(grid + displacement)[inner])


def test_cubic_interpolation_is_differentiable_and_keeps_voxels():
    image, displacement = torch.rand(1, 2, 7, 6).double(), smooth_field((7, 6))
    assert torch.equal(geometry.warp(image, torch.zeros_like(displacement), "cubic"), image)
    variable = displacement.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda u: geometry.warp(image, u, "cubic"), (variable,))


def test_gradient_and_divergence_are_per_mm():
    """The field is x² + 3y (mm), on voxels of 0.5 × 2 mm."""
    spacing = (0.5, 2.0)
    grid = geometry.identity_grid(torch.zeros(1, 2, 9, 8, dtype=torch.float64)) * geometry.columns(
        spacing, torch.zeros(1, dtype=torch.float64)
    )
    image = grid[:, :1] ** 2 + 3 * grid[:, 1:]
    slope = geometry.gradient(image, spacing)[:, 0]
    torch.testing.assert_close(slope[:, 0, 1:-1], 2 * grid[:, 0, 1:-1])
    torch.testing.assert_close(slope[:, 1], torch.full_like(slope[:, 1], 3.0))
    laplacian = geometry.divergence(slope, spacing)[:, 0, 2:-2]
    torch.testing.assert_close(laplacian, torch.full_like(laplacian, 2.0))


def test_gradient_is_that_of_numpy():
    image = torch.rand(1, 1, 6, 7, 5, generator=torch.Generator().manual_seed(2)).double()
    expected = np.stack(np.gradient(image[0, 0].numpy(), 1.0, 2.0, 3.0))
    np.testing.assert_allclose(geometry.gradient(image, (1.0, 2.0, 3.0))[0, 0].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_resized_map_is_the_same_in_voxel_fractions(shape):
    """An affine map about the box's corner is linear, and linear interpolation keeps it off the border."""
    finer = tuple(2 * size for size in shape)
    cells = [
        geometry.identity_grid(torch.zeros(1, len(shape), *grid, dtype=torch.float64)) + 0.5
        for grid in (shape, finer)
    ]
    resized = geometry.resize(0.1 * cells[0], finer)
    inner = (..., *[slice(2, -2)] * len(shape))
    torch.testing.assert_close(resized[inner], (0.1 * cells[1])[inner])
    assert geometry.resize(cells[0], shape) is cells[0]


def test_threads_refuse_what_torch_refuses(three_threads):
    with pytest.raises(RuntimeError, match="batch size"):
        geometry.warp(torch.zeros(1, 1, 200, 200), torch.zeros(2, 2, 200, 200))


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("shape", [(211, 173), (41, 35, 29)])
@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_threads_share_one_image(three_threads, shape, interpolation):
    """Values and gradients are those of torch's own call, which a batch of two gets."""
    generator = torch.Generator().manual_seed(4)
    image = torch.rand(1, 2, *shape, generator=generator).double().requires_grad_(True)
    field = smooth_field(shape, 3.0).requires_grad_(True)
    weights = torch.rand(1, 2, *shape, generator=generator).double()
    results = []
    for copies in (1, 2):
        warped = geometry.warp(
            image.expand(copies, *image.shape[1:]), field.expand(copies, *field.shape[1:]), interpolation
        )
        wanted = [image, field] if interpolation == "linear" else [image]
        results.append([warped[:1], *torch.autograd.grad((weights * warped[:1]).sum(), wanted)])
    for shared, plain in zip(*results, strict=True):
        torch.testing.assert_close(shared, plain)


@pytest.mark.parametrize("spacing", [(1.0, 2.0), (2.0, 2.0, 2.0)])
def test_a_mask_is_dilated_by_millimetres(spacing):
    generator = torch.Generator().manual_seed(0)
    mask = (torch.rand(1, 1, *[20] * len(spacing), generator=generator) > 0.99).float()
    box = np.ones([2 * round(4 / mm) + 1 for mm in spacing], bool)
    expected = binary_dilation(mask[0, 0].numpy() > 0, box)
    np.testing.assert_array_equal(geometry.dilate(mask, 4.0, spacing)[0, 0].numpy(), expected)
    assert torch.equal(geometry.dilate(mask, 0.0, spacing), mask)
