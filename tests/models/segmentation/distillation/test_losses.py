"""Each loss against its formula written out in numpy, what it is blind to, and where it is least."""

import math

import numpy as np
import pytest
import torch

from gliomorph.models.segmentation.distillation.losses import (
    ProjectionHead,
    attention_transfer,
    bottleneck_divergence,
    contrastive,
    ground_truth,
    softened_cross_entropy,
)


def random(*shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def softmax(values, axis):
    powers = np.exp(values - values.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


@pytest.fixture
def scores():
    return random(2, 4, 4, 3, 2)


@pytest.fixture
def labels():
    """The first sample has all classes, the second lacks class 3."""
    labels = torch.zeros(2, 4, 3, 2, dtype=torch.long)
    labels[0].view(-1)[:9] = torch.tensor([1, 1, 2, 2, 2, 3, 3, 3, 3])
    labels[1].view(-1)[5:10] = torch.tensor([1, 2, 2, 1, 2])
    return labels


def test_ground_truth_is_eq_3_6(scores, labels):
    probability = softmax(scores.double().numpy(), 1)
    truth = np.eye(4)[labels.numpy()].transpose(0, 4, 1, 2, 3)
    values = []
    for p, y in zip(probability, truth, strict=True):
        dice = [(2 * (p[c] * y[c]).sum() + 1e-5) / (p[c].sum() + y[c].sum() + 1e-5) for c in (1, 2, 3)]
        values.append(1 - np.mean(dice) - np.log((p * y).sum(0)).mean())
    assert ground_truth(scores, labels).item() == pytest.approx(np.mean(values), rel=1e-5)  # float32


def test_ground_truth_of_one_voxel_of_even_scores():
    """p = 1/4 for all: Dice of the voxel's class 0.5 / 1.25, of the two absent ones almost 0, CE log 4."""
    value = ground_truth(torch.zeros(1, 4, 1, 1), torch.full((1, 1, 1), 2))
    assert value.item() == pytest.approx(1 - (0.5 / 1.25) / 3 + math.log(4), abs=1e-4)  # the smoothing


def test_ground_truth_of_a_batch_is_the_mean_over_its_samples(scores, labels):
    single = [ground_truth(scores[i : i + 1], labels[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(ground_truth(scores, labels), torch.stack(single).mean())


def test_ground_truth_is_near_zero_for_certain_and_right_scores(labels):
    right = 50.0 * torch.nn.functional.one_hot(labels, 4).movedim(-1, 1)
    assert ground_truth(right[:1], labels[:1]).item() == pytest.approx(0, abs=1e-5)
    assert ground_truth(right[1:], labels[1:]).item() == pytest.approx(0, abs=1e-5), "absent class, empty too"


def test_ground_truth_without_dice_is_the_cross_entropy(scores, labels):
    expected = torch.nn.functional.cross_entropy(scores, labels)
    torch.testing.assert_close(ground_truth(scores, labels, dice=0.0), expected)


@pytest.mark.parametrize(("dice", "best"), [(0.0, 0.4), (1000.0, 0.99)])
def test_dice_overdraws_what_is_uncertain(dice, best):
    """Four of ten voxels that look alike are tumour: their probability is best at 0.4 by CE, near 1 by Dice."""
    labels = (torch.arange(10) < 4).long().view(1, 10, 1)
    probabilities = torch.linspace(0.01, 0.99, 99)
    alike = [torch.stack([1 - p, p]).log().view(1, 2, 1, 1).expand(1, 2, 10, 1) for p in probabilities]
    losses = torch.stack([ground_truth(scores, labels, dice) for scores in alike])
    assert probabilities[losses.argmin()].item() == pytest.approx(best, abs=0.015)


@pytest.mark.parametrize("temperature", [1.0, 5.0])
def test_softened_cross_entropy_is_eq_3_7_averaged(scores, temperature):
    teacher = random(*scores.shape, seed=1)
    soft_s, soft_t = (softmax(f.double().numpy() / temperature, 1) for f in (scores, teacher))
    expected = -(soft_t * np.log(soft_s)).sum(1).mean()
    assert softened_cross_entropy(scores, teacher, temperature).item() == pytest.approx(expected, rel=1e-5)


def test_softened_cross_entropy_is_least_where_both_agree(scores):
    """There it is the entropy, and its gradient 0; a constant added to all scores of a voxel is agreement too."""
    soft = torch.softmax(scores / 5, 1)
    student = (scores + 3).requires_grad_()
    loss = softened_cross_entropy(student, scores, 5.0)
    loss.backward()
    torch.testing.assert_close(loss.detach(), -(soft * soft.log()).sum(1).mean())
    assert student.grad.abs().max() < 1e-8
    assert softened_cross_entropy(scores + random(*scores.shape, seed=2), scores, 5.0) > loss


def test_softened_cross_entropy_has_no_squared_temperature(scores):
    """Its gradient falls as 1 / T²."""
    steep = []
    for temperature in (50.0, 100.0):
        student = scores.clone().requires_grad_()
        softened_cross_entropy(student, random(*scores.shape, seed=1), temperature).backward()
        steep.append(student.grad.norm().item())
    assert steep[0] / steep[1] == pytest.approx(4, rel=0.05)  # at high T only


def test_bottleneck_divergence_is_eq_3_5():
    """p of the student is (1/2, 1/4, 1/4), q of the teacher (1/4, 1/4, 1/2): (1/4) log(1/2) + (1/2) log 2."""
    student = torch.tensor([[[4.0], [2.0], [2.0]]]).log()
    teacher = torch.tensor([[[1.0], [1.0], [2.0]]]).log()
    assert bottleneck_divergence(student, teacher).item() == pytest.approx(0.25 * math.log(2), rel=1e-5)


def test_bottleneck_divergence_is_kl_of_teacher_from_student_and_no_other_way_round():
    """Two unlike vectors of which the two directions differ: (8, 1, 1) / 10 and (1, 1, 1) / 3."""
    student, teacher = torch.tensor([[8.0, 1.0, 1.0]]).log()[..., None], torch.zeros(1, 3, 1)
    expected = (math.log(10 / 24) + 2 * math.log(10 / 3)) / 3
    assert bottleneck_divergence(student, teacher).item() == pytest.approx(expected, rel=1e-5)
    other = 0.8 * math.log(2.4) + 0.2 * math.log(0.3)
    assert bottleneck_divergence(teacher, student).item() == pytest.approx(other, rel=1e-5)


def test_bottleneck_divergence_averages_the_samples_and_flattens_the_rest():
    student, teacher = random(3, 4, 2, 2, 2), random(3, 4, 2, 2, 2, seed=1)
    p, q = (softmax(f.double().numpy().reshape(3, -1), 1) for f in (student, teacher))
    expected = (q * np.log(q / p)).sum() / 3
    assert bottleneck_divergence(student, teacher).item() == pytest.approx(expected, rel=1e-5)


def test_attention_transfer_is_eq_3_3():
    """Maps (9 + 16, 0) and (0, 4): unit vectors at right angles, √2 apart."""
    student = torch.tensor([[[3.0, 0.0], [-4.0, 0.0]]])
    teacher = torch.tensor([[[0.0, 2.0]]])
    assert attention_transfer(student, teacher).item() == pytest.approx(math.sqrt(2), rel=1e-6)


def test_attention_transfer_averages_the_samples():
    student, teacher = random(3, 4, 2, 3, 2), random(3, 5, 2, 3, 2, seed=1)
    maps = [(f.double().numpy() ** 2).sum(1).reshape(3, -1) for f in (student, teacher)]
    unit_s, unit_t = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in maps)
    expected = np.linalg.norm(unit_t - unit_s, axis=1).mean()
    assert attention_transfer(student, teacher).item() == pytest.approx(expected, rel=1e-5)


def test_attention_transfer_is_blind_to_scale_and_sign():
    features = random(2, 4, 3, 3)
    assert attention_transfer(-7 * features, features).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("features", [torch.zeros(1, 2, 3, 3), random(1, 2, 3, 3)])
@pytest.mark.parametrize("loss", [bottleneck_divergence, attention_transfer])
def test_equal_features_cost_nothing_and_have_finite_gradients(loss, features):
    student = features.clone().requires_grad_()
    value = loss(student, features)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert student.grad.isfinite().all()


def test_contrastive_is_eq_3_4():
    """s = (0, 0), (0.6, 0); t = (0, 0.3), (0, 0.8); ξ = 1."""
    student, teacher = torch.tensor([[0.0, 0.0], [0.6, 0.0]]), torch.tensor([[0.0, 0.3], [0.0, 0.8]])
    pulled = 0.3**2 + (0.6**2 + 0.8**2)
    pushed = (1 - math.hypot(0.6, 0.3)) ** 2 + (1 - 0.8) ** 2
    assert contrastive(student, teacher, 1.0).item() == pytest.approx((pulled + pushed) / 2, rel=1e-5)


def test_contrastive_ignores_subjects_further_apart_than_the_margin():
    embeddings = torch.tensor([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]], requires_grad=True)
    loss = contrastive(embeddings, embeddings.detach(), 1.0)
    loss.backward()
    assert loss.item() == 0
    assert not embeddings.grad.any()


def test_contrastive_of_one_sample_pulls_only():
    student, teacher = torch.tensor([[0.1, 0.2]]), torch.tensor([[0.1, 0.5]])
    assert contrastive(student, teacher, 1.0).item() == pytest.approx(0.09, rel=1e-5)


def test_projection_reads_the_mean_over_space():
    head = ProjectionHead(channels=3, embedding=5)
    features = random(2, 3, 4, 4, 4)
    flat = features.mean((2, 3, 4), keepdim=True).expand_as(features)
    assert head(features).shape == (2, 5)
    torch.testing.assert_close(head(features), head(flat))


@pytest.mark.parametrize(
    "loss",
    [
        lambda f: ground_truth(f, torch.ones(1, 4, 4, dtype=torch.long)),
        lambda f: softened_cross_entropy(f, -f, 5.0),
        lambda f: bottleneck_divergence(f, -f),
        lambda f: attention_transfer(f, f.flip(2)),
        lambda f: contrastive(f.flatten(2)[0], -f.flatten(2)[0], 1.0),
    ],
)
def test_half_precision_is_computed_in_single(loss):
    """Squares of these would overflow in half precision."""
    features = random(1, 4, 4, 4, scale=300).half()
    assert loss(features).dtype == torch.float32
    torch.testing.assert_close(loss(features), loss(features.float()))
