"""The coarse, spectral kernel against a direct convolution."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from gliomorph.models.kernels import Kernel, overlaps, resampling


def rough(shape, seed=0):
    return torch.rand(1, 2, *shape, generator=torch.Generator().manual_seed(seed)).double() - 0.5


@pytest.mark.parametrize(
    ("shape", "spacing", "sigmas"),
    [
        ((40, 33), (1.0, 1.0), (4.0,)),
        ((24, 30, 21), (2.0, 1.0, 3.0), (6.0,)),
        ((48, 40), (1.0, 2.0), (4.0, 8.0)),
    ],
)
def test_coarse_kernel_is_the_direct_convolution(shape, spacing, sigmas):
    field = rough(shape)
    kernel = Kernel(shape, spacing, sigmas, like=field)
    direct = np.mean(
        [
            gaussian_filter(field.numpy(), [0, 0, *(s / mm for mm in spacing)], mode="reflect", truncate=8.0)
            for s in sigmas
        ],
        axis=0,
    )
    assert np.prod(kernel.coarse_shape) <= 0.5 * np.prod(shape)
    # what the coarse grid cannot hold (1e-5), and the sampling of the Gaussian at small widths
    assert np.abs(kernel(field).numpy() - direct).max() < 1e-3 * np.abs(direct).max()


def test_constant_field_stays():
    field = torch.full((1, 1, 13, 17, 11), 3.0, dtype=torch.float64)
    torch.testing.assert_close(Kernel((13, 17, 11), (1.0, 2.0, 1.0), (3.0,), like=field)(field), field)


@pytest.mark.parametrize("seed", range(5))
def test_norm_is_positive(seed):
    field = rough((30, 28), seed)
    kernel = Kernel((30, 28), (1.0, 1.0), (2.0, 5.0), like=field)
    force = kernel.restrict(field)
    assert (force * kernel.smooth(force)).sum() > 0
    assert kernel.transfer.min() > 0


def test_kernel_is_symmetric():
    first, second = rough((21, 26), 1), rough((21, 26), 2)
    kernel = Kernel((21, 26), (1.0, 1.0), (3.0,), like=first)
    torch.testing.assert_close((first * kernel(second)).sum(), (second * kernel(first)).sum())


def test_restricted_norm_is_the_norm_on_the_fine_grid():
    field = rough((32, 30))
    kernel = Kernel((32, 30), (1.0, 1.0), (4.0,), like=field)
    force = kernel.restrict(field)
    coarse = kernel.voxels_per_node * (force * kernel.smooth(force)).sum()
    torch.testing.assert_close(coarse, (field * kernel(field)).sum())


def test_resampling_down_undoes_up():
    torch.testing.assert_close(resampling(25, 10) @ resampling(10, 25), torch.eye(10, dtype=torch.float64))


@pytest.mark.parametrize(("before", "after"), [(6, 3), (5, 4), (197, 98)])
def test_means_over_cells_keep_positions(before, after):
    """A ramp over the box is the same ramp on the other cells."""
    means = overlaps(before, after)
    torch.testing.assert_close(means.sum(1), torch.ones(after, dtype=torch.float64))
    ramps = [(torch.arange(n, dtype=torch.float64) + 0.5) / n for n in (before, after)]
    # within a cell that is cut the image is constant, the ramp is not
    assert (means @ ramps[0] - ramps[1]).abs().max() < 0.25 / before


def test_matrices_made_in_inference_serve_training():
    field = rough((23, 19))
    with torch.inference_mode():
        Kernel((23, 19), (1.0, 1.0), (3.7,), like=field)(field)
    variable = field.clone().requires_grad_(True)
    Kernel((23, 19), (1.0, 1.0), (3.7,), like=field)(variable).square().sum().backward()
    assert variable.grad.abs().max() > 0
