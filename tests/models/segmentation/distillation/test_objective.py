"""The student's objective: its terms and weights, who gets gradients, and who is trained, kept and moved."""

import copy

import pytest
import torch

from gliomorph.models.segmentation.distillation.losses import (
    attention_transfer,
    bottleneck_divergence,
    contrastive,
    ground_truth,
    softened_cross_entropy,
)
from gliomorph.models.segmentation.distillation.methods import METHODS, DistillationSettings, settings_of
from gliomorph.models.segmentation.distillation.objective import StudentObjective
from gliomorph.models.unet import UNet

EVERYTHING = DistillationSettings(
    kd=0.3, kl=2.0, attention=3.0, contrastive=0.7, adversarial=0.2, embedding=3
)
TERMS = ["kd", "kl", "attention", "contrastive", "adversarial"]


@pytest.fixture
def student():
    torch.manual_seed(0)
    return UNet(modalities=1, width=4)


@pytest.fixture
def teacher():
    torch.manual_seed(1)
    return UNet(modalities=4, width=4)


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(2, 4, 16, 16, 16, generator=generator)
    return images[:, :1], images, torch.randint(4, (2, 16, 16, 16), generator=generator)


def settings_with(term):
    return DistillationSettings(**{term: 0.5})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kd": 1.1}, "'kd' must be <= 1"),
        ({"kd": -0.1}, "'kd' must be >= 0"),
        ({"kl": -1.0}, "'kl' must be >= 0"),
        ({"temperature": 0.0}, "'temperature' must be > 0"),
        ({"margin": 0.0}, "'margin' must be > 0"),
        ({"embedding": 0}, "'embedding' must be >= 1"),
    ],
)
def test_senseless_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        DistillationSettings(**wrong)


def test_methods_have_the_thesis_weights():
    kd_net = settings_of("kl+kd")
    assert (kd_net.kl, kd_net.kd, kd_net.temperature) == (10, 0.5, 5)
    assert (settings_of("ct").contrastive, settings_of("ct").margin) == (0.5, 1)
    assert settings_of("att").attention == 10
    assert [name for name in METHODS if not settings_of(name).needs_teacher] == ["baseline"]


def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match=r"baseline, att, kl, .* is required, got 'kdnet'"):
        settings_of("kdnet")


@pytest.mark.parametrize("method", METHODS)
def test_terms_are_those_with_a_weight(method, student, teacher, batch):
    terms = StudentObjective(settings_of(method), student, teacher)(*batch)
    settings = settings_of(method)
    assert list(terms) == ["total", "ground_truth", *[t for t in TERMS if getattr(settings, t)], "scores"]


def test_total_is_eq_3_8_with_all_terms(student, teacher, batch):
    objective = StudentObjective(EVERYTHING, student, teacher).eval()
    terms = objective(*batch)
    of_student, of_teacher = student.features(batch[0]), teacher.features(batch[1])
    expected = {
        "ground_truth": ground_truth(of_student["scores"], batch[2]),
        "kd": softened_cross_entropy(of_student["scores"], of_teacher["scores"], 5.0),
        "kl": bottleneck_divergence(of_student["bottleneck"], of_teacher["bottleneck"]),
        "attention": attention_transfer(of_student["bottleneck"], of_teacher["bottleneck"]),
        "contrastive": contrastive(
            objective.projection(of_student["up1"]), objective.projection(of_teacher["up1"]), 1.0
        ),
        "adversarial": objective.adversarial(of_student, of_teacher),
    }
    torch.testing.assert_close({name: terms[name] for name in expected}, expected)
    total = 0.7 * expected["ground_truth"] + 0.3 * expected["kd"] + 2 * expected["kl"]
    total = total + 3 * expected["attention"] + 0.7 * expected["contrastive"] + 0.2 * expected["adversarial"]
    torch.testing.assert_close(terms["total"], total)
    assert torch.equal(terms["scores"], student(batch[0]))


def test_dice_has_the_weight_of_the_settings(student, batch):
    terms = StudentObjective(DistillationSettings(dice=0.25), student)(*batch)
    torch.testing.assert_close(terms["total"], ground_truth(terms["scores"], batch[2], 0.25))


@pytest.mark.parametrize("term", TERMS)
def test_gradients_reach_the_student_and_not_the_teacher(term, student, teacher, batch):
    objective = StudentObjective(settings_with(term), student, teacher)
    objective(*batch)["total"].backward()
    missing = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert missing == []
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())


@pytest.mark.parametrize("term", TERMS)
def test_every_term_itself_changes_the_encoder(term, student, teacher, batch):
    StudentObjective(settings_with(term), student, teacher)(*batch)[term].backward()
    assert all(p.grad.isfinite().all() for p in student.down.parameters())
    assert any(p.grad.any() for p in student.down.parameters())


@pytest.mark.parametrize("term", ["kl", "attention", "contrastive"])
def test_a_student_that_is_its_teacher_is_told_nothing(term, student, batch):
    objective = StudentObjective(settings_with(term), student, copy.deepcopy(student))
    one, labels = batch[0][:1], batch[2][:1]
    assert objective(one, one, labels)[term].item() == pytest.approx(0, abs=1e-6)


def test_soft_labels_of_the_student_itself_have_no_gradient(student, batch):
    objective = StudentObjective(settings_with("kd"), student, copy.deepcopy(student))
    objective(batch[0], batch[0], batch[2])["kd"].backward()
    assert max(p.grad.abs().max() for p in student.parameters()) < 1e-6  # float32


def test_parameters_are_the_students_and_the_projections(student, teacher):
    objective = StudentObjective(EVERYTHING, student, teacher)
    expected = [*student.parameters(), *objective.projection.parameters()]
    assert {id(p) for p in objective.parameters()} == {id(p) for p in expected}
    assert not any(name.startswith("teacher") for name in objective.state_dict())


def test_teacher_stays_in_evaluation_mode_and_moves_along(student, teacher):
    objective = StudentObjective(EVERYTHING, student, teacher).train()
    assert student.training and not teacher.training
    objective.double()
    assert all(p.dtype == torch.float64 for p in teacher.parameters())


def test_student_alone_needs_no_teacher(student, batch):
    """Nor does a teacher's own training, from all modalities."""
    assert StudentObjective(settings_of("baseline"), student)(batch[0], None, batch[2])["total"] > 0
    objective = StudentObjective(settings_of("baseline"), UNet(modalities=4, width=4))
    terms = objective(batch[1], batch[1], batch[2])
    assert torch.equal(terms["total"], terms["ground_truth"])


def test_missing_or_unlike_teacher_is_refused(student, teacher, batch):
    with pytest.raises(ValueError, match="kd, kl require a teacher, got none"):
        StudentObjective(settings_of("kl+kd"), student)
    with pytest.raises(ValueError, match="of one width are required, got 3 and 4"):
        StudentObjective(settings_of("kl"), student, UNet(modalities=4, width=3))
    with pytest.raises(ValueError, match="require the teacher's input, got none"):
        StudentObjective(settings_of("kl"), student, teacher)(batch[0], None, batch[2])


def test_mixed_precision_gives_losses_in_single_precision(student, teacher, batch):
    objective = StudentObjective(EVERYTHING, student, teacher)
    exact = objective.eval()(*batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = objective(*batch)
    assert terms["scores"].dtype == torch.bfloat16
    assert all(terms[name].dtype == torch.float32 for name in terms if name != "scores")
    # bfloat16 has 8 bits
    torch.testing.assert_close(terms["total"], exact["total"], rtol=0.05, atol=0)


def test_training_goes_on_exactly_from_a_state(student, teacher, batch):
    def steps(objective, optimiser, count):
        for _ in range(count):
            optimiser.zero_grad()
            objective(*batch)["total"].backward()
            optimiser.step()

    objective = StudentObjective(EVERYTHING, student, teacher)
    optimiser = torch.optim.Adam(objective.parameters(), lr=1e-3)
    steps(objective, optimiser, 1)
    kept = copy.deepcopy((objective.state_dict(), optimiser.state_dict()))
    steps(objective, optimiser, 2)

    resumed = StudentObjective(EVERYTHING, UNet(modalities=1, width=4), teacher)
    resumed_optimiser = torch.optim.Adam(resumed.parameters(), lr=1e-3)
    resumed.load_state_dict(kept[0])
    resumed_optimiser.load_state_dict(kept[1])
    steps(resumed, resumed_optimiser, 2)
    torch.testing.assert_close(resumed.state_dict(), objective.state_dict(), rtol=0, atol=0)


def test_state_is_kept_as_tensors_and_plain_values(student, teacher, batch, tmp_path):
    objective = StudentObjective(EVERYTHING, student, teacher)
    objective(*batch)
    torch.save(objective.state_dict(), tmp_path / "state.pt")
    read = torch.load(tmp_path / "state.pt", weights_only=True)
    torch.testing.assert_close(read, objective.state_dict(), rtol=0, atol=0)


def test_student_comes_to_resemble_its_teacher(student, teacher, batch):
    objective = StudentObjective(settings_of("kl"), student, teacher)
    optimiser = torch.optim.Adam(objective.parameters(), lr=1e-2)
    values = []
    for _ in range(30):
        terms = objective(*batch)
        optimiser.zero_grad()
        terms["total"].backward()
        optimiser.step()
        values.append(terms["kl"].item())
    assert values[-1] < 0.5 * values[0]
