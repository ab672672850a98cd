"""A training learns, stops at nonsense, and goes on where it was interrupted."""

import attrs
import pytest
import torch

from gliomorph.models.registration.catalogue import build
from gliomorph.models.registration.networks import DEFAULTS
from gliomorph.models.registration.objective import Objective
from gliomorph.models.registration.pair import Pair
from gliomorph.models.registration.training import Trainer, TrainingSettings

SETTINGS = attrs.evolve(DEFAULTS["metamorph-r"], dimension=2, width=6, steps=4, sigma_mm=4.0, voxel_mm=1.0)


def disc(centre):
    axis = torch.arange(32.0)
    distance = torch.hypot(axis[:, None] - centre[0], axis[None] - centre[1])
    return torch.sigmoid(8 - distance)[None, None]


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    centres = 15.5 + 4 * (torch.rand(2, 2, generator=generator) - 0.5)
    moving = torch.cat([disc(centre) for centre in centres])
    return Pair(
        moving=moving,
        fixed=disc((15.5, 15.5)).expand_as(moving),
        mask=torch.zeros_like(moving),
        brain=torch.ones_like(moving),
        spacing_mm=(1.0, 1.0),
    )


def trainer(iterations=30, **options):
    torch.manual_seed(0)
    settings = TrainingSettings(iterations=iterations, learning_rate=5e-3, **options)
    return Trainer(build(SETTINGS), Objective(lam=1e-6), settings)


def test_losses_fall():
    ours = trainer()
    losses = [ours.step(batch(seed % 4))["similarity"] for seed in range(30)]
    assert sum(losses[-4:]) < 0.5 * sum(losses[:4])
    assert ours.iteration == 30


def test_resumed_training_is_the_uninterrupted_one():
    whole, first = trainer(), trainer()
    for seed in range(6):
        expected = whole.step(batch(seed))
    for seed in range(3):
        first.step(batch(seed))
    second = trainer()
    second.resume(first.state())
    for seed in range(3, 6):
        obtained = second.step(batch(seed))
    assert obtained == pytest.approx(expected, rel=1e-5)
    assert second.iteration == 6


def test_learning_rate_rises_and_falls_to_nothing():
    ours, rates = trainer(iterations=100), []
    for _ in range(100):
        rates.append(ours.optimiser.param_groups[0]["lr"])
        ours.optimiser.step()
        ours.schedule.step()
    assert rates[0] < rates[2] == pytest.approx(5e-3, rel=0.01)
    assert rates[-1] < 1e-5


def test_energy_that_is_not_finite_stops_and_spoils_nothing():
    ours = trainer()
    before = {name: tensor.clone() for name, tensor in ours.network.state_dict().items()}
    with pytest.raises(FloatingPointError, match="iteration 0: the energy is not finite"):
        ours.step(attrs.evolve(batch(0), fixed=torch.full((2, 1, 32, 32), torch.nan)))
    for name, tensor in ours.network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_gradient_that_is_not_finite_stops_and_spoils_nothing():
    ours = trainer()
    before = {name: tensor.clone() for name, tensor in ours.network.state_dict().items()}
    ours.network.start.register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(FloatingPointError, match="iteration 0: the gradient is not finite"):
        ours.step(batch(0))
    for name, tensor in ours.network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_state_is_a_copy_and_holds_the_dice():
    ours = trainer()
    ours.step(batch(0))
    state = ours.state()
    kept = state["network"]["start"].clone()
    expected = torch.rand(3)
    ours.step(batch(1))
    assert torch.equal(state["network"]["start"], kept)
    ours.resume(state)
    assert torch.equal(torch.rand(3), expected)


def test_objective_has_the_masking_of_the_network():
    with pytest.raises(ValueError, match="the network's masking is local, the objective's cfm"):
        Trainer(build(SETTINGS), Objective(lam=1.0, masking="cfm"), TrainingSettings(iterations=1))
