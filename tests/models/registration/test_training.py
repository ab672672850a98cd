"""Figures of an answer, and a training that is counted in epochs."""

import attrs
import pytest
import torch

from gliomorph.models import geometry
from gliomorph.models.registration.catalogue import build
from gliomorph.models.registration.metamorphosis import MetamorphosisSettings, objective_of
from gliomorph.models.registration.networks import DEFAULTS
from gliomorph.models.registration.objective import Objective
from gliomorph.models.registration.pair import Pair
from gliomorph.models.registration.shooting import Path
from gliomorph.models.registration.training import (
    EpochSettings,
    EpochTrainer,
    Trainer,
    TrainingSettings,
    measured,
    warped_by,
)

SHAPE = (20, 18, 16)
SETTINGS = {
    "metamorph-r": attrs.evolve(DEFAULTS["metamorph-r"], width=4, steps=2),
    "metamorph-g": attrs.evolve(DEFAULTS["metamorph-g"], width=4, steps=2),
    "voxelmorph": attrs.evolve(DEFAULTS["voxelmorph"], width=4, steps=3),
    "voxelmorph-cfm": attrs.evolve(DEFAULTS["voxelmorph-cfm"], width=4, steps=3),
}


def ball(centre, radius=6.0):
    axes = [torch.arange(float(side)) for side in SHAPE]
    x, y, z = torch.meshgrid(*axes, indexing="ij")
    distance = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2).sqrt()
    return torch.sigmoid(radius - distance)[None, None]


def pair(shift=2.0, bright=0.3):
    """A ball that has to be moved, with a tumour of another brightness in it."""
    mask = (ball((8.0 + shift, 8.0, 8.0), 2.0) > 0.5).float()
    return Pair(
        moving=ball((9.0 + shift, 8.5, 7.5)) * (1 - mask) + bright * mask,
        fixed=ball((9.0, 8.5, 7.5)),
        mask=mask,
        brain=torch.ones(1, 1, *SHAPE),
        spacing_mm=(4.0, 4.0, 4.0),
    )


def path_of(displacement, change=None):
    return Path(backward=displacement, forward=-displacement, change=change, energy=torch.zeros(1))


def still():
    return torch.zeros(1, 3, *SHAPE)


def trainer(method, epochs=3, steps=2, rate=1e-2):
    torch.manual_seed(0)
    network = build(SETTINGS[method])
    settings = MetamorphosisSettings(masking=network.settings.masking)
    training = EpochSettings(epochs=epochs, learning_rate=rate).over(steps)
    return EpochTrainer(Trainer(network, objective_of(settings, pair()), training), steps)


def test_staying_where_one_is_changes_nothing_and_does_not_fold():
    found = measured(path_of(still()), pair(), Objective(lam=1.0))
    assert found["similarity"] == found["similarity_before"] > 0
    assert found["outside"] == 1
    assert (found["folds_percent"], found["jacobian_min"], found["jacobian_max"]) == (0, 1, 1)


def test_the_right_shift_brings_the_images_together_outside_the_tumour():
    shift = still()
    shift[:, 0] = 2.0
    found = measured(path_of(shift), pair(), Objective(lam=1.0))
    assert found["outside_after"] < 0.02 * found["outside_before"]
    assert found["outside"] == pytest.approx(found["outside_after"] / found["outside_before"])
    assert found["similarity"] < 0.02 * found["similarity_before"]  # as long as nothing appears: cfm


def test_a_linear_map_has_its_determinant_and_a_reflection_folds_in_the_brain_alone():
    x = geometry.identity_grid(still())[:, 0]
    stretched, half = still(), pair()
    stretched[:, 0] = 0.25 * x
    found = measured(path_of(stretched), half, Objective(lam=1.0))
    assert (found["jacobian_min"], found["jacobian_max"]) == pytest.approx((1.25, 1.25), abs=1e-5)
    folded = still()
    folded[:, 0] = torch.where(x > 9.5, -2.0 * x, torch.zeros(()))
    brain = torch.zeros(1, 1, *SHAPE)
    brain[:, :, 11:] = 1  # beyond the jump
    assert (
        measured(path_of(folded), attrs.evolve(half, brain=brain), Objective(lam=1.0))["folds_percent"] == 100
    )
    brain = 1 - brain
    brain[:, :, 9:11] = 0
    brain[:, :, 11:] = 0
    assert (
        measured(path_of(folded), attrs.evolve(half, brain=brain), Objective(lam=1.0))["folds_percent"] == 0
    )


def test_appearance_counts_inside_the_tumour_alone():
    """With the right shift and the right change of the tumour's signal nothing is left."""
    shift, one = still(), pair()
    shift[:, 0] = 2.0
    change = one.mask * (ball((11.0, 8.5, 7.5)) - one.moving)
    objective = Objective(lam=1.0)
    with_change = measured(path_of(shift, change), one, objective)
    without = measured(path_of(shift, torch.zeros_like(change)), one, objective)
    assert with_change["similarity"] < 0.1 * without["similarity"]
    assert with_change["outside_after"] == without["outside_after"]
    image, _ = warped_by(path_of(shift, change), one, objective)
    plain, mask = warped_by(path_of(shift, change), one)
    assert (image - plain).abs()[mask == 0].max() == 0
    assert (image - plain).abs().max() > 0.2


@pytest.mark.parametrize("method", SETTINGS)
def test_training_on_a_pair_lowers_its_energy(method):
    ours = trainer(method, epochs=8, rate=2e-2)
    before = ours.validate([pair()])
    for _ in range(16):
        ours.step(pair())
    after = ours.validate([pair()])
    assert after["loss"] < 0.8 * before["loss"]
    assert after["outside"] < 0.8
    assert ours.finished
    assert ours.epoch == 8


def test_pairs_may_differ_and_figures_are_means():
    ours = trainer("metamorph-g")
    one, other = pair(1.0), pair(3.0)
    first, second, both = (ours.validate(pairs) for pairs in ([one], [other], [one, other]))
    for name, value in both.items():
        assert value == pytest.approx((first[name] + second[name]) / 2)
    assert first["loss"] != second["loss"]


def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit():
    whole, first, second = (trainer("metamorph-r") for _ in range(3))
    whole_losses = [whole.step(pair(shift)) for shift in (1.0, 2.0, 3.0, 4.0)]
    for shift in (1.0, 2.0):
        first.step(pair(shift))
    state = first.state()
    assert state["epoch"] == 1
    second.resume(state)
    assert [second.step(pair(shift)) for shift in (3.0, 4.0)] == whole_losses[2:]
    for ours, theirs in zip(
        second.trainer.network.parameters(), whole.trainer.network.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_a_pair_goes_to_another_device_whole():
    there = pair().to(torch.device("meta"))
    assert {getattr(there, name).device.type for name in ("moving", "fixed", "mask", "brain")} == {"meta"}
    assert there.shape == pair().shape
    assert there.spacing_mm == pair().spacing_mm


def test_total_is_the_sum_of_its_parts():
    losses = trainer("metamorph-r").step(pair())
    assert losses["total"] == losses["similarity"] + losses["regularisation"]


def test_validation_that_is_not_finite_is_an_error():
    spoilt = attrs.evolve(pair(), fixed=torch.full((1, 1, *SHAPE), torch.nan))
    with pytest.raises(FloatingPointError, match="epoch 0: the validation loss is not finite"):
        trainer("metamorph-r").validate([spoilt])


@pytest.mark.parametrize("changed", [{"epochs": 0}, {"learning_rate": 0.0}, {"learning_rate": 2.0}])
def test_settings_that_make_no_sense_are_refused(changed):
    with pytest.raises(ValueError, match=next(iter(changed))):
        EpochSettings(**changed)


FLAT = attrs.evolve(DEFAULTS["metamorph-r"], dimension=2, width=6, steps=4, sigma_mm=4.0, voxel_mm=1.0)


def disc(centre):
    axis = torch.arange(32.0)
    distance = torch.hypot(axis[:, None] - centre[0], axis[None] - centre[1])
    return torch.sigmoid(8 - distance)[None, None]


def discs(seed):
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


def flat_trainer(iterations=30, **options):
    torch.manual_seed(0)
    settings = TrainingSettings(iterations=iterations, learning_rate=5e-3, **options)
    return Trainer(build(FLAT), Objective(lam=1e-6), settings)


def test_losses_fall():
    ours = flat_trainer()
    losses = [ours.step(discs(seed % 4))["similarity"] for seed in range(30)]
    assert sum(losses[-4:]) < 0.5 * sum(losses[:4])
    assert ours.iteration == 30


def test_resumed_training_is_the_uninterrupted_one():
    whole, first = flat_trainer(), flat_trainer()
    for seed in range(6):
        expected = whole.step(discs(seed))
    for seed in range(3):
        first.step(discs(seed))
    second = flat_trainer()
    second.resume(first.state())
    for seed in range(3, 6):
        obtained = second.step(discs(seed))
    assert obtained == pytest.approx(expected, rel=1e-5)
    assert second.iteration == 6


def test_learning_rate_rises_and_falls_to_nothing():
    ours, rates = flat_trainer(iterations=100), []
    for _ in range(100):
        rates.append(ours.optimiser.param_groups[0]["lr"])
        ours.optimiser.step()
        ours.schedule.step()
    assert rates[0] < rates[2] == pytest.approx(5e-3, rel=0.01)
    assert rates[-1] < 1e-5


def test_energy_that_is_not_finite_stops_and_spoils_nothing():
    ours = flat_trainer()
    before = {name: tensor.clone() for name, tensor in ours.network.state_dict().items()}
    with pytest.raises(FloatingPointError, match="iteration 0: the energy is not finite"):
        ours.step(attrs.evolve(discs(0), fixed=torch.full((2, 1, 32, 32), torch.nan)))
    for name, tensor in ours.network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_gradient_that_is_not_finite_stops_and_spoils_nothing():
    ours = flat_trainer()
    before = {name: tensor.clone() for name, tensor in ours.network.state_dict().items()}
    ours.network.start.register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(FloatingPointError, match="iteration 0: the gradient is not finite"):
        ours.step(discs(0))
    for name, tensor in ours.network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_state_is_a_copy_and_holds_the_dice():
    ours = flat_trainer()
    ours.step(discs(0))
    state = ours.state()
    kept = state["network"]["start"].clone()
    expected = torch.rand(3)
    ours.step(discs(1))
    assert torch.equal(state["network"]["start"], kept)
    ours.resume(state)
    assert torch.equal(torch.rand(3), expected)


def test_objective_has_the_masking_of_the_network():
    with pytest.raises(ValueError, match="the network's masking is local, the objective's cfm"):
        Trainer(build(FLAT), Objective(lam=1.0, masking="cfm"), TrainingSettings(iterations=1))
