"""Laws of the registration networks, each with random weights that deform visibly."""

import attrs
import numpy as np
import pytest
import torch

from gliomorph.models import geometry
from gliomorph.models.kernels import Kernel, in_voxels
from gliomorph.models.registration.catalogue import build, predict
from gliomorph.models.registration.metamorph import MetaMorphR, momentum_unit
from gliomorph.models.registration.networks import DEFAULTS, THESIS, NetworkSettings
from gliomorph.models.registration.objective import Objective
from gliomorph.models.registration.pair import Pair
from gliomorph.models.registration.sharp import swept
from gliomorph.models.registration.voxelmorph import roughness

FLAT, SOLID = (44, 36), (24, 28, 20)
each = pytest.mark.parametrize("method", DEFAULTS)


def settings_of(method, dimension=2, **changed):
    small = {"dimension": dimension, "width": 4, "steps": 4, "sigma_mm": 6.0, "voxel_mm": 2.0}
    return attrs.evolve(DEFAULTS[method], **small | changed)


def disc(shape, centre, radius):
    grid = geometry.identity_grid(torch.zeros(1, len(shape), *shape))[0]
    distance = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)).sqrt()
    return torch.sigmoid(radius - distance)[None, None]


def a_pair(shape=FLAT, batch=1):
    middle = [0.5 * (size - 1) for size in shape]
    shifts = range(batch)
    moving = torch.cat([disc(shape, [m + 1 + s for m in middle], 0.3 * min(shape)) for s in shifts])
    tumor = torch.cat([disc(shape, [m - 3 + s for m in middle], 3.5) > 0.5 for s in shifts]).float()
    fixed = disc(shape, middle, 0.3 * min(shape)).expand_as(moving)
    return Pair(
        moving=moving * (1 - tumor),
        fixed=fixed,
        mask=tumor,
        brain=torch.ones_like(moving),
        spacing_mm=(1.0,) * len(shape),
    )


GAINS = {"voxelmorph": 200.0, "metamorph-g": 100.0, "metamorph-r": 1000.0}


def random_network(settings, seed=0):
    """Last layers begin at nearly 0, where every law holds by itself: they are enlarged."""
    torch.manual_seed(seed)
    network = build(settings).eval()
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if "head.weight" in name or "layers.5" in name:
                tensor.mul_(GAINS[settings.method])
    return network


def displacement_of(path, pair):
    return in_voxels(path.backward, pair.shape)


@each
@pytest.mark.parametrize("shape", [FLAT, SOLID], ids=["2-D", "3-D"])
def test_map_is_smooth_invertible_and_visible(method, shape):
    pair = a_pair(shape)
    path = random_network(settings_of(method, len(shape)))(pair)
    displacement, forward = displacement_of(path, pair), in_voxels(path.forward, pair.shape)
    assert 0.3 < displacement.norm(dim=1).max() < 20
    assert int((geometry.jacobian_determinant(displacement) <= 0).sum()) == 0
    inverse = geometry.invert(displacement, forward)
    assert geometry.compose(displacement, inverse).norm(dim=1).mean() < 0.05
    assert path.energy.min() > 0
    assert (path.change is None) == method.startswith("voxelmorph")


@each
def test_untrained_network_hardly_moves(method):
    torch.manual_seed(0)
    pair = a_pair()
    path = build(settings_of(method)).eval()(pair)
    assert displacement_of(path, pair).abs().max() < 0.5


@each
def test_batch_is_its_single_pairs(method):
    pair = a_pair(batch=2)
    network = random_network(settings_of(method))
    with torch.inference_mode():
        together = network(pair)
        for index in (0, 1):
            parts = {n: getattr(pair, n)[index : index + 1] for n in ("moving", "fixed", "mask", "brain")}
            alone = network(Pair(**parts, spacing_mm=pair.spacing_mm))
            # convolutions add in another order for another batch
            torch.testing.assert_close(together.backward[index], alone.backward[0], atol=1e-4, rtol=1e-4)
            if alone.change is not None:
                torch.testing.assert_close(together.change[index], alone.change[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("method", "changed"), [("metamorph-g", {}), ("metamorph-r", {}), ("metamorph-r", {"sharp": True})]
)
def test_checkpointing_changes_no_gradient(method, changed):
    pair, gradients = a_pair(), []
    for checkpointed in (False, True):
        network = random_network(settings_of(method, **changed)).train()
        network.checkpointed = checkpointed
        objective = Objective(lam=1e-4, masking=network.settings.masking)
        path = network(pair)
        (objective.similarity(path, pair) + objective.regularisation(path, pair)).backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again, atol=1e-5, rtol=1e-4)


@each
def test_gradient_agrees_with_finite_differences(method):
    """In float64, along a random direction of all weights; without a mask, which weighs undifferentiated."""
    network, single = random_network(settings_of(method, masking="none", sees_mask=False)).double(), a_pair()
    images = {name: getattr(single, name).double() for name in ("moving", "fixed", "mask", "brain")}
    pair = Pair(**images, spacing_mm=single.spacing_mm)
    objective = Objective(lam=1e-3, masking=network.settings.masking, inverse_consistency=0.1)
    generator = torch.Generator().manual_seed(1)
    weights = dict(network.named_parameters())
    along = {
        name: 1e-2 * weight.abs().mean() * (torch.rand(weight.shape, generator=generator).double() - 0.5)
        for name, weight in weights.items()
    }

    def energy(step):
        shifted = {name: weight + step * along[name] for name, weight in weights.items()}
        path = torch.func.functional_call(network, shifted, (pair,))
        return objective.similarity(path, pair) + objective.regularisation(path, pair)

    step = torch.zeros((), dtype=torch.float64, requires_grad=True)
    energy(step).backward()
    with torch.no_grad():
        numeric = float(energy(1e-4) - energy(-1e-4)) / 2e-4
    # images are interpolated linearly: the energy has kinks
    assert float(step.grad) == pytest.approx(numeric, rel=2e-3)


@pytest.mark.parametrize("method", ["metamorph-g", "metamorph-r"])
def test_appearance_changes_inside_the_mask_alone(method):
    pair = a_pair()
    result = predict(random_network(settings_of(method)), *arrays(pair))
    warped = geometry.warp(pair.mask, torch.from_numpy(result.displacement)[None])[0, 0].numpy()
    assert np.abs(result.appearance).max() > 1e-3
    assert not result.appearance[warped < 0.5].any()


@pytest.mark.parametrize("method", ["voxelmorph-cfm", "metamorph-g", "metamorph-r"])
def test_the_mask_is_seen(method):
    pair = a_pair()
    network = random_network(settings_of(method))
    elsewhere = attrs.evolve(pair, mask=pair.mask.roll(9, 2))
    with torch.inference_mode():
        assert not torch.allclose(network(pair).backward, network(elsewhere).backward, atol=1e-4)


@each
def test_images_of_few_voxels_will_do(method):
    pair = a_pair((12, 10))
    assert displacement_of(random_network(settings_of(method))(pair), pair).isfinite().all()


def arrays(pair):
    """As :func:`predict` takes them: moving, fixed, mask, spacing."""
    images = [tensor[0, 0].numpy() for tensor in (pair.moving, pair.fixed, pair.mask)]
    return (*images, pair.spacing_mm)


@each
def test_prediction_has_the_contract_of_every_registration(method):
    pair, seen = a_pair(SOLID), []
    network = random_network(settings_of(method, 3))
    result = predict(network, *arrays(pair), progress=seen.append)
    assert result.displacement.shape == result.inverse_displacement.shape == (3, *SOLID)
    assert result.appearance.shape == SOLID
    assert {array.dtype for array in (result.displacement, result.appearance)} == {np.dtype(np.float32)}
    assert result.energy == seen
    assert not network.training
    predict(network.train(), *arrays(pair))
    assert network.training
    there, back = (torch.from_numpy(u)[None] for u in (result.displacement, result.inverse_displacement))
    assert geometry.compose(there, back).norm(dim=1).mean() < 0.05


@each
def test_images_the_network_was_not_made_for_are_refused(method):
    network = build(settings_of(method, 3))
    with pytest.raises(ValueError, match="registers 3-D images of 1 channels, got 2-D images of 1"):
        predict(network, *arrays(a_pair(FLAT)))
    moving, fixed, mask, spacing = arrays(a_pair(SOLID))
    with pytest.raises(ValueError, match="got 3-D images of 2"):
        predict(network, np.stack([moving] * 2), np.stack([fixed] * 2), mask, spacing)


@pytest.mark.parametrize("method", ["metamorph-g", "metamorph-r", "voxelmorph"])
def test_several_modalities_are_one_network_away(method):
    pair = a_pair()
    both = attrs.evolve(pair, moving=pair.moving.repeat(1, 2, 1, 1), fixed=pair.fixed.repeat(1, 2, 1, 1))
    path = random_network(settings_of(method, modalities=2))(both)
    assert path.backward.shape[:2] == (1, 2)
    assert path.change is None or path.change.shape == both.moving.shape


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


def test_path_is_watched_from_beginning_to_end():
    pair, steps = a_pair(), []
    network = random_network(settings_of("metamorph-r"))
    with torch.inference_mode():
        path = network(pair, watch=lambda step, psi, change: steps.append((step, psi, change)))
    assert [step for step, _, _ in steps] == [0, 1, 2, 3, 4]
    assert not steps[0][1].any()
    assert torch.equal(steps[-1][1], path.backward)


def test_sharp_appearance_is_that_of_a_network_at_full_resolution():
    """On the images' own voxels the second pass repeats the first, inside the tumour."""
    pair = a_pair()
    plain = random_network(settings_of("metamorph-r", voxel_mm=1.0))
    sharp = random_network(settings_of("metamorph-r", voxel_mm=1.0, sharp=True))
    with torch.inference_mode():
        expected, obtained = plain(pair), sharp(pair)
    torch.testing.assert_close(obtained.backward, expected.backward)
    scale = (pair.mask * expected.change).abs().max()
    # zero padding at the box's border is seen a few voxels inside it
    assert (pair.mask * (obtained.change - expected.change)).abs().max() < 0.005 * scale


def test_sharp_appearance_has_details_finer_than_the_network():
    pair = a_pair()
    generator = torch.Generator().manual_seed(0)
    pair = attrs.evolve(pair, fixed=pair.fixed * torch.rand(pair.fixed.shape, generator=generator))
    changes = {}
    for sharp in (False, True):
        network = random_network(settings_of("metamorph-r", sharp=sharp))
        with torch.inference_mode():
            changes[sharp] = pair.mask * network(pair).change
    roughness_of = {
        s: float(geometry.gradient(geometry.gradient(c)[:, 0]).abs().mean()) for s, c in changes.items()
    }
    assert roughness_of[True] > 1.2 * roughness_of[False]


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


def test_box_of_the_sweep_holds_every_moved_mask():
    pair = a_pair(SOLID, batch=2)
    shift = torch.zeros(2, 3, 8, 9, 7)
    shift[:, 1] = 0.8
    box = swept(pair, [torch.zeros_like(shift), shift])
    for states in (torch.zeros_like(shift), shift):
        moved = geometry.warp(pair.mask, in_voxels(states, pair.shape)).amax((0, 1))
        outside = moved.clone()
        outside[box] = 0
        assert not outside.any()
    assert np.prod([part.stop - part.start for part in box]) < 0.8 * np.prod(SOLID)


def test_box_without_tumour_is_small():
    pair = attrs.evolve(a_pair(), mask=torch.zeros(1, 1, *FLAT))
    box = swept(pair, [torch.zeros(1, 2, 11, 9)])
    assert all(part.stop - part.start < 12 for part in box)
    result = predict(random_network(settings_of("metamorph-r", sharp=True)), *arrays(pair))
    assert not result.appearance.any()


def test_exponential_of_an_affine_velocity_is_the_matrix_exponential():
    matrix = torch.tensor([[0.1, -0.2], [0.2, 0.05]], dtype=torch.float64)
    grid = geometry.identity_grid(torch.zeros(1, 2, 33, 33, dtype=torch.float64)) - 16
    velocity = torch.einsum("ij,bjxy->bixy", matrix, grid)
    expected = torch.einsum("ij,bjxy->bixy", torch.linalg.matrix_exp(matrix), grid) - grid
    middle = (..., slice(10, -10), slice(10, -10))
    obtained = geometry.exponential(velocity, 10)
    # first order: (1 + v / 2^n)^(2^n)
    assert (obtained - expected)[middle].abs().max() < 1e-3 * expected[middle].abs().max() + 1e-3


def test_opposite_velocities_are_inverse():
    velocity = torch.nn.functional.interpolate(
        4 * (torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(0)).double() - 0.5),
        size=FLAT,
        mode="bicubic",
        align_corners=True,
    )
    both = geometry.compose(geometry.exponential(velocity, 7), geometry.exponential(-velocity, 7))
    assert both[..., 6:-6, 6:-6].norm(dim=1).mean() < 0.05


def test_roughness_is_the_published_loss_times_the_voxels():
    velocity = torch.rand(1, 3, 8, 9, 7)
    squares = [geometry.gradient(velocity)[:, :, axis].square().mean() for axis in range(3)]
    assert float(roughness(velocity)) == pytest.approx(float(sum(squares) / 3) * 8 * 9 * 7 / 2, rel=1e-5)


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "transformer"}, "method"),
        ({"method": "metamorph-r", "dimension": 4}, "dimension"),
        ({"method": "metamorph-r", "mu": 0.0}, "masking local needs"),
        ({"method": "voxelmorph"}, "masking local needs"),
        ({"method": "voxelmorph", "masking": "cfm"}, "has no appearance: set mu=0"),
        ({"method": "metamorph-r", "masking": "none"}, "set sees_mask=False"),
        ({"method": "metamorph-g", "sharp": True}, "sharp and apart are options of metamorph-r"),
        ({"method": "metamorph-r", "dropout": 1.0}, "dropout"),
        ({"method": "metamorph-g", "dropout": 0.1}, "dropout is an option of metamorph-r"),
        ({"method": "voxelmorph", "mu": 0.0, "masking": "cfm", "steps": 21}, "at most 20 squarings"),
    ],
)
def test_settings_are_validated(options, message):
    with pytest.raises(ValueError, match=message):
        NetworkSettings(**options)
