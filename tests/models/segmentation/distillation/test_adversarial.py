"""The discriminator: its losses, whom it trains, when it waits, and that it goes on exactly from its state."""

import copy

import pytest
import torch

from gliomorph.models.segmentation.distillation.adversarial import (
    AdversarialTerm,
    Discriminator,
    discriminator_loss,
    fooling_loss,
)
from gliomorph.models.unet import UNet


@pytest.fixture
def student():
    torch.manual_seed(0)
    return UNet(modalities=1, width=2)


@pytest.fixture
def term(student):
    torch.manual_seed(1)
    return AdversarialTerm(student)


@pytest.fixture
def sides(student):
    """Features of a student and of a teacher, not alike."""
    torch.manual_seed(2)
    teacher = UNet(modalities=4, width=2)
    with torch.no_grad():
        taught = teacher.features(torch.rand(2, 4, 16, 16, 16))
    return student.features(torch.rand(2, 1, 16, 16, 16)), {n: 1 + 2 * f for n, f in taught.items()}


def weights(term):
    return [p.detach().clone() for p in term.discriminator.parameters()]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_losses_are_least_squares():
    of_teacher, of_student = torch.tensor([1.0, 0.5]), torch.tensor([0.2, -0.4])
    assert discriminator_loss(of_teacher, of_student).item() == pytest.approx(0.25 / 2 + (0.04 + 0.16) / 2)
    assert fooling_loss(of_student).item() == pytest.approx((0.64 + 1.96) / 2)
    assert discriminator_loss(torch.ones(3), torch.zeros(3)) == 0
    assert fooling_loss(torch.ones(3)) == 0


@pytest.mark.parametrize("dimension", [2, 3])
def test_every_level_is_read_at_its_resolution(dimension):
    torch.manual_seed(0)
    channels = {"up1": 2, "up2": 3, "up3": 4}
    discriminator = Discriminator(channels, dimension)
    features = {
        level: torch.rand(1, count, *[side] * dimension, requires_grad=True)
        for (level, count), side in zip(channels.items(), (16, 8, 4), strict=True)
    }
    scores = discriminator(features)
    assert scores.shape == (1, 1, *[2] * dimension)
    scores.sum().backward()
    assert all(level.grad.any() for level in features.values())


def test_nothing_of_it_is_a_parameter(term):
    assert list(term.parameters()) == []


def test_fooling_reaches_the_student_alone(term, student, sides):
    """The encoder by way of the decoder; the head comes after the layers that are compared."""
    term.eval()
    term(*sides).backward()
    missing = [
        name for name, p in student.named_parameters() if p.grad is None or not p.grad.isfinite().all()
    ]
    assert missing == ["head.weight", "head.bias"]
    assert all(p.grad is None for p in term.discriminator.parameters())


def test_update_reaches_the_discriminator_alone(term, student, sides):
    before = weights(term)
    term.update(*sides)
    assert not same(weights(term), before)
    assert all(p.grad is None for p in student.parameters())


@pytest.mark.parametrize("who", [0, 1], ids=["student", "teacher"])
def test_features_that_are_not_finite_teach_nothing_and_are_told(term, sides, who):
    term.update(*sides)
    before = copy.deepcopy(term.state_dict())
    spoilt = [dict(side) for side in sides]
    spoilt[who]["up2"] = spoilt[who]["up2"] * torch.inf
    assert not torch.isfinite(term(*spoilt))
    torch.testing.assert_close(term.state_dict(), before, rtol=0, atol=0)
    assert torch.isfinite(term(*sides)), "and it goes on"
    assert not same(weights(term), before["_extra_state"]["discriminator"].values())


def test_gradient_that_is_not_finite_is_no_step(term, sides):
    before = copy.deepcopy(term.state_dict())
    hook = term.discriminator.head.bias.register_hook(lambda gradient: gradient * torch.inf)
    assert torch.isfinite(term.update(*sides))
    torch.testing.assert_close(term.state_dict(), before, rtol=0, atol=0)
    hook.remove()
    term.update(*sides)
    assert not same(weights(term), before["_extra_state"]["discriminator"].values())


def test_discriminator_learns_in_training_mode_only(term, sides):
    before = weights(term)
    term.eval()(*sides)
    assert same(weights(term), before)
    term.train()(*sides)
    assert not same(weights(term), before)


def test_discriminator_learns_to_tell_and_then_waits(term, sides):
    for group in term.optimiser.param_groups:
        group["lr"] = 1e-2
    losses = [term.update(*sides).item() for _ in range(100)]
    assert losses[-1] < 0.7 * losses[0]
    before = weights(term)
    assert term.update(*sides).item() == losses[-1], "no step was taken after the last"
    assert same(weights(term), before)


def test_state_goes_on_exactly(term, student, sides):
    term.update(*sides)
    kept = copy.deepcopy(term.state_dict())
    unchanged = copy.deepcopy(kept)
    torch.manual_seed(9)
    resumed = AdversarialTerm(student)
    resumed.load_state_dict(kept)
    for each in (term, resumed):
        each.update(*sides)
    assert same(weights(term), weights(resumed))
    assert len(resumed.optimiser.state) == len(weights(term))
    torch.testing.assert_close(kept["_extra_state"], unchanged["_extra_state"], rtol=0, atol=0)


def test_discriminator_moves_along(term):
    assert all(p.dtype == torch.float64 for p in term.double().discriminator.parameters())
