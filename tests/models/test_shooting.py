"""Shooting in the source frame against the textbook: full resolution, step by step, O(T²) warps."""

import pytest
import torch

from gliomorph.models import geometry
from gliomorph.models.kernels import Kernel
from gliomorph.models.shooting import shoot

SIDE, SIGMA, STEPS = 64, 6.0, 5


def blob(centre, width, shape=(SIDE, SIDE), spacing=(1.0, 1.0)):
    """exp(−½ r²/width²), (1, 1, X, Y) float64."""
    grid = geometry.identity_grid(torch.zeros(1, len(shape), *shape, dtype=torch.float64))[0]
    squared = sum((g * s - c) ** 2 for g, s, c in zip(grid, spacing, centre, strict=True))
    return torch.exp(-0.5 * squared / width**2)[None, None]


@pytest.fixture
def start():
    """Momentum, image and mask, all smooth, of a motion of about 1.4 voxels."""
    image = blob((28, 32), 8) + 0.5 * blob((40, 28), 6)
    momentum = 60 * (blob((24, 30), 6) - blob((42, 34), 6))
    return momentum, image, blob((24, 30), 6)


def textbook(momentum, image, mask, kernel, spacing, steps, mu):
    """(I_1, ψ_1 − Id) by Eq. 5.9: every z_s is transported to t by its own composed map φ_{s,t}⁻¹.

    z, the mask and the maps advance one step at a time; nothing is coarse and nothing is in the source frame.
    """
    delta, current, flowing = 1.0 / steps, image, mask
    maps, sources = [torch.zeros_like(geometry.gradient(image)[:, 0])], []
    for _ in range(steps):
        velocity = -kernel(momentum * geometry.gradient(current)[:, 0] / spacing)
        step = -delta * velocity / spacing
        sources.append(delta * mu**2 * flowing * momentum)
        momentum = geometry.jacobian_determinant(step) * geometry.warp(momentum, step)
        flowing = geometry.warp(flowing, step)
        maps = [geometry.compose(earlier, step) for earlier in maps]
        current = geometry.warp(image, maps[0])
        current = current + sum(geometry.warp(s, m) for s, m in zip(sources, maps, strict=True))
        maps.append(torch.zeros_like(step))
    return current, maps[0]


def end_image(geodesic, image, mask, kernel):
    ratio = torch.tensor([f / c for f, c in zip(kernel.fine_shape, kernel.coarse_shape, strict=True)])
    displacement = kernel.prolong(geodesic.backward) * ratio.view(1, -1, *[1] * len(ratio))
    source = image if geodesic.change is None else image + mask * geodesic.change
    return geometry.warp(source, displacement), displacement


def rms(tensor):
    return float(tensor.square().mean().sqrt())


@pytest.mark.parametrize("mu", [0.0, 0.05])
def test_source_frame_equals_textbook_scheme(mu):
    """With a kernel at full resolution the linear interpolation is left, O(voxel²): 0.5 mm gives 1e-4."""
    shape, spacing = (2 * SIDE, 2 * SIDE), (0.5, 0.5)
    image = blob((28, 32), 8, shape, spacing) + 0.5 * blob((40, 28), 6, shape, spacing)
    mask = blob((24, 30), 6, shape, spacing)
    momentum = 60 * (mask - blob((42, 34), 6, shape, spacing))
    kernel = Kernel(shape, spacing, (SIGMA,), nodes_per_sigma=SIGMA / spacing[0], like=image)
    expected, map_expected = textbook(momentum, image, mask, kernel, spacing[0], STEPS, mu)
    geodesic = shoot(momentum, image, kernel, spacing, STEPS, mu, mask)
    obtained, map_obtained = end_image(geodesic, image, mask, kernel)
    assert map_expected.abs().max() > 2.5  # voxels: there is something to compare
    assert rms(expected - image) > 0.025
    assert rms(map_obtained - map_expected) < 2e-3
    assert rms(obtained - expected) < 1e-4


@pytest.mark.parametrize("mu", [0.0, 0.05])
def test_coarse_scheme_follows_the_textbook_scheme(start, mu):
    momentum, image, mask = start
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), like=image)
    expected, map_expected = textbook(momentum, image, mask, kernel, 1.0, STEPS, mu)
    geodesic = shoot(momentum, image, kernel, (1.0, 1.0), STEPS, mu, mask)
    obtained, map_obtained = end_image(geodesic, image, mask, kernel)
    # maps are interpolated linearly between nodes 3 voxels apart
    assert rms(map_obtained - map_expected) < 0.02 * rms(map_expected)
    assert rms(obtained - expected) < 0.02 * rms(expected - image)


def test_no_mu_and_no_mask_are_exactly_lddmm(start):
    momentum, image, mask = start
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), like=image)
    plain = shoot(momentum, image, kernel, (1.0, 1.0), STEPS)
    for same in (
        shoot(momentum, image, kernel, (1.0, 1.0), STEPS, 0.0, mask),
        shoot(momentum, image, kernel, (1.0, 1.0), STEPS, 0.1, None),
    ):
        assert same.change is None
        assert torch.equal(same.backward, plain.backward)
        assert torch.equal(same.energy, plain.energy)


def test_zero_momentum_is_the_identity(start):
    _, image, mask = start
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), like=image)
    geodesic = shoot(torch.zeros_like(image), image, kernel, (1.0, 1.0), STEPS, 0.1, mask)
    assert not geodesic.backward.any()
    assert not geodesic.forward.any()
    assert not geodesic.change.any()
    assert geodesic.energy == 0


def test_forward_and_backward_are_inverse(start):
    momentum, image, _ = start
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), like=image)
    geodesic = shoot(momentum, image, kernel, (1.0, 1.0), 20)
    # first order in time, on a grid of 4 voxels
    assert geometry.compose(geodesic.backward, geodesic.forward).norm(dim=1).mean() < 0.05


def test_coarse_grid_and_voxel_size_do_not_matter(start):
    momentum, image, mask = start
    displacements = []
    for spacing, nodes in (((1.0, 1.0), 2.0), ((1.0, 1.0), 6.0), ((2.0, 2.0), 2.0)):
        kernel = Kernel((SIDE, SIDE), spacing, (SIGMA * spacing[0],), nodes, like=image)
        # lengths double: velocities double and gradients halve, so that z is four times as large
        geodesic = shoot(momentum * spacing[0] ** 2, image, kernel, spacing, STEPS, 0.1 / spacing[0], mask)
        displacements.append(end_image(geodesic, image, mask, kernel)[1])
    torch.testing.assert_close(displacements[2], displacements[0])
    # maps are interpolated linearly between nodes: 3 voxels apart against 1
    assert rms(displacements[1] - displacements[0]) < 0.03 * rms(displacements[0])


def test_anisotropic_voxels_give_the_same_motion_in_mm():
    spacing, shape = (1.0, 2.0), (SIDE, SIDE // 2)
    maps = []
    for mm, size in (((1.0, 1.0), (SIDE, SIDE)), (spacing, shape)):
        # cell centres of both grids agree: the second has its first centre half a voxel further
        offset = [0.5 * s for s in mm]
        centre = [c - o for c, o in zip((28.5, 32.5), offset, strict=True)]
        image = blob(centre, 8, size, mm)
        momentum = 60 * blob([centre[0] - 4, centre[1]], 6, size, mm)
        kernel = Kernel(size, mm, (SIGMA,), like=image)
        geodesic = shoot(momentum, image, kernel, mm, STEPS)
        per_node = torch.tensor(kernel.coarse_mm).view(1, 2, 1, 1)
        maps.append(kernel.prolong(geodesic.backward * per_node, (16, 16)))
    assert rms(maps[1] - maps[0]) < 0.03 * rms(maps[0])


def test_commutes_with_exchange_of_axes(start):
    momentum, image, mask = start
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), like=image)
    plain = shoot(momentum, image, kernel, (1.0, 1.0), STEPS, 0.1, mask)
    turned = shoot(momentum.mT, image.mT, kernel, (1.0, 1.0), STEPS, 0.1, mask.mT)
    torch.testing.assert_close(turned.backward, plain.backward.flip(1).mT)
    torch.testing.assert_close(turned.change, plain.change.mT)


def test_gradient_agrees_with_finite_differences():
    image, mask = blob((6, 7), 2.5, (13, 14)), blob((6, 6), 2, (13, 14))
    kernel = Kernel((13, 14), (1.0, 1.0), (3.0,), like=image)
    direction = torch.rand(image.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 0.5
    momentum = (5 * direction.roll(3, -1)).requires_grad_(True)

    def energy(z):
        geodesic = shoot(z, image, kernel, (1.0, 1.0), 3, 0.1, mask)
        warped, _ = end_image(geodesic, image, mask, kernel)
        return geodesic.energy + (warped - image.mT.reshape(image.shape)).square().sum()

    energy(momentum).backward()
    with torch.no_grad():
        step = 1e-6
        numeric = (energy(momentum + step * direction) - energy(momentum - step * direction)) / (2 * step)
    torch.testing.assert_close((momentum.grad * direction).sum(), numeric, rtol=1e-5, atol=1e-7)
