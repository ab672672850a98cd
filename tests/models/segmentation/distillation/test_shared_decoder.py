"""One decoder for teacher and student (§3.3): which modules are shared, and who is trained."""

import copy

import pytest
import torch

from gliomorph.models.segmentation.distillation.methods import settings_of
from gliomorph.models.segmentation.distillation.objective import StudentObjective
from gliomorph.models.segmentation.distillation.shared_decoder import share_decoder
from gliomorph.models.unet import UNet


@pytest.fixture(params=[False, True], ids=["without skips", "with skips"])
def teacher(request):
    torch.manual_seed(0)
    return UNet(modalities=4, width=2, skips=request.param)


@pytest.fixture
def batch():
    torch.manual_seed(1)
    images = torch.rand(2, 4, 16, 16, 16)
    return images[:, :1], images, torch.randint(4, (2, 16, 16, 16))


def taught_by(teacher):
    """A student as a training makes it: of its own, then with the teacher's decoder."""
    student = UNet(modalities=1, width=2, skips=teacher.skips)
    share_decoder(teacher, student)
    return student


def test_decoder_is_the_teachers_own(teacher):
    student = taught_by(teacher)
    assert student.up is teacher.up and student.head is teacher.head
    assert not any(p.requires_grad for p in [*student.up.parameters(), *student.head.parameters()])
    assert not {id(p) for p in student.down.parameters()} & {id(p) for p in teacher.parameters()}


def test_plane_networks_share_too():
    teacher, student = (UNet(n, width=2, outputs=3, dimension=2) for n in (4, 1))
    share_decoder(teacher, student)
    assert student(torch.rand(1, 1, 16, 16)).shape == (1, 3, 16, 16)


def test_without_its_own_encoder_it_is_the_teacher(teacher):
    """The teacher's encoding through the student's decoder gives the teacher's scores."""
    image = torch.rand(1, 4, 16, 16, 16)
    assert torch.equal(taught_by(teacher).decode(teacher.encode(image))["scores"], teacher(image))


def test_encoder_alone_is_trained(teacher, batch):
    before = copy.deepcopy(teacher.state_dict())
    student = taught_by(teacher)
    start = copy.deepcopy(student.state_dict())
    objective = StudentObjective(settings_of("kl"), student, teacher)
    optimiser = torch.optim.Adam(objective.parameters(), lr=1e-2, weight_decay=1e-2)
    for _ in range(2):
        optimiser.zero_grad()
        objective(*batch)["total"].backward()
        optimiser.step()
    torch.testing.assert_close(teacher.state_dict(), before, rtol=0, atol=0)
    changed = {name for name, value in student.state_dict().items() if not torch.equal(value, start[name])}
    encoder = {name for name in start if name.startswith(("down", "bottleneck"))}
    assert changed == encoder
    assert all(p.grad is None for p in teacher.parameters())


def test_loss_is_the_divergence_and_the_truth(teacher, batch):
    terms = StudentObjective(settings_of("kl"), taught_by(teacher), teacher)(*batch)
    torch.testing.assert_close(terms["total"], terms["ground_truth"] + 10 * terms["kl"])


def test_student_can_be_kept_and_used_alone(teacher):
    student = taught_by(teacher)
    alone = UNet(modalities=1, width=2, skips=teacher.skips)
    alone.load_state_dict(student.state_dict())
    image = torch.rand(1, 1, 16, 16, 16)
    assert torch.equal(alone(image), student(image))


@pytest.mark.parametrize(
    "unlike",
    [{"width": 3}, {"skips": False}, {"outputs": 3}, {"dimension": 2}],
    ids=lambda unlike: str(unlike),
)
def test_unlike_decoders_are_refused(unlike):
    with pytest.raises(ValueError, match="decoders of equal shapes are required, got the weights"):
        share_decoder(UNet(modalities=4, width=2), UNet(modalities=1, **{"width": 2, **unlike}))
