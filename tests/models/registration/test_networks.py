"""Laws of the registration networks, each with random weights that deform visibly."""

import attrs
import numpy as np
import pytest
import torch
from network_pairs import FLAT, SOLID, a_pair, arrays, displacement_of, each, random_network, settings_of

from gliomorph.models import geometry
from gliomorph.models.kernels import in_voxels
from gliomorph.models.registration.catalogue import build, predict
from gliomorph.models.registration.networks import NetworkSettings
from gliomorph.models.registration.objective import Objective
from gliomorph.models.registration.pair import Pair, pair_of


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
    result = predict(random_network(settings_of(method)), pair_of(*arrays(pair)))
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


@pytest.mark.parametrize("method", ["metamorph-g", "metamorph-r", "voxelmorph"])
def test_several_modalities_are_one_network_away(method):
    pair = a_pair()
    both = attrs.evolve(pair, moving=pair.moving.repeat(1, 2, 1, 1), fixed=pair.fixed.repeat(1, 2, 1, 1))
    path = random_network(settings_of(method, modalities=2))(both)
    assert path.backward.shape[:2] == (1, 2)
    assert path.change is None or path.change.shape == both.moving.shape


def test_path_is_watched_from_beginning_to_end():
    pair, steps = a_pair(), []
    network = random_network(settings_of("metamorph-r"))
    with torch.inference_mode():
        path = network(pair, watch=lambda step, psi, change: steps.append((step, psi, change)))
    assert [step for step, _, _ in steps] == [0, 1, 2, 3, 4]
    assert not steps[0][1].any()
    assert torch.equal(steps[-1][1], path.backward)


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
