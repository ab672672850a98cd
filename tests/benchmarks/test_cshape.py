"""The C-shapes and their scores are what they say; training goes on where it was interrupted."""

import attrs
import numpy as np
import pytest
import torch

from benchmarks.cshape.data import SIDE, cut, simulate, template
from benchmarks.cshape.methods import METHODS, NETWORK, Answers, scores, solve_all
from benchmarks.cshape.train import Plan, _batch, trained
from gliomorph.models import geometry


@pytest.fixture(scope="module")
def shapes():
    return simulate(3, seed=5)


def true_answers(shapes, appearance=0.0):
    """The inverse of the known map."""
    inverse = geometry.invert(shapes.truth, iterations=60)
    count = len(shapes)
    return Answers(
        displacement=inverse.numpy(),
        appearance=np.full((count, SIDE, SIDE), appearance, np.float32),
        seconds=np.ones(count),
    )


def test_problems_are_seeded_cut_and_without_folds(shapes):
    again = simulate(3, seed=5)
    assert torch.equal(again.moving, shapes.moving)
    assert not torch.equal(simulate(3, seed=6).moving, shapes.moving)
    assert (geometry.jacobian_determinant(shapes.truth) > 0).all()
    assert shapes.truth.norm(dim=1).amax((1, 2)).min() > 4
    assert shapes.moving.shape == shapes.mask.shape == (3, 1, SIDE, SIDE)
    assert set(shapes.mask.unique().tolist()) == {0.0, 1.0}


def test_outside_the_cut_the_moving_image_is_the_deformed_template(shapes):
    whole = geometry.warp(shapes.fixed.expand_as(shapes.moving), shapes.truth)
    outside = shapes.mask == 0
    # a pixel counts as cut from 1 % on
    torch.testing.assert_close(shapes.moving[outside], whole[outside], atol=0.0101, rtol=0)
    assert ((whole - shapes.moving) * shapes.mask).sum((1, 2, 3)).min() > 100  # something is missing inside


def test_cut_crosses_the_ring_and_leaves_it_in_two():
    from scipy.ndimage import label

    c = template()[0, 0].numpy() > 0.5
    assert label(c)[1] == 1
    assert label(c & (cut(2.5, 8.0)[0, 0].numpy() < 0.5))[1] == 2


def test_true_map_scores_best(shapes):
    """Also guards the direction: the map itself in place of its inverse scores worse than doing nothing."""
    found = scores(true_answers(shapes), shapes)
    nothing = scores(
        attrs.evolve(true_answers(shapes), displacement=np.zeros((3, 2, SIDE, SIDE), np.float32)), shapes
    )
    wrong = scores(attrs.evolve(true_answers(shapes), displacement=shapes.truth.numpy()), shapes)
    assert (found["rms (px)"] < 0.02).all()
    assert (nothing["s"] < wrong["s"]).all()
    norm = shapes.truth.flatten(1).norm(dim=1).numpy()  # that of Table 5.2, not its square
    np.testing.assert_allclose(nothing["s"], norm, rtol=1e-4)
    assert (found["folds"] == 0).all()
    missing = (
        1 - geometry.warp(shapes.moving, torch.from_numpy(true_answers(shapes).displacement))
    ) * shapes.fixed
    assert (found["L2"] < 1.3 * missing.square().sum((1, 2, 3)).numpy() + 10).all()


def test_every_problem_is_solved_once_and_timed(shapes):
    seen = []

    def solver(moving, fixed, mask):
        seen.append(float(moving.sum()))
        assert mask.dtype == np.uint8
        return np.zeros((2, SIDE, SIDE)), fixed - moving

    answers = solve_all(solver, shapes)
    assert len(seen) == 4
    assert answers.seconds.shape == (3,)
    np.testing.assert_allclose(scores(answers, shapes)["L2"], 0, atol=1e-6)


def test_answers_survive_the_disk(shapes, tmp_path):
    answers = true_answers(shapes, 0.25)
    answers.save(tmp_path / "one.npz")
    again = Answers.load(tmp_path / "one.npz")
    assert np.array_equal(again.displacement, answers.displacement)
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


def test_batches_pass_through_every_problem_of_an_epoch():
    assert sorted(index for i in range(3) for index in _batch(i, 12)) == list(range(12))
    assert _batch(1, 12) == _batch(1, 12) != _batch(4, 12)


def test_interrupted_training_ends_in_the_same_network(shapes, tmp_path, monkeypatch):
    problems = simulate(4, seed=1)
    plan = Plan(network=attrs.evolve(NETWORK, width=2, steps=2), lam=1e-5, iterations=4, learning_rate=1e-3)
    monkeypatch.setattr("benchmarks.cshape.train.SAVE_EVERY", 2)
    whole = trained(plan, problems, tmp_path / "whole.pt")
    step, calls = "benchmarks.cshape.train.Trainer.step", []
    from benchmarks.cshape.train import Trainer

    original = Trainer.step

    def interrupted(self, batch):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(plan, problems, tmp_path / "parts.pt")
    parts = trained(plan, problems, tmp_path / "parts.pt")
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    with pytest.raises(SystemExit, match="other settings"):
        trained(attrs.evolve(plan, lam=1.0), problems, tmp_path / "parts.pt")


def test_table_has_the_methods_of_the_thesis():
    assert {"rigid", "SyN", "SyN-CFM", "VoxelMorph", "VoxelMorph-CFM", "Metamorphosis"} < set(METHODS)
    assert {"LDDMM", "MetaMorph-G", "MetaMorph-R"} < set(METHODS)
