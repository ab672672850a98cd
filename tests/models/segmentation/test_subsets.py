"""Laws of one network for any subset: which sequences stay, and what the loss asks of labels that do not say all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gliomorph.models.segmentation.distillation.methods import DistillationSettings
from gliomorph.models.segmentation.subsets import (
    ALONE,
    UNKNOWN_PART,
    SubsetObjective,
    kept_sequences,
    nested_truth,
)
from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.unet import UNet


def drawn(present: list[int], count: int = 2000) -> list[tuple[int, ...]]:
    chance = Chance(0)
    return [
        tuple(kept_sequences(present, chance.uniform(), [chance.uniform() for _ in range(4)]))
        for _ in range(count)
    ]


def scores_for(classes: Tensor, certainty: float = 20.0) -> Tensor:
    """Scores (1, 4, X, Y, Z) that are sure of these classes."""
    return certainty * torch.nn.functional.one_hot(classes, 4).movedim(-1, 0)[None].float()


@pytest.fixture
def truth() -> Tensor:
    labels = torch.zeros(8, 8, 8, dtype=torch.int64)
    labels[2:6, 2:6, 2:6], labels[3:5, 3:5, 3:5], labels[3, 3, 3] = 2, 3, 1
    return labels


def test_every_subset_of_what_there_is_comes_up() -> None:
    assert len(set(drawn([0, 1, 2, 3]))) == 15
    assert set(drawn([1, 3])) == {(1,), (3,), (1, 3)}
    assert set(drawn([2])) == {(2,)}


def test_single_sequences_come_as_often_as_they_should_and_the_hard_ones_more_often() -> None:
    found = drawn([0, 1, 2, 3])
    single = [subset[0] for subset in found if len(subset) == 1]
    assert len(single) / len(found) == pytest.approx(ALONE, abs=0.05)
    assert min(single.count(0), single.count(1)) > max(single.count(2), single.count(3))


def test_the_truth_costs_nothing(truth: Tensor) -> None:
    assert nested_truth(scores_for(truth), truth[None], 1.0) < 1e-3


def test_a_wrong_part_costs_and_a_part_that_nobody_knows_does_not(truth: Tensor) -> None:
    wrong = torch.where(truth > 0, 1 + truth % 3, 0)
    outline = torch.where(truth > 0, UNKNOWN_PART, 0)
    assert nested_truth(scores_for(wrong), truth[None], 1.0) > 1
    assert nested_truth(scores_for(wrong), outline[None], 1.0) < 1e-3


def test_a_missed_tumour_costs_where_only_its_outline_is_known(truth: Tensor) -> None:
    outline = torch.where(truth > 0, UNKNOWN_PART, 0)
    assert nested_truth(scores_for(torch.zeros_like(truth)), outline[None], 1.0) > 1


def test_a_brain_without_tumour_is_judged_by_the_cross_entropy_alone(truth: Tensor) -> None:
    scores, nothing = scores_for(truth, 2.0), torch.zeros_like(truth)[None]
    entropy = torch.nn.functional.cross_entropy(scores, nothing)
    assert nested_truth(scores, nothing, 1.0) == pytest.approx(float(entropy))


def test_the_gradient_of_an_outline_leaves_the_parts_alone(truth: Tensor) -> None:
    scores = torch.zeros(1, 4, 8, 8, 8, requires_grad=True)
    nested_truth(scores, torch.where(truth > 0, UNKNOWN_PART, 0)[None], 1.0).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    parts = scores.grad[0, 1:]
    assert (parts - parts.mean(0)).abs().max() < 1e-8


def test_the_objective_minimises_it_and_needs_no_teacher(truth: Tensor) -> None:
    torch.manual_seed(0)
    network = UNet(4, 2)
    images, labels = torch.randn(1, 4, 16, 16, 16), torch.zeros(1, 16, 16, 16, dtype=torch.int64)
    labels[0, 4:8, 4:8, 4:8] = UNKNOWN_PART
    with torch.no_grad():
        terms = SubsetObjective(DistillationSettings(), network)(images, None, labels)
        wanted = nested_truth(network(images), labels, 1.0)
    assert torch.equal(terms["total"], wanted)
