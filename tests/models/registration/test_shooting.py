"""Shooting in the source frame against the textbook: full resolution, step by step, O(T²) warps."""

import pytest
import torch

from gliomorph.models import geometry
from gliomorph.models.kernels import Kernel, in_voxels
from gliomorph.models.registration.shooting import shoot

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
        velocity = -kernel((momentum[:, :, None] * geometry.gradient(current)).sum(1) / spacing)
        step = -delta * velocity / spacing
        sources.append(delta * mu**2 * flowing * momentum)
        momentum = geometry.jacobian_determinant(step) * geometry.warp(momentum, step)
        flowing = geometry.warp(flowing, step)
        maps = [geometry.compose(earlier, step) for earlier in maps]
        current = geometry.warp(image, maps[0])
        current = current + sum(geometry.warp(s, m) for s, m in zip(sources, maps, strict=True))
        maps.append(torch.zeros_like(step))
    return current, maps[0]


def end_image(geodesic, image, mask):
    displacement = in_voxels(geodesic.backward, image.shape[2:])
    return geometry.warp(geodesic.start(image, mask), displacement), displacement


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
    obtained, map_obtained = end_image(geodesic, image, mask)
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
    obtained, map_obtained = end_image(geodesic, image, mask)
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
    assert not geodesic.energy.any()


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
        displacements.append(end_image(geodesic, image, mask)[1])
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
        warped, _ = end_image(geodesic, image, mask)
        return geodesic.energy.mean() + (warped - image.mT.reshape(image.shape)).square().sum()

    energy(momentum).backward()
    with torch.no_grad():
        step = 1e-6
        numeric = (energy(momentum + step * direction) - energy(momentum - step * direction)) / (2 * step)
    torch.testing.assert_close((momentum.grad * direction).sum(), numeric, rtol=1e-5, atol=1e-7)


def doubled(start, shares=(0.3, 0.7)):
    """The pair as two equal channels whose momenta add up to the single one."""
    momentum, image, mask = start
    return torch.cat([share * momentum for share in shares], 1), torch.cat([image, image], 1), mask


def test_channels_share_one_velocity(start):
    """App. A.1: two equal modalities move as one does that has the sum of their momenta."""
    momentum, image, _ = start
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), like=image)
    single = shoot(momentum, image, kernel, (1.0, 1.0), STEPS)
    double = shoot(*doubled(start)[:2], kernel, (1.0, 1.0), STEPS)
    torch.testing.assert_close(double.backward, single.backward, atol=1e-12, rtol=0)
    torch.testing.assert_close(double.energy, single.energy)


@pytest.mark.parametrize("mu", [0.0, 0.05])
def test_multi_modal_geodesic_is_the_textbook_one(start, mu):
    """Eq. A.3 step by step at full resolution, each channel with an appearance of its own."""
    momentum, image, mask = doubled(start, (1.5, -0.7))
    image = torch.cat([image[:, :1], 1 - image[:, 1:] ** 2], 1)
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), nodes_per_sigma=SIGMA, like=image)
    expected, map_expected = textbook(momentum, image, mask, kernel, 1.0, STEPS, mu)
    geodesic = shoot(momentum, image, kernel, (1.0, 1.0), STEPS, mu, mask)
    obtained, map_obtained = end_image(geodesic, image, mask)
    assert map_expected.abs().max() > 1
    # linear interpolation of z, five times, at twice the voxel size of the single-modality test
    assert rms(map_obtained - map_expected) < 0.01 * rms(map_expected)
    assert rms(obtained - expected) < 0.01 * rms(expected - image)


def test_one_channel_of_several_functions_is_the_single_modality_code(start):
    """C = 1 to 1e-6, against the formula written for one channel."""
    momentum, image, mask = start
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), like=image)
    geodesic = shoot(momentum, image, kernel, (1.0, 1.0), 1, 0.05, mask)
    velocity = -kernel.smooth(kernel.restrict(momentum * geometry.gradient(image)[:, 0]))
    nodes = torch.tensor(kernel.coarse_mm).double().view(1, 2, 1, 1)
    torch.testing.assert_close(geodesic.backward, -velocity / nodes, atol=1e-6, rtol=0)
    torch.testing.assert_close(geodesic.change, 0.05**2 * momentum, atol=1e-6, rtol=0)


@pytest.mark.parametrize("mu", [0.0, 0.02])
def test_energy_is_constant_along_a_geodesic(mu):
    """Within 2 %: with one mask everywhere the energy is the Hamiltonian of the path."""
    shape, spacing = (128, 128), (0.5, 0.5)
    image = blob((28, 32), 8, shape, spacing) + 0.5 * blob((40, 28), 6, shape, spacing)
    momentum = 60 * (blob((24, 30), 6, shape, spacing) - blob((42, 34), 6, shape, spacing))
    kernel = Kernel(shape, spacing, (SIGMA,), nodes_per_sigma=SIGMA / spacing[0], like=image)
    geodesic = shoot(momentum, image, kernel, spacing, 40, mu, torch.ones_like(image))
    assert end_image(geodesic, image, torch.ones_like(image))[1].abs().max() > 2
    assert (geodesic.energy / geodesic.energy[0] - 1).abs().max() < 0.02


def test_checkpointing_changes_no_gradient(start):
    momentum, image, mask = start
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), like=image)
    gradients = []
    for checkpointed in (False, True):
        variable = momentum.clone().requires_grad_(True)
        geodesic = shoot(variable, image, kernel, (1.0, 1.0), STEPS, 0.05, mask, checkpointed)
        (end_image(geodesic, image, mask)[0].square().sum() + geodesic.energy.mean()).backward()
        gradients.append(variable.grad)
    torch.testing.assert_close(*gradients)


def test_batch_is_its_single_pairs(start):
    momentum, image, mask = start
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), like=image)
    pairs = [(momentum, image, mask), (-0.5 * momentum.mT, image.mT, mask.mT)]
    batch = shoot(
        *(torch.cat(parts) for parts in list(zip(*pairs, strict=True))[:2]),
        kernel,
        (1.0, 1.0),
        STEPS,
        0.05,
        torch.cat([pair[2] for pair in pairs]),
    )
    singles = [shoot(z, i, kernel, (1.0, 1.0), STEPS, 0.05, m) for z, i, m in pairs]
    torch.testing.assert_close(batch.backward, torch.cat([single.backward for single in singles]))
    torch.testing.assert_close(batch.change, torch.cat([single.change for single in singles]))
    torch.testing.assert_close(batch.energy, sum(single.energy for single in singles))


def test_commutes_with_translation(start):
    """By whole coarse nodes (3 voxels), of what is far from the border."""
    momentum, image, mask = start
    image = image * blob((32, 32), 10) ** 0.5
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), nodes_per_sigma=SIGMA, like=image)
    shift = dict(shifts=(3, -2), dims=(2, 3))
    plain = shoot(momentum, image, kernel, (1.0, 1.0), STEPS, 0.05, mask)
    moved = shoot(
        momentum.roll(**shift), image.roll(**shift), kernel, (1.0, 1.0), STEPS, 0.05, mask.roll(**shift)
    )
    inner = (..., slice(8, -8), slice(8, -8))
    expected = plain.backward.roll(**shift)[inner]
    assert rms(moved.backward[inner] - expected) < 1e-3 * rms(expected)


def test_large_smooth_motion_stays_invertible():
    """Eight voxels: no folds, and both maps are each other's inverse within 0.05 voxel on average."""
    image = blob((28, 32), 8) + 0.5 * blob((40, 28), 6)
    momentum = 400 * (blob((24, 30), 6) - blob((42, 34), 6))
    kernel = Kernel((SIDE, SIDE), (1.0, 1.0), (SIGMA,), nodes_per_sigma=SIGMA, like=image)
    geodesic = shoot(momentum, image, kernel, (1.0, 1.0), 40)
    backward, forward = (in_voxels(u, (SIDE, SIDE)) for u in (geodesic.backward, geodesic.forward))
    assert backward.norm(dim=1).max() > 8
    assert int((geometry.jacobian_determinant(backward) <= 0).sum()) == 0
    assert geometry.compose(backward, forward).norm(dim=1).mean() < 0.05
    assert geometry.compose(forward, backward).norm(dim=1).mean() < 0.05
