"""Metamorphosis by a network, every step written out."""

import attrs
import numpy as np
import pytest
import torch
from network_pairs import FLAT, SOLID, a_pair, disc, displacement_of, random_network, settings_of

from gliomorph.models import geometry
from gliomorph.models.kernels import Kernel
from gliomorph.models.registration.catalogue import build
from gliomorph.models.registration.metamorph import MetaMorphR, momentum_unit
from gliomorph.models.registration.networks import THESIS
from gliomorph.models.registration.objective import Objective


def test_residual_blocks_add_up_along_the_flow():
    """Eq. 5.6 and 5.9 on full-resolution voxels and a full-resolution kernel, every step written out."""
    settings = settings_of("metamorph-r", voxel_mm=1.0, mu=0.05)
    network, pair = random_network(settings), a_pair()
    network.start.data.normal_(std=0.3)
    kernel = Kernel(pair.shape, pair.spacing_mm, (6.0,), like=pair.moving)
    unit, steps = momentum_unit(6.0), settings.steps
    z = geometry.stretch(network.start, pair.shape)
    backward = forward = torch.zeros(1, 2, *pair.shape)
    added, energies = torch.zeros_like(pair.moving), []
    with torch.inference_mode():
        for block in network.blocks:
            image = geometry.warp(pair.moving + pair.mask * added, backward)
            mask = geometry.warp(pair.mask, backward)
            z = z - block(z, image, pair.fixed, mask) / steps
            velocity = -kernel(unit * z * geometry.gradient(image)[:, 0])
            energies.append(
                float(-(unit * z * geometry.gradient(image)[:, 0] * velocity).sum())
                + float((settings.mu * unit) ** 2 * (mask * z**2).sum())
            )
            added = added + settings.mu**2 * unit / steps * geometry.warp(z, forward)
            backward = geometry.compose(backward, -velocity / steps)
            forward = geometry.compose(velocity / steps, forward)
        path = network(pair)
    # the network's maps are interpolated on coarse nodes, 3 voxels apart
    assert (displacement_of(path, pair) - backward).norm(dim=1).mean() < 0.03 * backward.norm(dim=1).max()
    assert (pair.mask * (path.change - added)).abs().max() < 0.05 * (pair.mask * added).abs().max()
    np.testing.assert_allclose(path.energy.numpy(), energies, rtol=0.03)


def test_energy_does_not_depend_on_the_resolution_of_the_network():
    """Sums over image voxels: at half resolution a quarter of the voxels count four times."""
    pair = a_pair((64, 64))
    energies = []
    for voxel_mm in (1.0, 2.0):
        network = random_network(settings_of("metamorph-r", voxel_mm=voxel_mm))
        with torch.no_grad():
            for parameter in network.blocks.parameters():
                parameter.zero_()
            network.start.fill_(0.5)
            energies.append(float(network(pair).energy[0]))
    assert energies[1] == pytest.approx(energies[0], rel=0.2)


def test_apart_what_fills_the_tumour_moves_nothing():
    """A tumour alone, bright in its middle: its edges are pushed only without ``apart``."""
    middle = [0.5 * (size - 1) for size in FLAT]
    pair = attrs.evolve(
        a_pair(), moving=disc(FLAT, middle, 4.0), mask=(disc(FLAT, middle, 11.0) > 0.5).float()
    )
    moved = {}
    for apart in (False, True):
        network = random_network(settings_of("metamorph-r", voxel_mm=1.0, steps=1, apart=apart))
        with torch.no_grad():
            for parameter in network.blocks.parameters():
                parameter.zero_()
            network.start.fill_(0.5)
            path = network(pair)
        assert path.change.abs().max() > 0.1
        moved[apart] = displacement_of(path, pair).norm(dim=1).max()
    assert moved[False] > 0.5
    assert moved[True] < 0.01 * moved[False]


def test_thesis_network_has_its_size():
    parameters = sum(p.numel() for p in build(THESIS).blocks.parameters())
    assert 1.4e6 < parameters < 1.7e6
    assert (THESIS.voxel_mm, THESIS.steps, THESIS.sees_mask) == (1.0, 15, False)


def test_start_is_learnt_and_shared_by_all_pairs():
    network = random_network(settings_of("metamorph-r")).train()
    assert isinstance(network, MetaMorphR)
    pair = a_pair(batch=2)
    Objective(lam=0.0).similarity(network(pair), pair).backward()
    assert network.start.grad.abs().max() > 0


def staged(dimension=3, **changed):
    fine = {"fine_voxel_mm": 1.0, "fine_steps": 3, "fine_sigma_mm": 4.0}
    return settings_of("metamorph-r", dimension, guided=True, voxel_mm=2.0, **fine, **changed)


def test_a_guided_network_registers_before_it_has_learnt():
    torch.manual_seed(0)
    network, pair = build(staged(steps=6)).eval(), a_pair(SOLID)
    with torch.inference_mode():
        path = network(pair)
    moved = geometry.warp(pair.moving, displacement_of(path, pair))
    outside = 1 - geometry.dilate(pair.mask, 3.0, pair.spacing_mm)
    before, after = ((outside * (image - pair.fixed) ** 2).sum() for image in (pair.moving, moved))
    assert after < 0.5 * before
    assert geometry.jacobian_determinant(displacement_of(path, pair)).min() > 0


def test_fine_stages_go_on_from_where_coarse_ones_end():
    """A fine stage whose gains are 0 and whose blocks are silent changes nothing."""
    torch.manual_seed(0)
    network, pair, steps = build(staged(steps=4)).eval(), a_pair(SOLID), []
    with torch.no_grad():
        for number, block in enumerate(network.blocks):
            if number >= 4:
                network.gain[number] = network.kept[number] = 0.0
                for parameter in block.parameters():
                    parameter.zero_()
        path = network(pair, lambda step, backward, change: steps.append((step, backward)))
    assert [step for step, _ in steps] == list(range(8))
    assert path.backward.shape[2:] == tuple(-(-2 * side // 4) for side in SOLID)
    assert steps[4][1].abs().max() > 0.05
    torch.testing.assert_close(path.backward, steps[4][1], atol=1e-4, rtol=0)


def test_gain_and_memory_of_a_guided_network_are_learnt():
    network, pair = random_network(staged(2, steps=1)).train(), a_pair()
    Objective(lam=0.0).similarity(network(pair), pair).backward()
    assert (network.gain.grad != 0).all()
    assert (network.kept.grad[1:] != 0).all()
